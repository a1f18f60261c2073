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
P1  a_place_is_taken_after_all_that_preceded_its_return
P2  a_place_is_taken_after_all_that_preceded_its_return
S1  a_replaced_version_stays_allocated_while_it_is_read
S2  a_replaced_version_stays_allocated_while_it_is_read
T1  a_set_survives_growth
T2  a_set_survives_growth
EOF
