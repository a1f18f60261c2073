//! `stats`: each figure, exact at rest.

use std::time::Duration;

use cloakroom::{RemovalCause, SessionConfig, SessionId, SessionStore, Stats, Timeouts, WhenFull};

use crate::support::{TICK, TTL, crowd, session, store, store_with};

const CAUSES: [RemovalCause; 6] = [
    RemovalCause::IdleTimeout,
    RemovalCause::AbsoluteTimeout,
    RemovalCause::Deleted,
    RemovalCause::Rotated,
    RemovalCause::Capacity,
    RemovalCause::Principal,
];

fn removed(stats: &Stats) -> [u64; 6] {
    CAUSES.map(|cause| stats.removed(cause))
}

#[test]
fn an_empty_store_has_slots_and_nothing_else() {
    let (store, _) = store_with(|builder| builder.shards(2));
    let stats = store.stats();
    assert_eq!((stats.live, stats.created, stats.bytes, stats.slots, stats.slots_taken), (0, 0, 0, 128, 0));
    assert_eq!((stats.growth_steps, stats.longest_probe, removed(&stats)), (0, 0, [0; 6]));
    assert_eq!(stats.load(), 0.0);
}

#[test]
fn every_end_is_counted_under_its_cause() {
    let (store, clock) = store();
    let ids: Vec<_> = (0..10).map(|_| session(&store)).collect();
    let brief = store.new_session().absolute_timeout(TICK).create().expect("there is room");
    store.delete(&ids[0]);
    assert_eq!(store.delete_where(|view| view.id() == ids[1]), 1);
    let rotated = store.rotate_id(&ids[2]).expect("it is live");
    let graceful = store.rotation(&ids[3]).grace(TICK).rotate().expect("it is live");
    assert_eq!((store.stats().live, store.stats().created), (9, 11));
    clock.advance(2 * TICK);
    assert!(!store.exists(&brief));
    assert_eq!(removed(&store.stats()), [0, 1, 2, 2, 0, 0]);
    clock.advance(TTL);
    assert!(!store.exists(&rotated) && !store.exists(&graceful));
    store.evict_expired();
    let stats = store.stats();
    assert_eq!(removed(&stats), [8, 1, 2, 2, 0, 0]);
    assert_eq!((stats.live, stats.created, stats.bytes, stats.slots_taken), (0, 11, 0, 0));
}

#[test]
fn ends_to_make_room_are_counted() {
    let (store, _) = store_with(|builder| builder.max_sessions(3).when_full(WhenFull::EndIdlest));
    crowd(&store, 10);
    let stats = store.stats();
    assert_eq!((stats.live, stats.created, removed(&stats), stats.rejected_full), (3, 10, [0, 0, 0, 0, 7, 0], 0));
}

#[test]
fn refusals_are_counted_by_their_reason() {
    let (store, _) = store_with(|builder| builder.max_sessions(1).max_session_bytes(16).max_attributes(2));
    session(&store);
    (0..3).for_each(|_| assert!(store.create().is_err()));
    (0..2).for_each(|_| assert!(store.create_with([("key", "a long, long value")]).is_err()));
    let many = [("a", ""), ("b", ""), ("c", "")];
    (0..4).for_each(|_| assert!(store.create_with(many).is_err()));
    let id = SessionId::from_bytes([9; 32]);
    assert!(store.insert_with(&id, Timeouts::default(), many).is_err());
    let stats = store.stats();
    assert_eq!((stats.rejected_full, stats.rejected_too_large, stats.rejected_random), (3, 2, 0));
    assert_eq!(stats.rejected_too_many_attributes, 5);
    assert_eq!((stats.live, stats.created), (1, 1));
}

#[test]
fn bytes_follow_the_content_of_sessions() {
    let (store, _) = store();
    let id = store.create().expect("there is room");
    let empty = store.stats().bytes;
    assert!((48..=96).contains(&empty), "{empty} bytes");
    store.set(&id, "key", &"x".repeat(1_000)).expect("it is live");
    let full = store.stats().bytes;
    assert!((empty + 1_003..=empty + 1_010).contains(&full), "{full} bytes");
    store.set(&id, "key", "").expect("it is live");
    assert!(store.stats().bytes < empty + 10);
    let other = store.create_with([("key", "x".repeat(1_000))]).expect("there is room");
    assert!((full + empty..full + empty + 10).contains(&store.stats().bytes));
    store.delete(&other);
    store.delete(&id);
    assert_eq!(store.stats().bytes, 0);
}

