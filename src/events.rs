//! Telling the application of sessions that end.

#![deny(unsafe_code)]

use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::Index;
use crate::removal::RemovalCause;
use crate::sync::contain;
use crate::table::{Bound, Ended, Observer};
use core::fmt;
use std::sync::Arc;

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

/// Whom the application wants to be told.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&Removal) + Send + Sync>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Removal) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(..)")
    }
}

/// What a store does when a session has ended: takes it off the index of principals, and tells the listener.
pub(crate) struct Registrar {
    pub(crate) index: Arc<Index>,
    pub(crate) listener: Option<Listener>,
}

impl Observer for Registrar {
    fn observes_all(&self) -> bool {
        self.listener.is_some()
    }

    fn ended(&self, ended: Ended) {
        let Ended { key, cause, bound, serial, listed } = ended;
        let principal = bound.as_ref().map(|bound| Principal::from_key(bound.principal));
        if let Some(Bound { binding, used: Some(used), .. }) = bound {
            self.index.leave(used, binding, listed);
        }
        if let Some(Listener(listener)) = &self.listener {
            let removal = Removal { id: SessionId::from_bytes(key), cause, principal, serial };
            contain(|| listener(&removal));
        }
    }
}
