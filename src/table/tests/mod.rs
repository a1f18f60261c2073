//! The table by itself, on one thread: sizes, and that nothing is freed twice or never.

use super::structure::array::MIN_CAPACITY;
use fixture::{Fixture, IDLE};

mod calls;
mod fixture;
#[allow(unsafe_code, reason = "it counts what the allocator is asked for")]
mod payloads;
mod progress;
mod room;
mod scenarios;
mod search;
mod suspended;

#[test]
fn a_steady_population_leaves_the_table_as_large_as_it_was() {
    let fixture = Fixture::new(1, 0);
    (0..1_000).for_each(|number| assert!(fixture.insert(number)));
    let rounds = if cfg!(debug_assertions) { 100_000 } else { 10_000_000 };
    let capacity = fixture.table.capacity();
    for number in 0..rounds {
        assert!(fixture.remove(number));
        assert!(fixture.insert(number + 1_000));
    }
    assert_eq!(fixture.table.capacity(), capacity);
    assert_eq!(fixture.table.len(), 1_000);
}

#[test]
fn a_table_grows_with_its_sessions_and_shrinks_after_them() {
    let fixture = Fixture::new(1, 0);
    (0..10_000).for_each(|number| assert!(fixture.insert(number)));
    let grown = fixture.table.capacity();
    assert!((10_000 * 4 / 3..=10_000 * 8 / 3).contains(&grown), "{grown} slots");
    (0..10_000).for_each(|number| assert!(fixture.has(number)));
    (0..10_000).for_each(|number| assert!(fixture.remove(number)));
    assert!(fixture.table.capacity() <= 8 * MIN_CAPACITY, "{} slots", fixture.table.capacity());
    fixture.sweep();
    assert_eq!(fixture.table.capacity(), MIN_CAPACITY);
}

#[test]
fn a_key_can_be_inserted_once_and_again_after_it_was_removed() {
    let fixture = Fixture::new(1, 0);
    assert!(fixture.insert(1));
    assert!(!fixture.insert(1));
    assert_eq!(fixture.table.len(), 1);
    assert!(fixture.remove(1));
    assert!(fixture.insert(1));
    assert_eq!(fixture.table.len(), 1);
}

#[test]
fn a_refused_insert_takes_no_place() {
    let fixture = Fixture::new(1, 2);
    assert!(fixture.insert(1));
    let before = (fixture.table.occupied(), fixture.table.counts().bytes());
    (0..100).for_each(|_| assert!(!fixture.insert(1)));
    assert_eq!((fixture.table.occupied(), fixture.table.counts().bytes()), before);
    assert!(fixture.insert(2));
    assert!(!fixture.insert(3));
}

#[test]
fn every_version_is_dropped_once_wherever_the_table_is_dropped() {
    // Every number of sessions up to several growths: some leave the table between two arrays.
    for sessions in 0..200 {
        let fixture = Fixture::new(1, 0);
        (0..sessions).for_each(|number| assert!(fixture.insert(number)));
        (0..sessions).step_by(3).for_each(|number| assert_eq!(fixture.update(number), Ok(())));
        (0..sessions).step_by(2).for_each(|number| assert!(fixture.remove(number)));
        fixture.assert_at_rest();
        fixture.assert_all_freed();
    }
}

#[test]
fn a_full_table_finds_its_one_expired_session() {
    for shards in [1, 4, 64] {
        let fixture = Fixture::new(shards, 1);
        for number in 0..100 {
            assert!(fixture.insert(number));
            assert_eq!(fixture.sweep_some(512), 0);
            fixture.pass(IDLE + 1);
            assert_eq!(fixture.sweep_some(512), 1, "{shards} shards");
        }
    }
}

#[test]
fn a_sweep_ends_what_has_expired_and_nothing_else() {
    let fixture = Fixture::new(2, 0);
    (0..500).for_each(|number| assert!(fixture.insert(number)));
    fixture.pass(IDLE);
    (500..600).for_each(|number| assert!(fixture.insert(number)));
    assert_eq!(fixture.sweep(), 0);
    fixture.pass(1);
    assert_eq!(fixture.sweep(), 500);
    assert_eq!(fixture.table.len(), 100);
    assert!((500..600).all(|number| fixture.has(number)));
}

/// While a rotation with grace is under way for longer than a session may lie idle, and the session is used under its
/// old key.
#[test]
fn what_is_touched_under_the_old_key_does_not_expire_under_the_new_one() {
    let fixture = Fixture::new(1, 0);
    assert!(fixture.insert_with(1, 7));
    let busy = || {
        for _ in 0..3 {
            fixture.pass(IDLE);
            assert_eq!(fixture.read(1), Some(7));
            assert_eq!(fixture.sweep(), 0);
        }
    };
    assert_eq!(fixture.rotate_forwarding_and(1, 2, busy), Some(7));
    fixture.pass(IDLE);
    assert_eq!(fixture.read(2), Some(7));
    fixture.pass(IDLE + 1);
    assert_eq!((fixture.read(2), fixture.read(1)), (None, None));
    fixture.assert_at_rest();
    fixture.assert_all_freed();
}
