#!/usr/bin/env bash
# Prints which shared cache lines an operation writes, in cloakroom and in stores behind locks. Fails if cloakroom writes more than
# docs/performance.md claims. Three minutes on two cores from scratch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

# The flag applies to every dependency too, so it gets a target directory of its own.
CARGO_TARGET_DIR=$target/count-writes RUSTFLAGS="--cfg cloakroom_count_writes" cargo run --quiet -p cloakroom-benches --bin shared-writes
