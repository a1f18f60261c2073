//! Creations at `max_sessions`. For sessions that are bound to a principal, see `src/table/tests/room.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{CreateError, ManualClock, SessionConfig, SessionId, SessionStore, WhenFull};

use crate::support::{TICK, TTL, assert_gone, crowd, session, store_with};

/// A full store. Its sessions are ordered by idle time, the idlest first.
fn full_store(when_full: WhenFull, sessions: usize) -> (SessionStore, ManualClock, Vec<SessionId>) {
    let (store, clock) = store_with(|builder| builder.max_sessions(sessions).when_full(when_full));
    let arrive = |_| {
        clock.advance(TICK);
        session(&store)
    };
    let ids = (0..sessions).map(arrive).collect();
    (store, clock, ids)
}

#[test]
fn a_full_store_refuses_by_default() {
    let (store, _) = store_with(|builder| builder.max_sessions(1));
    assert_eq!(store.config().when_full, WhenFull::Refuse);
    let first = session(&store);
    assert_eq!(store.create(), Err(CreateError::Full));
    assert!(store.exists(&first));
}

/// At most as many sessions as a sample. If no session is bound, the two policies are the same.
#[test]
fn the_idlest_of_a_few_sessions_ends() {
    for when_full in [WhenFull::EndIdlest, WhenFull::EndUnbound] {
        for sessions in [1, 2, 10, 32] {
            let (store, clock, mut ids) = full_store(when_full, sessions);
            for turn in 0..50 {
                clock.advance(TICK);
                if turn % 3 == 0 {
                    // The idlest session is used, and so it stays.
                    assert!(store.touch(&ids[0]));
                    ids.rotate_left(1);
                }
                clock.advance(TICK);
                ids.push(session(&store));
                assert_gone(&store, &ids.remove(0));
                assert!(ids.iter().all(|id| store.exists(id)));
                assert_eq!(store.count(), sessions);
            }
        }
    }
}

#[test]
fn one_of_the_idler_half_of_many_sessions_ends() {
    const ALL: usize = 4_000;
    let (store, _, ids) = full_store(WhenFull::EndIdlest, ALL);
    let newcomers: Vec<_> = (0..100).map(|_| session(&store)).collect();
    assert_eq!(store.count(), ALL);
    assert!(newcomers.iter().all(|id| store.exists(id)));
    let ended: Vec<_> = (0..ALL).filter(|&number| !store.exists(&ids[number])).collect();
    assert_eq!(ended.len(), 100);
    // The probability that the idlest of 32 is not in the idler half is 1 in 2^32.
    assert!(ended.iter().all(|&number| number < ALL / 2), "{ended:?}");
    assert!(ended.iter().sum::<usize>() / 100 < ALL / 8, "{ended:?}");
}

#[test]
fn an_expired_session_ends_before_a_live_one() {
    let (store, clock, ids) = full_store(WhenFull::EndIdlest, 3);
    store.delete(&ids[0]);
    clock.advance(TICK);
    let brief = store.new_session().idle_timeout(TICK).create().expect("there is room");
    clock.advance(2 * TICK);
    session(&store);
    assert_gone(&store, &brief);
    assert!(store.exists(&ids[1]) && store.exists(&ids[2]));
}

/// Such an id is not a session, and ending it would make no room.
#[test]
fn a_forwarding_id_is_not_chosen_to_make_room() {
    for when_full in [WhenFull::EndIdlest, WhenFull::EndUnbound] {
        let (store, clock) = store_with(|builder| builder.max_sessions(2).when_full(when_full));
        let old = session(&store);
        let rotated = store.rotation(&old).grace(TTL).rotate().expect("it is live");
        clock.advance(TICK);
        let other = session(&store);
        clock.advance(TICK);
        assert!(store.touch(&rotated));
        clock.advance(TICK);
        let newcomer = session(&store);
        assert_gone(&store, &other);
        assert!(store.exists(&old) && store.exists(&rotated) && store.exists(&newcomer));
        assert_eq!(store.count(), 2);
    }
}

#[test]
fn a_create_that_fails_for_another_reason_ends_no_session() {
    let (store, _) = store_with(|builder| builder.max_sessions(1).max_session_bytes(8).when_full(WhenFull::EndIdlest));
    let id = store.create().expect("there is room");
    assert!(matches!(store.create_with([("key", "too long a value")]), Err(CreateError::TooLarge { .. })));
    assert!(store.exists(&id));
}

#[test]
fn typed_sessions_make_room_like_sessions_with_attributes() {
    let config = SessionConfig::default().max_sessions(2).when_full(WhenFull::EndIdlest);
    let store = SessionStore::<u32>::typed(config);
    let ids: Vec<_> = (0..10).map(|value| store.create_with(value).expect("somebody goes")).collect();
    assert_eq!(store.count(), 2);
    assert_eq!(store.read(&ids[9], |value| *value), Some(9));
}

/// No creation is refused if there are more places than threads, and the limit is never exceeded.
#[test]
fn the_limit_holds_at_every_instant_and_no_creation_is_refused() {
    const ALL: usize = 100;
    let (store, _, _) = full_store(WhenFull::EndIdlest, ALL);
    let running = AtomicUsize::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..2_000 {
                    let id = session(&store);
                    assert!(store.count() <= ALL);
                    if turn % 5 == 0 {
                        store.delete(&id);
                    }
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            assert!(store.count() <= ALL);
        }
    });
    assert!(store.count() <= ALL);
    crowd(&store, ALL);
    let mut there = 0;
    store.for_each(|_| there += 1);
    assert_eq!((there, store.count()), (ALL, ALL));
    assert_eq!(store.evict_expired_within(Duration::MAX).ended, 0);
}
