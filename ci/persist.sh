#!/usr/bin/env bash
# Checks cloakroom-persist: what comes back after a restart, after a process was killed, from damaged files, and on a disk
# that fails. Then plays the comparison of engines and the figures at a hundredth of their size; it measures nothing.
# Four minutes on two cores from scratch.
#   CLOAKROOM_KILLS=1000 ci/persist.sh       kills the process a thousand times (12 when not given)
#   CLOAKROOM_EVERY_BYTE=1 ci/persist.sh     alters and cuts off the files at every byte, for hours
#   CLOAKROOM_EVERY_FAULT=1 ci/persist.sh    lets every access fail in every way
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash ci/with-tests cargo test -p cloakroom-codec -p cloakroom-persist --all-features
cargo run -p cloakroom-persist --example figures 2000
for engine in redb fjall; do
    cargo run -p cloakroom-benches --no-default-features --features engines --bin engines "$engine" 50000
done
