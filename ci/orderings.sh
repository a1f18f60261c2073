#!/usr/bin/env bash
# Relaxes the memory orderings one at a time and requires that a loom model fails each time. A minute on two cores once the models are
# compiled. docs/orderings.md says what each is for.
#   ci/orderings.sh S1    relaxes this one only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The access that `ordered("...", ...)` names in the sources, and the model that has to fail when it is relaxed.
bash ci/must-fail CLOAKROOM_WEAKEN 'ordered\("[A-Z][0-9]+"' "$@" <<'EOF'
A1  a_set_survives_growth
A2  a_set_survives_growth
A3  delete_and_insert_again_during_growth
A4  delete_and_insert_again_during_growth
A5  growth_against_growth_and_set
A6  growth_against_growth_and_set
B1  what_is_taken_from_an_open_batch_is_freed_once_and_after_it_was_retired
B2  what_is_taken_from_an_open_batch_is_freed_once_and_after_it_was_retired
B3  a_record_is_found_with_what_its_thread_has_retired
B4  a_record_is_found_with_what_its_thread_has_retired
B5  what_has_content_is_taken_under_some_ticket
B6  what_has_content_is_taken_under_some_ticket
B7  what_is_returned_is_had_by_one_and_used_by_nobody_else
B8  what_is_returned_is_had_by_one_and_used_by_nobody_else
B9  nothing_is_left_with_a_thread_whose_sweep_is_over
B10 what_is_returned_to_a_thread_that_ends_is_freed_by_the_later
B11 a_record_has_one_thread_at_a_time_and_keeps_its_counts
B12 a_record_has_one_thread_at_a_time_and_keeps_its_counts
B13 a_record_is_found_with_what_its_thread_has_retired
B14 a_record_is_found_with_what_its_thread_has_retired
C1  rotation_against_the_end_of_all
C2  rotation_against_the_end_of_all
E1  two_sets_both_count
E2  two_sets_both_count
E3  two_sets_both_count
L1  a_reader_keeps_what_is_replaced
L2  a_reader_keeps_what_is_replaced
M1  a_span_is_freed_under_nobody_that_has_blocks_of_it
M2  a_span_is_freed_under_nobody_that_has_blocks_of_it
M3  a_span_is_freed_under_nobody_that_has_blocks_of_it
M4  blocks_of_another_class_are_given_back
M5  two_that_need_a_chunk_get_along
M6  memory_goes_back_to_the_system_under_nobody
M7  memory_goes_back_to_the_system_under_nobody
M8  a_block_is_had_by_one_and_used_by_nobody_else
M9  a_block_is_had_by_one_and_used_by_nobody_else
M10 a_block_is_had_by_one_and_used_by_nobody_else
M11 a_block_is_had_by_one_and_used_by_nobody_else
P1  who_takes_a_place_sees_what_was_done_before_it_was_left
P2  who_takes_a_place_sees_what_was_done_before_it_was_left
S1  a_reader_keeps_what_is_replaced
S2  a_reader_keeps_what_is_replaced
T1  a_set_survives_growth
T2  a_set_survives_growth
EOF
