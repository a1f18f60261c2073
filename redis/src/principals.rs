//! The sessions of one principal.

use crate::Shared;
use crate::error::{EngineError, SharedError};
use crate::link::{Command, Request};
use crate::names::{self, Hash};
use crate::resp::Value;
use crate::scripts::Script;
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
    pub(crate) hash: Hash,
    /// The time since the session was created.
    pub age: Duration,
    /// The time since the session was last used, which is up to an eighth of the idle timeout more than it was.
    pub idle_for: Duration,
}

impl Device {
    /// Returns whether this is the session with the given id.
    #[must_use]
    pub fn is(&self, id: &SessionId) -> bool {
        names::of_session(id) == self.hash
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("age", &self.age).field("idle_for", &self.idle_for).finish_non_exhaustive()
    }
}

impl SharedStore {
    /// Logs a visitor in: gives its session a new id and a principal, or creates one. The old id is dead.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if an id is given and there is no such session.
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn login(&self, id: Option<&SessionId>, principal: &Principal) -> Result<SessionId, SharedError> {
        match id {
            Some(id) => self.rotation(id).login(principal).await,
            None => self.new_session().principal(*principal).create().await,
        }
    }
}

impl<T: Shared + ?Sized> SharedStore<T> {
    /// Lists the sessions of a principal.
    ///
    /// # Errors
    ///
    /// [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses.
    pub async fn sessions_of(&self, principal: &Principal) -> Result<Vec<Device>, SharedError> {
        let list = Command::Script(Script::List, vec![names::of_principal(principal).to_vec()]);
        let values = self.inner.query(list).await?;
        let no_list = SharedError::Engine(EngineError::Other);
        let [_, now, devices @ ..] = values.as_slice() else { return Err(no_list) };
        let span = |number: &Value| number.int().and_then(|number| u64::try_from(number).ok());
        let now = span(now).ok_or(no_list)?;
        let device = |parts: &[Value]| {
            let [hash, created, lifetime, left] = parts else { return None };
            Some(Device {
                hash: hash.bytes()?.try_into().ok()?,
                age: Duration::from_millis(now.saturating_sub(span(created)?)),
                idle_for: Duration::from_millis(span(lifetime)?.saturating_sub(span(left)?)),
            })
        };
        devices.chunks(4).map(|parts| device(parts).ok_or(no_list)).collect()
    }

    /// Ends one session of a principal. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`Unconfirmed`](SharedError::Unconfirmed) if the engine has not confirmed it in time. It is in effect on this
    /// server, and the engine is told until it confirms. [`Away`](SharedError::Away) if 65,536 ends wait to be
    /// confirmed already. Nothing has changed then.
    pub async fn end_device(&self, principal: &Principal, device: &Device) -> Result<bool, SharedError> {
        let (hash, owner) = (device.hash, Some(names::of_principal(principal)));
        self.inner.link.ask(|to| Request::End { hash, id: None, owner, remember: 0, to }).await
    }

    /// Ends all sessions of a principal at one instant. Returns how many.
    ///
    /// # Errors
    ///
    /// [`Random`](SharedError::Random) if there are no random bytes to name the operation.
    /// [`Unconfirmed`](SharedError::Unconfirmed) if the engine has not confirmed it in time. It is in effect on this
    /// server, and the engine is told until it confirms. [`Away`](SharedError::Away) if 65,536 ends wait to be
    /// confirmed already. Nothing has changed then.
    pub async fn end_sessions_of(&self, principal: &Principal) -> Result<u64, SharedError> {
        self.end_all(names::of_principal(principal), None).await
    }

    /// Ends all other sessions of a session's principal at one instant. Returns how many.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session, [`Engine`](SharedError::Engine) or
    /// [`Away`](SharedError::Away) if the engine cannot be asked for it, [`Random`](SharedError::Random) if there are
    /// no random bytes to name the operation. [`Unconfirmed`](SharedError::Unconfirmed) if the engine has not confirmed
    /// it in time. It is in effect on this server, and the engine is told until it confirms.
    /// [`Away`](SharedError::Away) if 65,536 ends wait to be confirmed already. Nothing has changed then.
    pub async fn end_other_sessions(&self, id: &SessionId) -> Result<u64, SharedError> {
        match self.principal(id).await? {
            Some(principal) => self.end_all(names::of_principal(&principal), Some(names::of_session(id))).await,
            None => Ok(0),
        }
    }

    async fn end_all(&self, owner: Hash, keep: Option<Hash>) -> Result<u64, SharedError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| SharedError::Random)?;
        // The engine knows by it that it is told the same a second time.
        let mut name = [0; 16];
        name.copy_from_slice(format!("{:016x}", u64::from_le_bytes(random)).as_bytes());
        self.inner.link.ask(|to| Request::EndAll { owner, name, keep, to }).await
    }
}
