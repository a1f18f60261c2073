//! The event that a session has ended: which one, and why.

use crate::expiry::Expiry;
use crate::id::SessionId;
use crate::principal::Principal;
use core::fmt;

/// Tells why a session has ended, or why an id has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalCause {
    /// It was not used for longer than its idle timeout.
    IdleTimeout,
    /// It was older than its absolute timeout.
    AbsoluteTimeout,
    /// It was deleted by its id, or by a condition that it met, or another principal has logged in to it
    /// ([`login`](crate::SessionStore#method.login)).
    Deleted,
    /// The session lives on under another id.
    Rotated,
    /// It made room for another one, at [`max_sessions`](crate::SessionConfig::max_sessions).
    Capacity,
    /// All sessions of its principal were ended, or all but another one.
    Principal,
    /// It made room for another session of its principal, at
    /// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal).
    PrincipalLimit,
}

impl From<Expiry> for RemovalCause {
    fn from(limit: Expiry) -> Self {
        match limit {
            Expiry::Idle => Self::IdleTimeout,
            Expiry::Absolute => Self::AbsoluteTimeout,
        }
    }
}

impl RemovalCause {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;

    /// All of them, in the order of their declaration.
    #[cfg_attr(loom, allow(dead_code, reason = "the models ask for no figures"))]
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::IdleTimeout,
        Self::AbsoluteTimeout,
        Self::Deleted,
        Self::Rotated,
        Self::Capacity,
        Self::Principal,
        Self::PrincipalLimit,
    ];

    /// The name by which it is exported.
    #[allow(dead_code, reason = "for the features `metrics` and `tracing`")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::AbsoluteTimeout => "absolute_timeout",
            Self::Deleted => "deleted",
            Self::Rotated => "rotated",
            Self::Capacity => "capacity",
            Self::Principal => "principal",
            Self::PrincipalLimit => "principal_limit",
        }
    }
}

/// Tells which session has ended, and why. Given to the listener of
/// [`SessionStoreBuilder::on_removal`](crate::SessionStoreBuilder::on_removal).
///
/// It speaks of the past: the thread that has ended the session tells the listener after the end, in no order relative
/// to other threads. More is said [there](crate::SessionStoreBuilder::on_removal).
///
/// # Examples
///
/// A listener and the thread that creates sessions share notes. An id that lives again is not mistaken for the session
/// that has ended.
///
/// ```
/// use cloakroom::{SessionId, SessionStore, Timeouts};
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
///
/// let notes = Arc::new(Mutex::new(HashMap::new()));
/// let ended = Arc::clone(&notes);
/// let store = SessionStore::builder()
///     .on_removal(move |removal| _ = ended.lock().unwrap().remove(&(removal.id, removal.serial)))
///     .build()?;
/// let id = SessionId::random()?; // drawn by another program
/// for visit in 1..=2 {
///     store.insert_with(&id, Timeouts::default(), [("user", "ada")])?;
///     if let Some(serial) = store.serial(&id) {
///         notes.lock().unwrap().insert((id, serial), visit);
///     }
///     if visit == 1 {
///         store.delete(&id);
///     }
/// }
/// assert_eq!(notes.lock().unwrap().values().collect::<Vec<_>>(), [&2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal {
    /// The id under which the session has ended. The ended session cannot be had by it any more; but an id that was
    /// given to [`insert_with`](crate::SessionStore#method.insert_with) may be that of another session by now. Do not
    /// log it.
    pub id: SessionId,
    /// Why it has ended.
    pub cause: RemovalCause,
    /// The principal that it was bound to.
    pub principal: Option<Principal>,
    /// Tells the sessions of one id apart, where an id has been given more than once to `insert_with`: the
    /// [`SessionStore::serial`](crate::SessionStore::serial) of the one that has ended. 0 for a session whose id the
    /// store has drawn, which names no other one.
    pub serial: u64,
}

/// Shows the cause only.
impl fmt::Debug for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal").field("cause", &self.cause).finish_non_exhaustive()
    }
}
