//! Stores with few places, and the check that no place was lost.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use cloakroom::{CreateError, ManualClock, SessionId, SessionStore};

pub(crate) const TTL: Duration = Duration::from_secs(60);
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A store with the given number of places.
pub(crate) fn store(max_sessions: usize) -> (SessionStore, ManualClock) {
    let clock = ManualClock::new();
    let store = SessionStore::builder().ttl(TTL).max_sessions(max_sessions).clock(clock.clone()).build();
    (store.expect("the settings are valid"), clock)
}

/// A session that holds the attribute `user`, `ada`.
pub(crate) fn session(store: &SessionStore) -> SessionId {
    store.create_with([("user", "ada")]).expect("there is room")
}

/// Panics without a message on the terminal.
pub(crate) fn fail() -> ! {
    resume_unwind(Box::new("the caller's own"))
}

/// Whether `f` panics.
pub(crate) fn panics(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// Asserts that `ids` are all sessions of the store, that each is usable, and that each place can be taken once when
/// they have ended. Leaves the store empty.
#[track_caller]
pub(crate) fn assert_nothing_lost(store: &SessionStore, ids: &[SessionId]) {
    store.evict_expired();
    let mut live: Vec<_> = ids.iter().copied().filter(|id| store.exists(id)).collect();
    assert_eq!(store.count(), live.len(), "sessions counted and sessions there");
    for id in &live {
        store.set(id, "checked", "yes").expect("the session is live");
        assert_eq!(store.get(id, "checked").as_deref(), Some("yes"));
    }
    for _ in 0..2 {
        let free = store.config().max_sessions - live.len();
        live.extend((0..free).map(|place| store.create().unwrap_or_else(|error| panic!("place {place}: {error}"))));
        assert!(matches!(store.create(), Err(CreateError::Full)), "more sessions than places");
        assert!(live.drain(..).all(|id| store.delete(&id)));
        assert_eq!(store.count(), 0);
    }
    store.flush();
}
