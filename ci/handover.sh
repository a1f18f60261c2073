#!/usr/bin/env bash
# Checks that a server is replaced by its successor without a failed request (adapters/tower/examples/handover): single
# connections, a successor that does not start, a server that crashes, then four handovers under load. Then the units for
# systemd, by `systemd-analyze verify` where there is one. Half a minute on two cores after the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash ci/with-tests cargo test -p cloakroom-tower --test handover
cargo run -p cloakroom-tower --example handover -- proof 4 2000

units=adapters/tower/examples/handover
python3 - "$units" <<'PYTHON'
import configparser
import sys


def unit(name):
    parser = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(open(f"{sys.argv[1]}/{name}").read())
    return parser


socket, service = unit("cloakroom.socket"), unit("cloakroom.service")
assert socket["Socket"]["ListenStream"] == "127.0.0.1:3000" and int(socket["Socket"]["Backlog"]) >= 1024
assert "cloakroom.socket" in service["Unit"]["Requires"].split()
section = service["Service"]
assert section["Type"] == "notify" and section["Restart"] == "always"
assert section["ExecStart"] == "/usr/local/bin/handover supervise" and section["ExecReload"].endswith("-HUP $MAINPID")
# What cloakroom-persist demands of its directory.
assert section["StateDirectory"] and section["StateDirectoryMode"] == "0700"
# The supervisor gives a server a minute to end.
assert int(section["TimeoutStopSec"]) > 60
PYTHON

if ! command -v systemd-analyze >/dev/null; then
    printf '\n*** SKIPPED: systemd has not checked the units, because it is not here ***\n\n' >&2
    exit 0
fi
# With a program that exists, because systemd looks for it.
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT
cp "$units/cloakroom.socket" "$copies"
sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$units/cloakroom.service" >"$copies/cloakroom.service"
complaints=$(systemd-analyze verify "$copies/cloakroom.socket" "$copies/cloakroom.service" 2>&1) || {
    printf 'error: systemd refuses the units:\n%s\n' "$complaints" >&2
    exit 1
}
# Unknown settings are only warned of.
if grep -F "$copies" <<<"$complaints"; then
    echo "error: systemd complains of the units" >&2
    exit 1
fi
