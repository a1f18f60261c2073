//! Closures and clocks that panic or call the store do no harm.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom::{Clock, ManualClock, SessionId, SessionStore};

use crate::support::{TICK, TTL, assert_gone, session, store};

/// Asserts that the store and the session `id` are usable.
#[track_caller]
fn assert_usable(store: &SessionStore, id: &SessionId) {
    assert_eq!(store.get(id, "user").as_deref(), Some("ada"));
    store.set(id, "role", "admin").expect("the session is live");
    assert_eq!(store.read(id, |attributes| attributes.len()), Some(2));
    let fresh = session(store);
    assert!(store.delete(&fresh));
    assert_gone(store, &fresh);
    assert_eq!(store.evict_expired(), 0);
    store.flush();
    assert_eq!(store.count(), 1);
}

#[test]
fn a_panic_in_a_read_closure_leaves_the_store_usable() {
    let (store, clock) = store();
    let id = session(&store);
    for _ in 0..300 {
        let read = AssertUnwindSafe(|| store.read(&id, |_| panic!("the caller's own")));
        assert!(catch_unwind(read).is_err());
    }
    assert_usable(&store, &id);
    clock.advance(TTL + TICK);
    assert_eq!(store.evict_expired(), 1);
}

#[test]
fn a_read_closure_may_use_the_store() {
    let (store, _) = store();
    let id = session(&store);
    let seen = store.read(&id, |attributes| {
        store.set(&id, "user", "bob").expect("the session is live");
        assert_eq!(store.get(&id, "user").as_deref(), Some("bob"));
        assert_eq!(store.read(&id, |inner| inner.get("user") == Some("bob")), Some(true));
        assert!(store.exists(&id));
        let fresh = session(&store);
        assert_eq!(store.count(), 2);
        assert!(store.delete(&fresh));
        assert_eq!(store.evict_expired(), 0);
        store.flush();
        attributes.get("user").map(str::to_owned)
    });
    assert_eq!(seen.flatten().as_deref(), Some("ada"), "a read shows one version");
    assert_eq!(store.get(&id, "user").as_deref(), Some("bob"));
}

#[test]
fn a_read_closure_may_delete_the_session_it_sees() {
    let (store, _) = store();
    let id = session(&store);
    let seen = store.read(&id, |attributes| {
        assert!(store.delete(&id));
        store.flush();
        assert_gone(&store, &id);
        attributes.get("user").map(str::to_owned)
    });
    assert_eq!(seen.flatten().as_deref(), Some("ada"));
    assert_gone(&store, &id);
    assert_eq!(store.count(), 0);
}

#[test]
fn a_read_closure_may_grow_the_store_and_still_see_its_session() {
    let (store, _) = store();
    let id = session(&store);
    let created = store.read(&id, |attributes| {
        let created: Vec<_> = (0..2_000).map(|_| session(&store)).collect();
        assert_eq!(attributes.get("user"), Some("ada"));
        created
    });
    let created = created.expect("the session is live");
    assert_eq!(store.count(), 2_001);
    assert!(created.iter().chain([&id]).all(|id| store.exists(id)));
}

/// A clock that panics on demand.
#[derive(Clone)]
struct BrokenClock {
    time: ManualClock,
    broken: Arc<AtomicBool>,
}

impl Clock for BrokenClock {
    fn now(&self) -> Duration {
        assert!(!self.broken.load(Ordering::Relaxed), "the clock is broken");
        self.time.now()
    }
}

#[test]
fn a_panicking_clock_leaves_the_store_usable() {
    let clock = BrokenClock { time: ManualClock::new(), broken: Arc::default() };
    let store = SessionStore::builder().max_sessions(2).clock(clock.clone()).build().expect("the settings are valid");
    let id = session(&store);
    clock.broken.store(true, Ordering::Relaxed);
    let operations: [&dyn Fn(); 6] = [
        &|| _ = store.create_with([("user", "eve")]),
        &|| _ = store.set(&id, "user", "eve"),
        &|| _ = store.get(&id, "user"),
        &|| _ = store.read(&id, |_| ()),
        &|| _ = store.exists(&id),
        &|| _ = store.evict_expired(),
    ];
    for _ in 0..100 {
        for operation in operations {
            assert!(catch_unwind(AssertUnwindSafe(operation)).is_err(), "nobody read the clock");
        }
    }
    clock.broken.store(false, Ordering::Relaxed);
    assert_usable(&store, &id);
}
