#!/usr/bin/env bash
# Relaxes the memory orderings one at a time and requires that a loom model fails each time. A minute on two cores once the models are
# compiled. docs/orderings.md says what each is for.
#   ci/orderings.sh S1    relaxes this one only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The access that `ordered("...", ...)` names in the sources, and the model that has to fail when it is relaxed.
bash ci/must-fail CLOAKROOM_WEAKEN 'ordered\("[A-Z][0-9]"' "$@" <<'EOF'
A1  a_set_survives_growth
A2  a_set_survives_growth
A3  delete_and_insert_again_during_growth
A4  delete_and_insert_again_during_growth
A5  growth_against_growth_and_set
A6  growth_against_growth_and_set
B1  what_comes_back_is_used_by_nobody
B2  what_comes_back_is_used_by_nobody
B3  what_is_given_up_is_freed_by_the_later_end
C1  rotation_against_the_end_of_all
C2  rotation_against_the_end_of_all
E1  two_sets_both_count
E2  two_sets_both_count
E3  two_sets_both_count
L1  a_reader_keeps_what_is_replaced
L2  a_reader_keeps_what_is_replaced
P1  who_takes_a_place_sees_what_was_done_before_it_was_left
P2  who_takes_a_place_sees_what_was_done_before_it_was_left
S1  a_reader_keeps_what_is_replaced
S2  a_reader_keeps_what_is_replaced
T1  a_set_survives_growth
T2  a_set_survives_growth
EOF
