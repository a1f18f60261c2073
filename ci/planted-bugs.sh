#!/usr/bin/env bash
# Breaks the protocols' rules one at a time and requires that a loom model fails each time: a check of the checks. Two
# minutes on two cores once the models are compiled.
#   ci/planted-bugs.sh stamp-not-raised    breaks the rules of these names only
# Each rule is a patch in verify/planted/. Its header says what the rule is, and which model in which file of
# loom-tests/tests/ has to fail without it. The patches are applied to copies of the working tree, with changes that are
# not committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="--cfg loom --cfg crossbeam_loom ${RUSTFLAGS:-}"
bash ci/planted loom-tests "$@"
