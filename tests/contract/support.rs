//! Stores whose clock the test sets.

use std::time::Duration;

use cloakroom::{ManualClock, MissingError, SessionId, SessionStore, SessionStoreBuilder, SetError, Timeouts};

/// The idle timeout of the stores here.
pub(crate) const TTL: Duration = Duration::from_secs(60);

/// The unit of the store's time.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A store with the timeout [`TTL`] and no limit on its sessions.
pub(crate) fn store() -> (SessionStore, ManualClock) {
    store_with(|builder| builder)
}

/// The same with other settings.
pub(crate) fn store_with(
    configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder,
) -> (SessionStore, ManualClock) {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().ttl(TTL).clock(clock.clone());
    (configure(builder).build().expect("the settings are valid"), clock)
}

/// A session that holds the attribute `user`, `ada`.
pub(crate) fn session(store: &SessionStore) -> SessionId {
    store.create_with([("user", "ada")]).expect("there is room")
}

/// Several of them.
pub(crate) fn crowd(store: &SessionStore, sessions: usize) {
    for _ in 0..sessions {
        session(store);
    }
}

/// Asserts that no operation finds `id` or creates it.
#[track_caller]
pub(crate) fn assert_gone(store: &SessionStore, id: &SessionId) {
    let before = store.count();
    assert!(matches!(store.set(id, "user", "eve"), Err(SetError::Missing(MissingError::NotFound))));
    assert_eq!(store.get(id, "user"), None);
    assert_eq!(store.read(id, |_| ()), None);
    assert!(!store.exists(id));
    assert!(!store.delete(id));
    assert_eq!(store.count(), before);
}

pub(crate) const ADA: [(&str, &str); 1] = [("user", "ada")];
pub(crate) const EVE: [(&str, &str); 1] = [("user", "eve")];

/// The time of a reservation.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

/// The timeouts of the store.
pub(crate) fn usual() -> Timeouts {
    Timeouts::default()
}

/// An id that was not drawn.
pub(crate) fn id(byte: u8) -> SessionId {
    SessionId::from_bytes([byte; 32])
}

/// The attribute `user` of a session.
pub(crate) fn user(store: &SessionStore, id: &SessionId) -> Option<String> {
    store.get(id, "user")
}
