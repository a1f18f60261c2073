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
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal {
    /// The id of the session, which is worth nothing any more. Do not log it all the same: it may still be in
    /// somebody's log as a secret.
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
