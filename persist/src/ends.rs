//! Ends of sessions that tell whether they are on disk.

use crate::error::NotDurable;
use crate::persistence::Persistence;
use cloakroom::{Principal, SessionId};
use cloakroom_codec::Kept;

impl<T: Kept + ?Sized> Persistence<T> {
    /// Ends a session, as [`SessionStore::delete`](cloakroom::SessionStore::delete) does, and tells whether the end is
    /// on disk. Returns whether there was a session.
    ///
    /// Blocks until the end is on disk or the disk has failed, with either [`Waiting`](crate::Waiting).
    /// [`deferred`](Self::deferred) does the same for async code, and for other operations.
    ///
    /// # Errors
    ///
    /// [`NotDurable`] if the disk fails. The session has ended in memory all the same, and its end is written once the
    /// disk works again. If the process crashes before, the session comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_persist::{Options, Persistence};
    ///
    /// # let tmp = tempfile::tempdir()?;
    /// # let dir = tmp.path().join("sessions");
    /// let sessions = Persistence::open(&dir, Options::new())?;
    /// let id = sessions.store().create()?;
    /// assert_eq!(sessions.delete(&id), Ok(true));
    /// assert_eq!(sessions.delete(&id), Ok(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, id: &SessionId) -> Result<bool, NotDurable> {
        self.deferred(|store| store.delete(id)).wait()
    }

    /// Ends the sessions of a principal, as
    /// [`SessionStore::end_sessions_of`](cloakroom::SessionStore::end_sessions_of) does, and tells whether their ends
    /// are on disk. Returns how many there were.
    ///
    /// Blocks as [`delete`](Self::delete) does.
    ///
    /// # Errors
    ///
    /// [`NotDurable`] if the disk fails: see [`delete`](Self::delete).
    pub fn end_sessions_of(&self, principal: &Principal) -> Result<usize, NotDurable> {
        self.deferred(|store| store.end_sessions_of(principal)).wait()
    }
}
