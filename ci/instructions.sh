#!/usr/bin/env bash
# Counts the instructions of single operations with valgrind and fails where one takes more than 3 % more than benches/instructions.json says.
#   ci/instructions.sh          checks
#   ci/instructions.sh bless    makes the present counts the baseline
# The counts are exact for one compiler, one C library and one kind of processor: the script says so when the compiler is another than the baseline's.
# Then counts those of operations on a store that cloakroom-persist keeps on disk, and fails where they take too many times those of a store in memory: `set` 1.3.
# Then counts those of a read that cloakroom-redis serves from its near cache, and its cache misses, and fails where they are too many times those of a
# store in memory: 1.2 and 1.1.
# Needs valgrind. Installs the runner of the benchmarks and redis-server where they are missing. Six minutes on two cores from scratch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.0
if ! gungraun-runner --version 2>/dev/null | grep -qwF "$version"; then
    cargo install gungraun-runner --version "$version" --locked
fi

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
# Without the peers, which take long to build.
cargo bench -p cloakroom-benches --no-default-features --bench counts -- --output-format=json >"$counts"
cargo run --quiet -p cloakroom-benches --no-default-features --bin instructions -- "${1:-check}" benches/instructions.json <"$counts"

cargo bench -p cloakroom-benches --no-default-features --features persist --bench kept -- --output-format=json >"$counts"
cargo run --quiet -p cloakroom-benches --no-default-features --bin instructions -- kept <"$counts"

if ! command -v redis-server >/dev/null; then
    { apt-get install -y redis-server || { apt-get update && apt-get install -y redis-server; }; } >/dev/null
fi
cargo bench -p cloakroom-benches --no-default-features --features redis --bench near -- --output-format=json >"$counts"
cargo run --quiet -p cloakroom-benches --no-default-features --bin instructions -- near <"$counts"
