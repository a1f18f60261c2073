//! How much of a full table a search for expired sessions looks at, which a newcomer has to wait for.

use super::super::SPAN;
use super::fixture::{Fixture, IDLE};
use crate::sync::Ordering;

/// How many pieces of the table a search took, before any other.
fn pieces(fixture: &Fixture, entries: usize) -> usize {
    assert_eq!(fixture.table.hand.load(Ordering::Relaxed), 0);
    fixture.sweep_some(entries);
    fixture.table.hand.load(Ordering::Relaxed)
}

#[test]
fn a_search_looks_at_eight_times_as_many_slots_as_sessions_at_the_most() {
    let empty = Fixture::new(1_024, 0);
    assert_eq!(pieces(&empty, 2 * SPAN), 16);
}

#[test]
fn a_search_ends_with_the_piece_in_which_it_has_looked_at_enough_sessions() {
    let fixture = Fixture::new(1, 0);
    (0..4_000).for_each(|number| assert!(fixture.insert(number)));
    let pieces = pieces(&fixture, 4 * SPAN);
    // More than a third of the slots are taken.
    assert!((4..=12).contains(&pieces), "{pieces} pieces of {SPAN} slots");
}

#[test]
fn a_search_looks_at_nothing_twice() {
    let fixture = Fixture::new(4, 0);
    (0..100).for_each(|number| assert!(fixture.insert(number)));
    let slots = fixture.table.capacity();
    assert!(pieces(&fixture, 1_000 * SPAN) <= slots / SPAN + 4, "of {slots} slots");
}

#[test]
fn a_search_that_may_look_at_everything_finds_the_one_that_has_expired() {
    for expired in 0..8 {
        let fixture = Fixture::new(16, 0);
        assert!(fixture.insert(expired));
        fixture.pass(IDLE + 1);
        (100..3_000).for_each(|number| assert!(fixture.insert(number)));
        // Shards that are smaller than others are looked at more than once in a round.
        assert_eq!(fixture.sweep_some(12_000), 1);
    }
}
