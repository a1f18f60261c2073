//! The removal of a session: which one has ended, and why.

use crate::id::SessionId;
use crate::principal::Principal;
use crate::table::RemovalCause;
use core::fmt;

/// Tells which session has ended, and why. Given to the listener of
/// [`SessionStoreBuilder::on_removal`](crate::SessionStoreBuilder::on_removal).
///
/// The thread that has ended the session calls the listener after the end. The calls of different threads have no
/// order. [`on_removal`](crate::SessionStoreBuilder::on_removal) says more.
///
/// # Examples
///
/// A listener and the thread that creates sessions share notes. The serial number tells two sessions of one id apart.
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
/// for round in 1..=2 {
///     store.insert_with(&id, Timeouts::default(), [("user", "ada")])?;
///     if let Some(serial) = store.serial(&id) {
///         notes.lock().unwrap().insert((id, serial), round);
///     }
///     if round == 1 {
///         store.delete(&id);
///     }
/// }
/// assert_eq!(notes.lock().unwrap().values().collect::<Vec<_>>(), [&2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal {
    /// The id of the ended session. If the id was given to
    /// [`insert_with`](crate::SessionStore#method.insert_with), it may belong to another session by now. Do not log it:
    /// log its [`fingerprint`](crate::SessionStore::fingerprint), which the events of the feature `tracing` show too.
    pub id: SessionId,
    /// Why it has ended.
    pub cause: RemovalCause,
    /// The principal to which it was bound.
    pub principal: Option<Principal>,
    /// The [`serial`](crate::SessionStore::serial) of the ended session, which tells sessions apart whose id was given
    /// to `insert_with` more than once. 0 for a session whose id the store has drawn, because no other session has that
    /// id.
    pub serial: u64,
}

/// Shows only the cause.
impl fmt::Debug for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal").field("cause", &self.cause).finish_non_exhaustive()
    }
}
