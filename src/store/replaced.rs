//! Telling an id that was replaced or logged out from an unknown one.

use super::SessionStore;
use crate::content::Content;
use crate::error::MissingError;
use crate::expiry::{Moment, Tick, Ticking};
use crate::id::SessionId;
use crate::registry::replaced::Fate;
use crate::table::Absence;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Ends a session as [`delete`](Self::delete) does, and remembers its id for the time of
    /// [`remember_replaced`](crate::SessionConfig#structfield.remember_replaced): a later [`lookup`](Self::lookup) of
    /// the id returns [`MissingError::LoggedOut`]. Returns whether this call has ended the session.
    ///
    /// For a logout. A request that was under way may still bring the id, and the server can then tell that request
    /// from one of a stranger. Only an id that names a session is remembered.
    ///
    /// Lock-free; allocates. Takes effect when the session's live version dies.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::MissingError;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// assert!(store.log_out(&id));
    /// assert_eq!(store.lookup(&id, |_| ()), Err(MissingError::LoggedOut));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn log_out(&self, id: &SessionId) -> bool {
        if self.exists(id) {
            self.remember(id, Fate::LoggedOut, self.time.tick());
        }
        self.delete(id)
    }

    /// Remembers an id that a login has replaced although it named no session any more, for the time of
    /// [`remember_replaced`](crate::SessionConfig#structfield.remember_replaced). Does nothing if the id names a
    /// session.
    ///
    /// A browser with the cookie of an expired session logs in. Requests of this browser that are still under way bring
    /// that id, and [`lookup`](Self::lookup) then returns [`MissingError::Replaced`] for it. Call it after a login
    /// only: each call remembers one more id, and only so many are remembered.
    ///
    /// Lock-free; allocates. Takes effect when the id is remembered.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{MissingError, Principal, SessionId};
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let expired = SessionId::random()?; // from the cookie of the request that logs in
    /// let id = store.new_session().principal(Principal::new("ada")).create()?;
    /// store.remember_replaced(&expired);
    /// assert_eq!(store.lookup(&expired, |_| ()), Err(MissingError::Replaced));
    /// # let _ = id;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remember_replaced(&self, id: &SessionId) {
        if !self.exists(id) {
            self.remember(id, Fate::Replaced, self.time.tick());
        }
    }

    pub(super) fn remember(&self, id: &SessionId, fate: Fate, now: Tick) {
        if let Some(moment) = self.moment_of_the_replaced(now) {
            self.replaced.note(id.as_bytes(), fate, moment);
        }
    }

    /// The moment of an operation on the remembered ids. `None` if the store remembers none.
    pub(super) fn moment_of_the_replaced(&self, now: Tick) -> Option<Moment<'_>> {
        self.remembered_for.map(|idle| Moment::new(now, idle, &self.time))
    }

    /// The error for an id under which a look-up has found no session.
    #[cold]
    #[inline(never)]
    pub(super) fn missing(&self, id: &SessionId, absence: Absence) -> MissingError {
        if absence == Absence::Expired {
            return absence.into();
        }
        let moment = self.moment_of_the_replaced(self.time.tick());
        let fate = moment.and_then(|moment| self.replaced.fate(id.as_bytes(), moment));
        let error = match fate {
            None => return absence.into(),
            Some(Fate::Replaced) => MissingError::Replaced,
            Some(Fate::LoggedOut) => MissingError::LoggedOut,
        };
        self.tracer.replayed(id.as_bytes());
        error
    }
}
