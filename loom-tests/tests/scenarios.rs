//! Three-thread models of the table over the stand-in for the memory. Every scenario below is explored in every
//! schedule that loom's bound on preemptions allows (`LOOM_MAX_PREEMPTIONS`, 2 unless set). Every history is checked
//! for linearizability, every retirement for reachability, and the table at the end for order. `ci/planted-bugs.sh`
//! breaks one rule of the protocols after the other and requires that a scenario fails.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/history.rs"]
mod history;
#[path = "support/scenario.rs"]
mod scenario;
#[path = "../../verify/support/search.rs"]
mod search;

macro_rules! scenarios {
    ($less:literal: $($name:ident: $line:literal;)*) => {
        $(
            #[test]
            fn $name() {
                scenario::explore($line, $less);
            }
        )*
    };
}

scenarios! {
    0:
    // A single session, in place.
    set_against_delete: "2; i1; s1 | d1; g1";
    set_against_set: "2; i1; s1 | s1; g1";
    set_against_get: "2; i1; s1 | g1; g1";
    set_against_an_abandoned_set: "2; i1; v1 | s1 | g1; g1";
    three_sets: "2; i1; s1 | s1 | s1; g1";
    delete_against_delete: "2; i1; d1 | d1; g1";
    two_inserts_of_one_key: "2; ; i1 | i1; d1 d1";
    insert_where_a_dead_entry_lies: "2; i1 k1; i1 | g1; g1";
    insert_against_delete_of_a_neighbour: "4; i2; i1 | d2 i1; d1 d1";
    // The tags, which a look-up asks first.
    a_session_that_a_set_has_found_is_found: "2; ; i1 | s1 g1; g1";
    two_inserts_into_one_slot: "4; ; i1 | i2; g1 g2";
    // Time.
    evict_against_touch: "2; i1 t; g1 | t e; x1";
    set_against_expiry_and_get: "2; i1; s1 | t g1 t; x1";
    set_against_expiry_and_exists: "2; i1 t; s1 | t x1 x1; x1";
    set_against_eviction: "2; i1 t; s1 | t e; x1";
    delete_against_eviction: "2; i1 t; d1 | t e; x1";
    touch_by_a_set_against_delete: "2; i1; n1 | d1; g1";
    touch_by_a_set_against_eviction: "2; i1 t; n1 | t e; x1";
    get_after_the_clock_was_set_back: "2; T i1 b; g1 | s1; T x1";
    delete_after_the_clock_was_set_back: "2; T i1 b; d1 | x1; T x1";
    // Growth.
    delete_during_growth: "2; i1; d1 | G; g1";
    set_during_growth: "2; i1; s1 | G; g1";
    get_during_growth: "2; i1; g1 | G; g1";
    get_during_two_growths: "2; i1; g1 | G G; g1";
    get_during_three_growths: "2; i1; g1 | G G G; g1";
    two_growths_at_once: "2; i1; G | G; g1";
    growth_and_delete_against_growth: "2; i1; G d1 | G; g1";
    growth_against_growth_and_set: "2; i1; G | G s1; g1";
    delete_and_insert_again_during_growth: "2; i1; d1 i1 | G; d1 d1";
    insert_of_one_key_during_growth: "4; i1; i1 | G; d1 d1";
    an_insert_that_comes_late_to_the_next_array: "2; N; i1 | i1 N M0; d1 d1";
    set_against_a_late_slot: "2; i1; s1 | N F0 M0 | e; g1";
    reads_of_a_superseded_version: "2; i1 u1; g1 | g1; g1";
    insert_against_insert_into_next: "2; ; i1 | N i1; d1 d1";
    insert_against_insert_into_next_with_neighbours: "4; i2 i3; i1 | N i1; d1 d1";
    insert_and_delete_during_growth: "2; ; i1 | G | d1; g1";
    insert_and_an_abandoned_copy: "2; ; i1 | N F0 c0 | d1; d1";
    eviction_during_growth: "2; i1 T; G | e; d1";
    insert_over_a_dead_entry_in_a_frozen_slot: "2; i1 N F0 k1; i1 | M0; g1";
    two_copiers_of_a_dead_entry: "2; i1 N F0 k1; M0 | M0; d1";
    delete_against_single_steps: "2; i1; d1 | N F0 M0; g1";
    // Room in the next array.
    inserts_fill_the_next_array: "2; i1 N; i2 i3 | G; g1 g2 g3";
    insert_during_growth: "2; i1; i2 | G; g1 g2";
    inserts_during_growth: "2; i1; i2 i3 | G; g1 g2 g3";
    insert_when_next_is_full_too_early: "8; i4 i5 i6 i7 N i1 i2; i3 | g4; g4 g3";
    // Shrinking: arrays of four and eight slots, nearly empty, are left for smaller ones.
    insert_while_an_empty_array_shrinks: "4; ; i1 | G; g1";
    insert_and_delete_while_shrinking: "4; ; i1 d1 | G; g1";
    delete_while_shrinking: "8; i1; d1 | G; g1";
    delete_shrinks_while_another_inserts: "8; i1 i2; d1 d2 | i3; g1 g2 g3";
    // The limit.
    two_inserts_for_one_place: "2/1; ; i1 | i2; g1 g2 i3";
    an_insert_of_one_key_and_its_place: "2/2; i1; i1 | i2; g1 g2 i3";
    a_place_that_a_delete_leaves: "2/1; i1; d1 | i2 g1; g1 g2 i3";
    a_place_that_a_delete_leaves_and_takes: "2/1; i1; d1 i1 | i2 g1; g1 g2 i3";
    a_place_that_an_eviction_leaves: "2/1; i1 T; e | i2 x1; g2 i3";
    a_place_that_an_eviction_may_leave: "2/1; i1 t; g1 | t e i2; x1 g2 i3";
    a_place_that_a_get_leaves: "2/1; i1 T; g1 | i2 g2; g1 g2 i3";
    one_place_for_two_deletes: "2/1; i1; d1 | d1 | i2; g2 i3 i1";
    a_set_keeps_its_place: "2/1; i1; s1 | i2 d1 i3; g1 g2 g3";
    a_place_left_during_growth: "2/1; i1 N F0; d1 | i2 g1 | M0; g1 g2 i3";
    a_place_taken_during_growth: "2/2; i1; i2 | i3 | N M0; g1 g2 g3";
    a_place_left_by_an_eviction_during_growth: "2/1; i1 T N; e | i2 x1 | M0; g2 i3";
}

