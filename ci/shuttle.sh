#!/usr/bin/env bash
# Runs the store under schedules that shuttle chooses, with more threads and operations than loom can explore, and checks
# the answers. Then breaks rules of the protocols, each of which it has to notice. Two minutes on two cores once it is
# compiled.
#   CLOAKROOM_SHUTTLE_ITERATIONS=100000 ci/shuttle.sh    more schedules for each test (5,000 when not given)
#   CLOAKROOM_SHUTTLE_SEED=7 ci/shuttle.sh limit         those of one seed, which a failure names
# Arguments go to cargo test; then no rule is broken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The flag reaches every dependency, hence a target directory of their own.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/shuttle
export RUSTFLAGS="--cfg shuttle ${RUSTFLAGS:-}"
bash ci/with-tests cargo test -p shuttle-tests --release --test histories "$@"
[ $# -eq 0 ] || exit 0

# Rules that these schedules meet soon: the patches in verify/planted/ whose header says so.
bash ci/planted shuttle-tests