#[test]
fn the_figures_of_the_table_follow_its_growth_and_shrinking() {
    let (store, clock) = store_with(|builder| builder.shards(1));
    crowd(&store, 10_000);
    let stats = store.stats();
    assert!(stats.slots.is_power_of_two() && (13_334..=32_768).contains(&stats.slots), "{} slots", stats.slots);
    assert_eq!(stats.slots_taken, 10_000);
    assert_eq!(stats.load(), 10_000.0 / stats.slots as f64);
    assert!((7..=9).contains(&stats.growth_steps), "from 64 slots: {} steps", stats.growth_steps);
    assert!((4..=512).contains(&stats.longest_probe), "{} slots probed", stats.longest_probe);
    clock.advance(TTL + TICK);
    store.evict_expired();
    let shrunk = store.stats();
    assert_eq!((shrunk.slots, shrunk.slots_taken, shrunk.longest_probe), (64, 0, 0));
    assert!(shrunk.growth_steps > stats.growth_steps);
}

#[test]
fn figures_add_up_after_many_operations() {
    let (store, clock) = store_with(|builder| builder.max_sessions(500).when_full(WhenFull::EndIdlest));
    let mut ids = Vec::new();
    for turn in 0..5_000_u64 {
        ids.push(session(&store));
        let id = ids[(turn * 7 % ids.len() as u64) as usize];
        match turn % 5 {
            0 => drop(store.delete(&id)),
            1 => drop(store.set(&id, "turn", &turn.to_string())),
            2 => ids.extend(store.rotate_id(&id)),
            _ => clock.advance(Duration::from_millis(100)),
        }
    }
    let stats = store.stats();
    let ended: u64 =
        CAUSES.iter().filter(|&&cause| cause != RemovalCause::Rotated).map(|&cause| stats.removed(cause)).sum();
    assert_eq!(stats.created, ended + stats.live as u64);
    assert_eq!((stats.created, stats.live, stats.slots_taken), (5_000, store.count(), store.count()));
    assert!(stats.removed(RemovalCause::Capacity) > 0 && stats.removed(RemovalCause::Deleted) > 0);
}

#[test]
fn reading_counts_nothing() {
    let (store, _) = store();
    let id = session(&store);
    // Except for memory that other tests retire at the same time.
    let figures = || {
        let all = format!("{:?}", store.stats());
        let (before, after) = all.split_once("retired_bytes: ").expect("it is one of them");
        format!("{before}{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
    };
    let before = figures();
    for _ in 0..100 {
        assert!(store.exists(&id) && store.get(&id, "user").is_some() && store.read(&id, |_| ()).is_some());
    }
    assert_eq!(figures(), before);
    assert!(before.contains("live: 1") && before.contains("(Deleted, 0)") && !before.contains("ada"), "{before}");
}

#[test]
fn typed_sessions_are_counted() {
    let store = SessionStore::<[u64; 100]>::typed(SessionConfig::default());
    let id = store.create_with([7; 100]).expect("there is room");
    assert!((800..900).contains(&store.stats().bytes));
    store.delete(&id);
    assert_eq!(store.stats().bytes, 0);
}

/// Far more than the other tests of the process retire at the same time.
#[test]
fn retired_bytes_are_shown_until_they_are_freed() {
    const VALUE: usize = 1 << 16;
    const MUCH: u64 = 1_000 * VALUE as u64;
    let store = SessionStore::<[u8; VALUE]>::typed(SessionConfig::default());
    let id = store.create_with([0; VALUE]).expect("there is room");
    let other = SessionStore::default();
    let read = session(&other);
    let before = store.stats().retired_bytes;
    let held = other.read(&read, |_| {
        (0..1_000).for_each(|_| assert!(store.update(&id, |value| *value).is_ok()));
        store.stats().retired_bytes
    });
    let held = held.expect("it is live");
    assert!((before + MUCH / 2..before + 2 * MUCH).contains(&held), "{before} bytes before, then {held}");
    // Readers of other tests may hold it back for a while.
    for _ in 0..100_000 {
        if store.stats().retired_bytes < before + MUCH / 2 {
            return;
        }
        other.flush();
        std::thread::yield_now();
    }
    panic!("{} bytes still wait to be freed", store.stats().retired_bytes);
}
