//! The journal: a component that keeps what has to outlive the process.

use crate::id::SessionId;
use crate::principal::Principal;
use crate::table::RemovalCause;

/// Is told of every change that has to outlive the process, and finds restored sessions. For crates that keep sessions
/// on disk, such as `cloakroom-persist`.
///
/// A journal is told *which* session has changed, and reads the session's state itself when it writes it
/// ([`SessionStore::export`](crate::SessionStore::export)). So the order of the calls does not matter: an ended session
/// is not found any more.
///
/// The store calls the methods on the thread that runs the operation, after the operation has taken effect. Except in
/// [`stand_in`](Self::stand_in), the thread holds nothing of the store then. If a method blocks, the operation blocks,
/// and no other operation. A method must not panic.
///
/// # Examples
///
/// ```
/// use cloakroom::{Attributes, Journal, RemovalCause, SessionId, SessionStore};
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<&'static str>>);
///
/// impl Journal for Log {
///     fn changed(&self, _: &SessionId) {
///         self.0.lock().unwrap().push("changed");
///     }
///
///     fn ended(&self, _: &SessionId, _: RemovalCause) {
///         self.0.lock().unwrap().push("ended");
///     }
///
///     fn settle(&self) {}
/// }
///
/// let log = Arc::new(Log::default());
/// let store = SessionStore::builder().build_with_journal::<Attributes>(log.clone())?;
/// let id = store.create()?;
/// store.set(&id, "user", "ada")?;
/// store.delete(&id);
/// assert_eq!(*log.0.lock().unwrap(), ["changed", "changed", "ended"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Journal: Send + Sync + 'static {
    /// Is called after a session was created under this id, has got this id, or was changed. A touch is no change.
    fn changed(&self, id: &SessionId);

    /// Is called after an id has ended, by whatever cause.
    fn ended(&self, id: &SessionId, cause: RemovalCause);

    /// Is called after a session has got another id: `new` is its id now, and `old` has ended, or forwards to the
    /// session for the grace of the rotation. By default it calls [`ended`](Self::ended) and
    /// [`changed`](Self::changed).
    fn rotated(&self, old: &SessionId, new: &SessionId) {
        self.ended(old, RemovalCause::Rotated);
        self.changed(new);
    }

    /// Is called at the end of every operation of which the journal may have been told: it may wait here until what
    /// this thread has told it is on disk.
    fn settle(&self);

    /// Tells whether no id may be replaced now, because the end of the old one could not be kept. Is asked before a
    /// rotation, a login, [`bind`](crate::SessionStore::bind) or [`unbind`](crate::SessionStore::unbind) takes effect,
    /// which then fails with [`RotateError::NotDurable`](crate::RotateError::NotDurable) or
    /// [`BindError::NotDurable`](crate::BindError::NotDurable) and changes nothing. `false` by default.
    fn refuses_rotations(&self) -> bool {
        false
    }

    /// Returns the id under which the restored session with this id waits, if there may be one. Called when an
    /// operation has found no session.
    fn stand_in(&self, id: &SessionId) -> Option<SessionId> {
        let _ = id;
        None
    }

    /// Tells whether an id is one of those that [`stand_in`](Self::stand_in) returns.
    fn is_stand_in(&self, id: &SessionId) -> bool {
        let _ = id;
        false
    }

    /// Is called before an operation on the sessions of a principal: restored sessions of it have to be in the store,
    /// under their stand-ins, when this returns.
    fn restore_of(&self, principal: &Principal) {
        let _ = principal;
    }

    /// Is called before an operation on all sessions: all restored sessions have to be in the store when this returns.
    fn restore_all(&self) {}

    /// Is called after the restored session that waited under `stand_in` has got its own id.
    fn claimed(&self, stand_in: &SessionId, id: &SessionId) {
        let _ = (stand_in, id);
    }
}