// With one preemption less: these take from a minute to half an hour each otherwise.
scenarios! {
    1:
    delete_against_two_growths: "2; i1; d1 | G | G; g1";
    set_against_two_growths: "2; i1; s1 | G | G; g1";
    set_and_delete_during_growth: "2; i1; s1 | d1 | G; g1";
    two_sets_during_growth: "2; i1; s1 | s1 | G; g1";
    insert_between_two_arrays: "2; i1 N; i2 | i3 g1 | g1; g1 g2 g3";
    inserts_and_growth: "4; i1; i2 | G | i3; g1 g2 g3";
    inserts_while_shrinking: "8; i1; i2 i3 | G; g1 g2 g3";
    two_inserts_while_an_empty_array_shrinks: "4; ; i1 | i2 | G; g1 g2";
    set_and_insert_while_shrinking: "8; i1; s1 | i2 | G; g1 g2";
    shrink_and_grow_again: "4; ; G i1 i2 | i3; g1 g2 g3";
    insert_against_insert_into_next_with_a_neighbour: "2; i2; i1 | N i1; d1 d1";
    insert_and_set_during_growth: "2; ; i1 | G | s1; g1";
    a_delete_an_insert_and_growth: "2/1; i1; d1 | i2 g1 | G; g1 g2 i3";
    inserts_for_one_place_and_growth: "2/2; i1; i2 | i3 | G; g1 g2 g3";
    one_place_for_a_delete_and_an_eviction: "2/2; i1 T i2; d1 | e | i3; x1 g2 g3 i3";
    an_eviction_an_insert_and_growth: "2/1; i1 T; e | i2 x1 | G; g2 i3";
}
