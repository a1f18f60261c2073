#!/usr/bin/env bash
# Lets loom go through the schedules of the models in loom-tests. Some minutes on two cores.
#   LOOM_MAX_PREEMPTIONS=3 ci/loom.sh    more schedules, much longer (2 when not given)
# Arguments go to cargo test: ci/loom.sh growth    runs the models with `growth` in their names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2}
# The flags reach every dependency, hence a target directory of their own.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="--cfg loom --cfg crossbeam_loom ${RUSTFLAGS:-}"
bash ci/with-tests cargo test -p loom-tests --release "$@"
