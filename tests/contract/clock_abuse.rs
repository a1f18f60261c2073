//! Clocks that go backwards, stand still or jump: no session becomes immortal, and nothing panics.

use std::time::Duration;

use cloakroom::{ManualClock, SessionId, SessionStore};

use crate::support::{TICK, TTL, session, store, store_with};

/// Far later than the timeout, and far from the last tick.
const MUCH_LATER: Duration = Duration::from_secs(36_000);

/// Calls every operation once, and ignores the results.
fn everything(store: &SessionStore, id: &SessionId) {
    let _ = store.get(id, "user");
    let _ = store.set(id, "user", "bob");
    let _ = store.read(id, |attributes| attributes.len());
    let _ = store.exists(id);
    let _ = store.count();
    let _ = store.evict_expired();
    store.flush();
    let fresh = session(store);
    assert_eq!(store.get(&fresh, "user").as_deref(), Some("ada"));
    assert!(store.delete(&fresh));
}

#[test]
fn a_clock_set_back_within_the_timeout_ends_no_session() {
    let (store, clock) = store();
    clock.set(TTL);
    let id = session(&store);
    clock.set(TTL / 2);
    assert!(store.exists(&id));
    assert_eq!(store.evict_expired(), 0);
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
}

#[test]
fn a_touch_after_the_clock_was_set_back_does_not_shorten_a_session() {
    let (store, clock) = store();
    clock.set(TTL);
    let id = session(&store);
    clock.set(TTL / 2);
    assert!(store.get(&id, "user").is_some());
    store.set(&id, "user", "bob").expect("the session is live");
    clock.set(TTL + TTL);
    assert!(store.exists(&id));
    clock.advance(TICK);
    assert!(!store.exists(&id));
}

#[test]
fn a_stamp_beyond_the_timeout_is_reset_and_the_session_can_expire_again() {
    type Operation = (&'static str, fn(&SessionStore, &SessionId));
    const SIGHTINGS: [Operation; 4] = [
        ("get", |store, id| assert_eq!(store.get(id, "user").as_deref(), Some("ada"))),
        ("read", |store, id| assert_eq!(store.read(id, |_| ()), Some(()))),
        ("set", |store, id| store.set(id, "role", "admin").expect("the session is live")),
        ("evict_expired", |store, _| assert_eq!(store.evict_expired(), 0)),
    ];
    for (name, see) in SIGHTINGS {
        for future in [TTL + TICK, MUCH_LATER, Duration::MAX] {
            let (store, clock) = store();
            clock.set(future);
            let id = session(&store);
            clock.set(Duration::ZERO);
            see(&store, &id);
            clock.set(TTL);
            assert!(store.exists(&id), "{name}, from {future:?}: lost early");
            clock.set(TTL + TICK);
            assert!(!store.exists(&id), "{name}, from {future:?}: immortal");
        }
    }
}

#[test]
fn a_session_stamped_in_the_future_still_exists_and_can_be_deleted() {
    let (store, clock) = store();
    clock.set(MUCH_LATER);
    let (one, other) = (session(&store), session(&store));
    clock.set(Duration::ZERO);
    assert!(store.exists(&one));
    assert!(store.delete(&one));
    assert!(!store.exists(&one));
    assert!(store.exists(&other));
}

#[test]
fn a_stopped_clock_expires_no_session_and_blocks_no_operation() {
    let (store, clock) = store();
    clock.set(MUCH_LATER);
    let id = session(&store);
    for _ in 0..1_000 {
        everything(&store, &id);
    }
    assert_eq!(store.get(&id, "user").as_deref(), Some("bob"));
    clock.advance(TTL + TICK);
    assert_eq!(store.evict_expired(), 1);
}

#[test]
fn a_jump_to_the_last_tick_expires_all_sessions_and_the_store_stays_usable() {
    let (store, clock) = store();
    let old = session(&store);
    clock.set(Duration::MAX);
    assert_eq!(store.evict_expired(), 1);
    assert!(!store.exists(&old));
    let late = session(&store);
    assert_eq!(store.get(&late, "user").as_deref(), Some("ada"));
    clock.set(Duration::ZERO);
    assert_eq!(store.get(&late, "user").as_deref(), Some("ada"));
    clock.set(TTL + TICK);
    assert_eq!(store.get(&late, "user"), None);
}

#[test]
fn no_reading_of_the_clock_makes_an_operation_panic() {
    let mut readings = vec![Duration::MAX];
    for edge in [0, 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX >> 2, u64::MAX] {
        for count in [edge.saturating_sub(1), edge] {
            readings.extend([Duration::from_nanos(count), Duration::from_millis(count), Duration::from_secs(count)]);
        }
    }
    for ttl in [Duration::ZERO, TTL, Duration::MAX] {
        let (store, clock) = store_with(|builder| builder.ttl(ttl));
        for &from in &readings {
            for &to in &readings {
                clock.set(from);
                let id = session(&store);
                clock.set(to);
                everything(&store, &id);
                store.delete(&id);
            }
        }
        assert_eq!(store.count(), 0);
    }
}

#[test]
fn a_manual_clock_stops_at_the_end_of_time() {
    let clock = ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).build().expect("the settings are valid");
    clock.advance(Duration::MAX);
    let id = session(&store);
    clock.advance(Duration::MAX);
    assert!(store.exists(&id));
}
