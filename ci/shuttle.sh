#!/usr/bin/env bash
# Runs the store under schedules that shuttle chooses, with more threads and operations than loom can go through, and checks what the threads
# are told; then with protocol rules broken, each of which it has to notice. Half a minute on two cores once it is compiled.
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

# What `planted("...")` breaks in the sources and these schedules meet soon. (ci/planted-bugs.sh has loom find all of them.)
missed=0
while read -r rule; do
    start=$SECONDS status=0
    output=$(CLOAKROOM_PLANT=$rule timeout 60 cargo test -q -p shuttle-tests --release --test histories under 2>&1) || status=$?
    if [ "$status" -eq 101 ] && grep -q '^test result: FAILED' <<<"$output"; then
        echo "caught  $rule ($((SECONDS - start)) s)"
    else
        echo "MISSED  $rule (status $status)"
        missed=$((missed + 1))
    fi
done <<'LIST'
array-retired-by-a-loser
claimed-counts-as-done
copy-without-a-second-look
expiry-reported-without-the-kill
frozen-match-left-to-others
limit-looked-at-before
next-not-read
place-given-back-before-the-kill
pointer-kept-in-the-old-array
retired-when-superseded
slot-back-to-empty
successor-copied-instead
LIST
[ "$missed" -eq 0 ]
