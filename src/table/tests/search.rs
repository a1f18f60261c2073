//! How much of a full table a search for expired sessions looks at, which a newcomer has to wait for.

use super::super::ops::SPAN;
use super::fixture::{Fixture, IDLE};
use crate::sync::{Ordering, on_step};
use crate::table::Whose;
use std::cell::Cell;
use std::rc::Rc;

/// How many pieces of the table a search took.
fn pieces(fixture: &Fixture, entries: usize) -> usize {
    let cursor = || fixture.table.cursor.load(Ordering::Relaxed);
    let before = cursor();
    fixture.sweep_some(entries);
    cursor() - before
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

/// How often `search` has measured a shard, to find out how long a round is.
fn measured(search: impl FnOnce()) -> usize {
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    on_step(move |name| counter.set(counter.get() + usize::from(name == "shard measured")));
    search();
    on_step(|_| {});
    count.get()
}

#[test]
fn a_newcomer_to_a_full_table_waits_no_longer_where_there_are_more_shards() {
    let fixture = Fixture::new(1_024, 1_000);
    (0..1_000).for_each(|number| assert!(fixture.insert(number)));
    // As many slots as a refusal looks at: one span of each of 64 shards.
    assert_eq!(measured(|| assert_eq!(fixture.sweep_some(512), 0)), 0);
    assert_eq!(pieces(&fixture, 512), 64);
    let room = || assert!(fixture.insert_in_place(1_000, false, Whose::Any, usize::MAX));
    assert_eq!(measured(room), 0);
    // Where that may be all, it is found out, once.
    assert_eq!(measured(|| assert_eq!(fixture.sweep_some(usize::MAX / 8), 0)), 1_024);
}
