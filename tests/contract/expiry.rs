//! The idle timeout, and what counts as a touch.

use std::time::Duration;

use cloakroom::{Clock, ManualClock, MissingError, SessionId, SessionStore, SetError};

use crate::support::{TICK, TTL, assert_gone, session, store, store_with};

type Operation = (&'static str, fn(&SessionStore, &SessionId));

#[test]
fn a_session_lives_exactly_for_its_timeout() {
    let (store, clock) = store();
    let id = session(&store);
    clock.advance(TTL);
    assert!(store.exists(&id));
    clock.advance(TICK);
    assert!(!store.exists(&id));
}

#[test]
fn get_read_and_set_touch() {
    const TOUCHES: [Operation; 4] = [
        ("get", |store, id| assert!(store.get(id, "user").is_some())),
        ("get of a missing key", |store, id| assert!(store.get(id, "missing").is_none())),
        ("read", |store, id| assert_eq!(store.read(id, |_| ()), Some(()))),
        ("set", |store, id| store.set(id, "user", "bob").expect("the session is live")),
    ];
    for (name, touch) in TOUCHES {
        let (store, clock) = store();
        let id = session(&store);
        for _ in 0..3 {
            clock.advance(TTL);
            touch(&store, &id);
        }
        clock.advance(TTL);
        assert!(store.exists(&id), "{name} did not touch");
        clock.advance(TICK);
        assert!(!store.exists(&id), "{name} touched for too long");
    }
}

#[test]
fn exists_peek_count_evict_and_flush_do_not_touch() {
    const LOOKS: [Operation; 5] = [
        ("peek", |store, id| assert_eq!(store.peek(id, |attributes| attributes.len()), Some(1))),
        ("exists", |store, id| assert!(store.exists(id))),
        ("count", |store, _| assert_eq!(store.count(), 1)),
        ("evict_expired", |store, _| assert_eq!(store.evict_expired(), 0)),
        ("flush", |store, _| store.flush()),
    ];
    for (name, look) in LOOKS {
        let (store, clock) = store();
        let id = session(&store);
        clock.advance(TTL);
        look(&store, &id);
        clock.advance(TICK);
        assert_eq!(store.get(&id, "user"), None, "{name} touched");
    }
}

#[test]
fn a_touch_does_not_reach_other_sessions() {
    let (store, clock) = store();
    let (idle, busy) = (session(&store), session(&store));
    clock.advance(TTL);
    assert!(store.get(&busy, "user").is_some());
    clock.advance(TICK);
    assert!(!store.exists(&idle));
    assert!(store.exists(&busy));
}

#[test]
fn an_expired_session_is_never_returned_and_is_removed_by_the_operation_that_meets_it() {
    const MEETINGS: [Operation; 4] = [
        ("get", |store, id| assert_eq!(store.get(id, "user"), None)),
        ("read", |store, id| assert_eq!(store.read(id, |_| ()), None)),
        ("set", |store, id| {
            assert!(matches!(store.set(id, "user", "eve"), Err(SetError::Missing(MissingError::Expired))))
        }),
        ("delete", |store, id| assert!(!store.delete(id))),
    ];
    for (name, meet) in MEETINGS {
        let (store, clock) = store();
        let id = session(&store);
        clock.advance(TTL + TICK);
        assert_eq!(store.count(), 1);
        meet(&store, &id);
        assert_eq!(store.count(), 0, "{name} left the session in the store");
        assert_gone(&store, &id);
        assert_eq!(store.evict_expired(), 0, "{name} left something to evict");
    }
}

#[test]
fn a_session_that_was_reported_expired_stays_ended_if_the_clock_goes_back() {
    const REPORTS: [Operation; 5] = [
        ("exists", |store, id| assert!(!store.exists(id))),
        ("get", |store, id| assert_eq!(store.get(id, "user"), None)),
        ("set", |store, id| {
            assert!(matches!(store.set(id, "user", "eve"), Err(SetError::Missing(MissingError::Expired))))
        }),
        ("delete", |store, id| assert!(!store.delete(id))),
        ("evict_expired", |store, _| assert_eq!(store.evict_expired(), 1)),
    ];
    for (name, report) in REPORTS {
        let (store, clock) = store();
        let id = session(&store);
        clock.advance(TTL + TICK);
        report(&store, &id);
        clock.set(Duration::ZERO);
        assert!(!store.exists(&id), "revived after {name}");
        assert_eq!(store.get(&id, "user"), None, "revived after {name}");
        assert!(store.set(&id, "user", "eve").is_err(), "revived after {name}");
    }
}

#[test]
fn count_includes_expired_sessions_until_they_are_evicted() {
    let (store, clock) = store();
    for _ in 0..100 {
        session(&store);
    }
    clock.advance(TTL + TICK);
    assert_eq!(store.count(), 100);
    assert_eq!(store.evict_expired(), 100);
    assert_eq!(store.count(), 0);
}

#[test]
fn evict_expired_removes_and_counts_exactly_the_expired_sessions() {
    let (store, clock) = store();
    assert_eq!(store.evict_expired(), 0);
    let idle: Vec<_> = (0..300).map(|_| session(&store)).collect();
    clock.advance(TICK);
    let live: Vec<_> = (0..200).map(|_| session(&store)).collect();
    clock.advance(TTL);
    assert_eq!(store.evict_expired(), 300);
    assert_eq!(store.evict_expired(), 0);
    assert_eq!(store.count(), 200);
    idle.iter().for_each(|id| assert_gone(&store, id));
    assert!(live.iter().all(|id| store.get(id, "user").as_deref() == Some("ada")));
}

#[test]
fn a_timeout_of_zero_lasts_for_the_tick_of_the_touch() {
    let (store, clock) = store_with(|builder| builder.ttl(Duration::ZERO));
    let id = session(&store);
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    store.set(&id, "user", "bob").expect("no time has passed");
    assert_eq!(store.evict_expired(), 0);
    clock.advance(TICK);
    assert_eq!(store.get(&id, "user"), None);
}

#[test]
fn a_session_with_an_infinite_timeout_never_expires() {
    let (store, clock) = store_with(|builder| builder.ttl(Duration::MAX));
    let id = session(&store);
    for now in [Duration::from_secs(1 << 40), Duration::MAX, Duration::ZERO, Duration::MAX] {
        clock.set(now);
        assert!(store.exists(&id));
        assert_eq!(store.evict_expired(), 0);
    }
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
}

#[test]
fn no_session_expires_early_because_of_rounding_to_ticks() {
    let ttl = Duration::from_micros(1_500);
    for touched in [0, 1, 400, 500, 999, 1_000, 1_999].map(Duration::from_micros) {
        let (store, clock) = store_with(|builder| builder.ttl(ttl));
        clock.set(touched);
        let id = session(&store);
        clock.set(touched + ttl);
        assert!(store.exists(&id), "touched at {touched:?}");
        clock.set(touched + ttl + 2 * TICK);
        assert!(!store.exists(&id), "touched at {touched:?}");
    }
}

/// A clock whose readings may be late by `GRAIN`.
struct CoarseManualClock(ManualClock);

const GRAIN: Duration = Duration::from_millis(4);

impl Clock for CoarseManualClock {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn resolution(&self) -> Duration {
        GRAIN
    }
}

#[test]
fn no_session_expires_early_because_of_a_coarse_clock() {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().ttl(TTL).clock(CoarseManualClock(clock.clone()));
    let store = builder.build().expect("the settings are valid");
    let id = session(&store);
    clock.advance(TTL + GRAIN);
    assert!(store.exists(&id));
    clock.advance(TICK);
    assert!(!store.exists(&id));
}
