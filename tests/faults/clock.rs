//! A clock that panics at any of its readings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::{Clock, ManualClock, SessionId, SessionStore};

use crate::support::{TICK, TTL, assert_nothing_lost, fail, panics, session};

/// Panics at the last of this many readings; never if it is 0.
#[derive(Clone, Default)]
struct Fused {
    time: ManualClock,
    left: Arc<AtomicUsize>,
}

impl Clock for Fused {
    fn now(&self) -> Duration {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 {
            fail();
        }
        self.time.now()
    }
}

/// A store in which operations judge every kind of stamp.
struct Scene {
    store: SessionStore,
    clock: Fused,
    /// Sessions with stamps so far ahead of the clock, which was set back, that the clock is read again.
    ahead: [SessionId; 4],
    expired: SessionId,
    fresh: SessionId,
}

const SESSIONS: usize = 6;

impl Scene {
    fn new(max_sessions: usize) -> Self {
        let clock = Fused::default();
        let store = SessionStore::builder().ttl(TTL).max_sessions(max_sessions).clock(clock.clone()).build();
        let store = store.expect("the settings are valid");
        clock.time.set(100 * TTL);
        let ahead = [(); 4].map(|()| session(&store));
        clock.time.set(Duration::ZERO);
        let expired = session(&store);
        clock.time.set(TTL + TICK);
        let fresh = session(&store);
        Self { store, clock, ahead, expired, fresh }
    }

    fn ids(&self) -> Vec<SessionId> {
        [&self.ahead[..], &[self.expired, self.fresh]].concat()
    }
}

type Operation = fn(&SessionStore, &SessionId);

const OPERATIONS: [(&str, Operation); 9] = [
    ("create", |store, _| _ = store.create()),
    ("create_with", |store, _| _ = store.create_with([("user", "eve")])),
    ("set", |store, id| _ = store.set(id, "user", "eve")),
    ("set of the same value", |store, id| _ = store.set(id, "user", "ada")),
    ("get", |store, id| _ = store.get(id, "user")),
    ("read", |store, id| _ = store.read(id, |_| ())),
    ("exists", |store, id| _ = store.exists(id)),
    ("delete", |store, id| _ = store.delete(id)),
    ("evict_expired", |store, _| _ = store.evict_expired()),
];

/// Makes the clock panic at each reading of the operation in turn, in a new scene each time. Returns the number of
/// readings.
fn break_each_reading(
    max_sessions: usize,
    name: &str,
    operation: Operation,
    subject: fn(&Scene) -> SessionId,
) -> usize {
    for reading in 1..100 {
        let scene = Scene::new(max_sessions);
        let (id, store) = (subject(&scene), &scene.store);
        scene.clock.left.store(reading, Ordering::Relaxed);
        let panicked = panics(|| operation(store, &id));
        scene.clock.left.store(0, Ordering::Relaxed);
        if !panicked {
            return reading - 1;
        }
        if id != scene.expired {
            assert_eq!(store.get(&id, "user").as_deref(), Some("ada"), "{name} panicked, and had an effect");
        }
        let intact = [&scene.ahead[..], &[scene.fresh]].concat();
        assert!(intact.iter().all(|id| store.exists(id)), "{name} panicked, and a session is gone");
        // The only effect is the end of sessions that had expired.
        assert!((SESSIONS - 1..=SESSIONS).contains(&store.count()), "{name}: {} sessions", store.count());
        assert_nothing_lost(store, &scene.ids());
    }
    panic!("{name} reads the clock without end");
}

#[test]
fn a_panic_at_any_reading_of_the_clock_changes_nothing() {
    for (name, operation) in OPERATIONS {
        // With room, and full: in a full store a create looks for expired sessions.
        for max_sessions in [SESSIONS + 2, SESSIONS] {
            let subjects: [fn(&Scene) -> SessionId; 3] =
                [|scene| scene.fresh, |scene| scene.expired, |scene| scene.ahead[0]];
            let readings = subjects.map(|subject| break_each_reading(max_sessions, name, operation, subject));
            assert!(readings.iter().all(|&readings| readings >= 1), "{name} does not read the clock: {readings:?}");
            // The clock is read again for a session that seems expired, and for one that is too far ahead. An eviction
            // reads it once for the sessions and once for the ids that were replaced.
            let expected = match name {
                "create" | "create_with" => continue,
                "evict_expired" => [1 + 5 + 1; 3],
                _ => [1, 2, 2],
            };
            assert_eq!(readings, expected, "{name} reads the clock otherwise");
        }
    }
}

#[test]
fn a_panic_during_the_search_for_expired_sessions_loses_no_session() {
    // The order of the search is random.
    let readings = (0..50).map(|_| break_each_reading(SESSIONS, "create", OPERATIONS[0].1, |scene| scene.fresh));
    assert!(readings.max() > Some(1), "the search never came to a session ahead of the clock");
}

#[test]
fn sessions_survive_many_panics_of_the_clock() {
    let scene = Scene::new(SESSIONS + 2);
    for turn in 0..2_000 {
        let (name, operation) = OPERATIONS[turn % OPERATIONS.len()];
        scene.clock.left.store(1, Ordering::Relaxed);
        assert!(panics(|| operation(&scene.store, &scene.ahead[0])), "{name} does not read the clock");
    }
    assert_eq!(scene.store.count(), SESSIONS);
    assert_nothing_lost(&scene.store, &scene.ids());
}
