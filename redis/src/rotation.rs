//! Giving a session another id.

use crate::Shared;
use crate::error::SharedError;
use crate::store::SharedStore;
use cloakroom::{Attributes, Principal, SessionId, Timeouts};
use core::fmt;
use core::time::Duration;

/// Gives a session another id, with a grace for the old one, other timeouts, or a login: made by
/// [`SharedStore::rotation`].
#[must_use = "nothing happens before `rotate`, `login` or `unbind` is called"]
pub struct SharedRotation<'s, T: Shared + ?Sized = Attributes> {
    store: &'s SharedStore<T>,
    id: &'s SessionId,
    grace: Duration,
    timeouts: Timeouts,
}

impl<T: Shared + ?Sized> fmt::Debug for SharedRotation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRotation")
            .field("grace", &self.grace)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl<'s, T: Shared + ?Sized> SharedRotation<'s, T> {
    pub(crate) fn new(store: &'s SharedStore<T>, id: &'s SessionId) -> Self {
        Self { store, id, grace: Duration::ZERO, timeouts: Timeouts::default() }
    }

    /// Lets the old id lead to the session for this time.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Changes timeouts of the session.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Rotates the id, and returns the new one.
    pub async fn rotate(self) -> Result<SessionId, SharedError> {
        let _ = (self.store, self.id);
        Err(SharedError::Away)
    }

    /// Binds the session to a principal, and returns its new id. `OtherPrincipal` if it is bound to another one.
    pub async fn bind(self, principal: &Principal) -> Result<SessionId, SharedError> {
        let _ = principal;
        Err(SharedError::Away)
    }
}

impl SharedRotation<'_> {
    /// Logs a visitor in, and returns the session's new id. A session of another principal ends, and one without
    /// attributes takes its place.
    pub async fn login(self, principal: &Principal) -> Result<SessionId, SharedError> {
        let _ = principal;
        Err(SharedError::Away)
    }

    /// Takes the session from its principal, with the attributes whose keys `keep` accepts, and returns its new id.
    pub async fn unbind(self, keep: impl FnMut(&str) -> bool) -> Result<SessionId, SharedError> {
        let _ = keep;
        Err(SharedError::Away)
    }
}
