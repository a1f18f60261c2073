#!/usr/bin/env bash
# Breaks the protocols' rules one at a time and requires that a loom scenario fails each time: a check of the checks. Two minutes on two
# cores once the models are compiled.
#   ci/planted-bugs.sh stamp-not-raised    breaks this rule only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="--cfg loom --cfg crossbeam_loom ${RUSTFLAGS:-}"

# The rule that `planted("...")` breaks in the sources, and the scenario that has to fail then.
rules='
array-retired-by-a-loser          two_growths_at_once
claimed-counts-as-done            delete_against_two_growths
copy-without-a-second-look        delete_against_single_steps
counted-in-late                   insert_during_growth
dead-shortcut-when-frozen         delete_against_single_steps
expiry-reported-without-the-kill  delete_against_eviction
frozen-match-left-to-others       delete_against_single_steps
insert-past-a-frozen-slot         delete_and_insert_again_during_growth
kill-whatever-the-stamp           evict_against_touch
next-before-the-old-is-closed     insert_against_insert_into_next_with_neighbours
next-left-before-its-predecessor  insert_when_next_is_full_too_early
next-not-read                     get_during_growth
next-read-before-the-probe        get_during_growth
next-without-reservations         inserts_while_shrinking
pointer-kept-in-the-old-array     delete_against_single_steps
retired-when-superseded           growth_against_growth_and_set
set-without-a-look-at-life        set_against_eviction
setter-frees-the-successor        set_against_delete
sized-without-a-seal              insert_during_growth
slot-back-to-empty                delete_against_single_steps
stamp-not-raised                  set_against_expiry_and_get
successor-copied-instead          growth_against_growth_and_set
superseded-left-in-its-slot       growth_against_growth_and_set
sweep-skips-the-old-array         eviction_during_growth
tombstone-filled-again            insert_against_delete_of_a_neighbour
two-generations-followed          get_during_three_growths
writer-skips-the-old-array        insert_and_delete_during_growth
'

# A rule that can be broken but is not in the list would go unchecked.
diff <(awk 'NF { print $1 }' <<<"$rules" | sort) <(grep -rhoE 'planted\("[a-z-]+"\)' src | cut -d'"' -f2 | sort -u) || {
    echo "error: the rules listed here (left) are not those of the sources (right)" >&2
    exit 1
}

scenario() {
    timeout 600 cargo test -q -p loom-tests --release --test scenarios -- --exact "$1" 2>&1
}

# The models must pass as they are, or a failure would say nothing.
scenario delete_against_single_steps >/dev/null || { echo "error: a scenario fails with every rule kept" >&2; exit 1; }

missed=0 caught=0
while read -r rule name; do
    [ -n "$rule" ] && { [ $# -eq 0 ] || [ "$rule" = "$1" ]; } || continue
    start=$SECONDS status=0
    output=$(CLOAKROOM_PLANT=$rule scenario "$name") || status=$?
    # Caught is a failed test or, where the damage is done already, a process that died; not a time-out.
    if [ "$status" -eq 0 ] || [ "$status" -eq 124 ] || ! grep -q 'running 1 test' <<<"$output"; then
        echo "MISSED  $rule by $name (status $status, $((SECONDS - start)) s)"
        missed=$((missed + 1))
    else
        echo "caught  $rule by $name ($((SECONDS - start)) s)"
        caught=$((caught + 1))
    fi
done <<<"$rules"
echo "$caught rules broken and caught, $missed missed"
[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]
