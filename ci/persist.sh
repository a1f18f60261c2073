#!/usr/bin/env bash
# Checks cloakroom-persist: what comes back after a restart, after a process was killed, from damaged files, and on a disk
# that fails. Then plays the comparison of engines, the comparison with SQLite and the figures at a hundredth of their size; it
# measures nothing. Seven minutes on two cores from scratch.
#   CLOAKROOM_KILLS=1000 ci/persist.sh       kills the process a thousand times (12 when not given)
#   CLOAKROOM_EVERY_BYTE=1 ci/persist.sh     alters every bit of the files and cuts them off at every byte, ten minutes more
#   CLOAKROOM_EVERY_FAULT=1 ci/persist.sh    lets every access fail in every way
#   CLOAKROOM_SOAK_SECONDS=600 ci/persist.sh restarts under load for ten minutes (5 seconds when not given)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

every_byte=${CLOAKROOM_EVERY_BYTE:-}
unset CLOAKROOM_EVERY_BYTE
bash ci/with-tests cargo test -p cloakroom-codec -p cloakroom-persist --all-features
cargo run -p cloakroom-persist --example figures 2000
for engine in redb fjall; do
    cargo run -p cloakroom-benches --no-default-features --features engines --bin engines "$engine" 50000
done
cargo run -p cloakroom-benches --no-default-features --features sqlite --bin disk 400 1
if [ -n "$every_byte" ]; then
    # Without optimisation this takes hours.
    CLOAKROOM_EVERY_BYTE=1 bash ci/with-tests cargo test --release -p cloakroom-persist --test every_byte -- --nocapture
fi
