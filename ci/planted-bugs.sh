#!/usr/bin/env bash
# Breaks the protocols' rules one at a time and requires that a loom scenario fails each time: a check of the checks. A minute on two
# cores once the models are compiled.
#   ci/planted-bugs.sh stamp-not-raised    breaks this rule only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The rule that `planted("...")` breaks in the sources, and the scenario that has to fail then.
bash ci/must-fail CLOAKROOM_PLANT 'planted\("[a-z-]+"\)' "$@" <<'EOF'
array-retired-by-a-loser               two_growths_at_once
arrives-though-revoked                 rotation_against_the_end_of_all
bit-cleared-without-a-second-look      a_block_is_had_by_one_and_used_by_nobody_else
blocks-of-another-class-kept           blocks_of_another_class_are_given_back
claimed-counts-as-done                 delete_against_two_growths
closed-by-a-look                       what_is_taken_from_an_open_batch_is_freed_once_and_after_it_was_retired
copy-without-a-second-look             delete_against_single_steps
counted-in-late                        insert_during_growth
dead-shortcut-when-frozen              delete_against_single_steps
expiry-reported-without-the-kill       delete_against_eviction
forward-followed-to-a-pending-session  rotation_with_grace_against_reads
forward-outlives-its-session           a_forward_that_a_suspended_thread_has_left_is_in_no_inserts_way
frozen-match-left-to-others            delete_against_single_steps
insert-past-a-frozen-entry             an_insert_that_comes_late_to_the_next_array
insert-past-a-frozen-slot              delete_and_insert_again_during_growth
joined-past-the-limit                  two_logins_for_one_place
keys-noted-twice                       who_stays_is_noted_once_during_growth
keys-of-the-current-array-only         who_stays_is_noted_once_during_growth
kill-whatever-the-stamp                evict_against_touch
limit-looked-at-before                 two_inserts_for_one_place
new-version-visible-too-early          rotation_with_grace_against_an_update_of_what_is_listed
next-before-the-old-is-closed          insert_against_insert_into_next_with_neighbours
next-left-before-its-predecessor       insert_when_next_is_full_too_early
next-not-read                          get_during_growth
next-read-before-the-probe             get_during_growth
next-without-reservations              inserts_while_shrinking
place-given-back-before-the-kill       a_place_that_a_delete_leaves
place-given-back-by-a-loser            one_place_for_two_deletes
place-kept-by-a-refused-insert         an_insert_of_one_key_and_its_place
pointer-kept-in-the-old-array          delete_against_single_steps
retired-when-superseded                growth_against_growth_and_set
returned-to-an-orphan                  what_is_returned_to_a_thread_that_ends_is_freed_by_the_later
revoked-sessions-live-on               the_end_of_all_against_the_end_of_all
set-without-a-look-at-life             set_against_eviction
setter-frees-the-successor             set_against_delete
sized-without-a-seal                   insert_during_growth
slot-back-to-empty                     delete_against_single_steps
span-taken-as-another-class            a_span_that_has_changed_its_class_is_not_taken_for_what_it_was
span-taken-without-all-its-blocks      blocks_of_another_class_are_given_back
stamp-not-raised                       set_against_expiry_and_get
successor-copied-instead               growth_against_growth_and_set
superseded-left-in-its-slot            growth_against_growth_and_set
sweep-skips-the-old-array              eviction_during_growth
ticket-redeemed-too-late               what_has_content_is_taken_under_some_ticket
tombstone-filled-again                 insert_against_delete_of_a_neighbour
two-generations-followed               get_during_three_growths
victim-used-meanwhile                  creation_against_a_touch_of_the_idlest
victims-place-given-twice              creation_against_creation_at_the_limit
writer-skips-the-old-array             insert_and_delete_during_growth
EOF
