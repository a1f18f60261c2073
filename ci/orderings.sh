#!/usr/bin/env bash
# Relaxes the memory orderings one at a time and requires that a loom model fails each time. A minute on two cores once
# the models are compiled. docs/orderings.md says what each ordering is for.
#   ci/orderings.sh S1    relaxes this one only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
only=${1:-}

# The access that `ordered("...", ...)` names in the sources, and the model that has to fail when it is relaxed.
list=$(
    cat <<'EOF'
A1  a_set_survives_growth
A2  a_set_survives_growth
A3  delete_and_insert_again_during_growth
A4  delete_and_insert_again_during_growth
A5  growth_against_growth_and_set
A6  growth_against_growth_and_set
B1  an_object_taken_from_an_open_batch_is_freed_once_and_after_it_was_retired
B2  an_object_taken_from_an_open_batch_is_freed_once_and_after_it_was_retired
B3  a_record_is_found_with_the_objects_that_its_thread_has_retired
B4  a_record_is_found_with_the_objects_that_its_thread_has_retired
B5  an_object_with_contents_is_taken_under_some_ticket
B6  an_object_with_contents_is_taken_under_some_ticket
B7  a_returned_batch_has_one_owner
B8  a_returned_batch_has_one_owner
B9  nothing_is_left_with_a_thread_whose_sweep_is_over
B10 a_batch_returned_to_a_thread_that_ends_is_freed_once
B11 a_record_has_one_thread_at_a_time_and_keeps_its_counts
B12 a_record_has_one_thread_at_a_time_and_keeps_its_counts
B13 a_record_is_found_with_the_objects_that_its_thread_has_retired
B14 a_record_is_found_with_the_objects_that_its_thread_has_retired
C1  rotation_against_the_end_of_all
C2  rotation_against_the_end_of_all
E1  two_sets_both_count
E2  two_sets_both_count
E3  two_sets_both_count
L1  a_replaced_version_stays_allocated_while_it_is_read
L2  a_replaced_version_stays_allocated_while_it_is_read
M1  a_span_with_a_block_in_use_is_not_freed
M2  a_span_with_a_block_in_use_is_not_freed
M3  a_span_with_a_block_in_use_is_not_freed
M4  blocks_of_another_class_are_given_back
M5  two_threads_that_need_a_chunk_both_get_blocks
M6  no_memory_in_use_goes_back_to_the_system
M7  no_memory_in_use_goes_back_to_the_system
M8  a_block_has_one_owner
M9  a_block_has_one_owner
M10 a_block_has_one_owner
M11 a_block_has_one_owner
P1  a_place_is_taken_after_all_that_preceded_its_return
P2  a_place_is_taken_after_all_that_preceded_its_return
P3  bytes_are_taken_after_all_that_preceded_their_return
P4  bytes_are_taken_after_all_that_preceded_their_return
S1  a_replaced_version_stays_allocated_while_it_is_read
S2  a_replaced_version_stays_allocated_while_it_is_read
T1  a_set_survives_growth
T2  a_set_survives_growth
EOF
)

export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="--cfg loom --cfg crossbeam_loom ${RUSTFLAGS:-}"

diff <(cut -d' ' -f1 <<<"$list" | sort) <(grep -rhoE 'ordered\("[A-Z][0-9]+"' src | cut -d'"' -f2 | sort -u) || {
    echo "error: the orderings listed (left) are not those of the sources (right)" >&2
    exit 1
}

# Without backtraces: the stack of a model's thread has no room to print one, and the failed test hangs.
model() {
    RUST_BACKTRACE=0 timeout 600 cargo test -q -p loom-tests --release -- --exact "$1" 2>&1
}

# The models pass as they are, or a failure would say nothing (ci/loom.sh runs them all).
model delete_against_single_steps >/dev/null || {
    echo "error: a model fails with nothing relaxed" >&2
    exit 1
}

# attempt TAG MODEL: one line of the report.
attempt() {
    local start=$SECONDS status=0 output
    output=$(env CLOAKROOM_WEAKEN="$1" bash -c "$(declare -f model); model $2") || status=$?
    # Caught is a failed test, or a process that died because the damage was done already. A time-out and a test that was
    # not run are not.
    if [ "$status" -eq 0 ] || [ "$status" -eq 124 ] || ! grep -q 'running 1 test' <<<"$output"; then
        echo "MISSED  $1 by $2 (status $status, $((SECONDS - start)) s)"
    else
        echo "caught  $1 by $2 ($((SECONDS - start)) s)"
    fi
}
export -f attempt model

# Two at a time: a model runs on one thread.
report=$(awk -v only="$only" 'only == "" || $1 == only' <<<"$list" |
    xargs -r -L 1 -P 2 bash -c 'attempt "$@"' attempt | tee -a /dev/stderr)
caught=$(grep -c '^caught' <<<"$report") || true
missed=$(grep -c '^MISSED' <<<"$report") || true
echo "$caught relaxed and caught, $missed missed"
[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]
