//! The sessions of one principal.

use crate::Shared;
use crate::error::SharedError;
use crate::store::SharedStore;
use cloakroom::{Principal, SessionId};
use core::fmt;
use core::time::Duration;

/// Names one session of a principal, without its id: returned by [`SharedStore::sessions_of`].
///
/// The engine knows only hashes of ids. `Debug` does not show the hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Device {
    pub(crate) hash: [u8; 32],
    /// The time since the session was created.
    pub age: Duration,
    /// The time since the session was last used, which is up to an eighth of the idle timeout more than it was.
    pub idle_for: Duration,
}

impl Device {
    /// Returns whether this is the session with the given id.
    #[must_use]
    pub fn is(&self, id: &SessionId) -> bool {
        let _ = id;
        false
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("age", &self.age).field("idle_for", &self.idle_for).finish_non_exhaustive()
    }
}

impl SharedStore {
    /// Logs a visitor in: gives its session a new id and a principal, or creates one. The old id is dead.
    pub async fn login(&self, id: Option<&SessionId>, principal: &Principal) -> Result<SessionId, SharedError> {
        let _ = (id, principal);
        Err(SharedError::Away)
    }
}

impl<T: Shared + ?Sized> SharedStore<T> {
    /// Lists the sessions of a principal.
    pub async fn sessions_of(&self, principal: &Principal) -> Result<Vec<Device>, SharedError> {
        let _ = principal;
        Err(SharedError::Away)
    }

    /// Ends one session of a principal. Returns whether there was one.
    pub async fn end_device(&self, principal: &Principal, device: &Device) -> Result<bool, SharedError> {
        let _ = (principal, device);
        Err(SharedError::Unconfirmed)
    }

    /// Ends all sessions of a principal at one instant. Returns how many.
    pub async fn end_sessions_of(&self, principal: &Principal) -> Result<u64, SharedError> {
        let _ = principal;
        Err(SharedError::Unconfirmed)
    }

    /// Ends all other sessions of a session's principal at one instant. Returns how many.
    pub async fn end_other_sessions(&self, id: &SessionId) -> Result<u64, SharedError> {
        let _ = id;
        Err(SharedError::Unconfirmed)
    }
}
