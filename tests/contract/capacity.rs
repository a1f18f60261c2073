//! What becomes of newcomers, and of the others, when there are `max_sessions`. Who is bound to a principal:
//! `src/table/tests/room.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{CreateError, ManualClock, SessionConfig, SessionId, SessionStore, WhenFull};

use crate::support::{TICK, TTL, assert_gone, crowd, session, store_with};

/// A store that is full of sessions, of which the first has been idle for longest, and so on.
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
fn refusing_is_the_default() {
    let (store, _) = store_with(|builder| builder.max_sessions(1));
    assert_eq!(store.config().when_full, WhenFull::Refuse);
    let first = session(&store);
    assert_eq!(store.create(), Err(CreateError::Full));
    assert!(store.exists(&first));
}

/// As many as a sample has, at the most. Where nobody is bound, the two policies are one.
#[test]
fn of_a_few_sessions_the_idlest_ends() {
    for when_full in [WhenFull::EndIdlest, WhenFull::EndUnbound] {
        for sessions in [1, 2, 10, 32] {
            let (store, clock, mut ids) = full_store(when_full, sessions);
            for turn in 0..50 {
                clock.advance(TICK);
                if turn % 3 == 0 {
                    // Who was the idlest is used, and so is spared.
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
fn of_many_sessions_one_of_the_idler_ends() {
    const ALL: usize = 4_000;
    let (store, _, ids) = full_store(WhenFull::EndIdlest, ALL);
    let newcomers: Vec<_> = (0..100).map(|_| session(&store)).collect();
    assert_eq!(store.count(), ALL);
    assert!(newcomers.iter().all(|id| store.exists(id)));
    let ended: Vec<_> = (0..ALL).filter(|&number| !store.exists(&ids[number])).collect();
    assert_eq!(ended.len(), 100);
    // That the idlest of 32 is none of the idler half has a probability of 1 in 2^32.
    assert!(ended.iter().all(|&number| number < ALL / 2), "{ended:?}");
    assert!(ended.iter().sum::<usize>() / 100 < ALL / 8, "{ended:?}");
}

#[test]
fn an_expired_session_goes_before_a_live_one() {
    let (store, clock, ids) = full_store(WhenFull::EndIdlest, 3);
    store.delete(&ids[0]);
    clock.advance(TICK);
    let brief = store.new_session().idle_timeout(TICK).create().expect("there is room");
    clock.advance(2 * TICK);
    session(&store);
    assert_gone(&store, &brief);
    assert!(store.exists(&ids[1]) && store.exists(&ids[2]));
}

/// It is no session, and its end would make no room.
#[test]
fn an_id_that_leads_to_another_one_is_not_chosen() {
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
fn a_create_that_fails_otherwise_ends_nobody() {
    let (store, _) = store_with(|builder| builder.max_sessions(1).max_session_bytes(8).when_full(WhenFull::EndIdlest));
    let id = store.create().expect("there is room");
    assert!(matches!(store.create_with([("key", "too long a value")]), Err(CreateError::TooLarge { .. })));
    assert!(store.exists(&id));
}

#[test]
fn sessions_of_values_are_ended_as_well() {
    let config = SessionConfig::default().max_sessions(2).when_full(WhenFull::EndIdlest);
    let store = SessionStore::<u32>::typed(config);
    let ids: Vec<_> = (0..10).map(|value| store.create_with(value).expect("somebody goes")).collect();
    assert_eq!(store.count(), 2);
    assert_eq!(store.read(&ids[9], |value| *value), Some(9));
}

/// No newcomer is refused where there are more sessions than threads, and there are never too many.
#[test]
fn the_limit_holds_at_every_instant_and_nobody_is_kept_out() {
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
