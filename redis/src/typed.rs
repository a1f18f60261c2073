//! Sessions that hold a value of a type that serde knows.

use crate::error::SharedError;
use crate::inner::written;
use crate::store::{NewShared, SharedStore};
use cloakroom::SessionId;
use serde::{Serialize, de::DeserializeOwned};

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> SharedStore<T> {
    /// Creates a session that holds a value.
    ///
    /// # Errors
    ///
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn create_with(&self, value: T) -> Result<SessionId, SharedError> {
        self.new_session().create_with(value).await
    }

    /// Replaces the value of a session by what `f` makes of it, and touches the session. `f` may be called several
    /// times.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet.
    pub async fn update(&self, id: &SessionId, mut f: impl FnMut(&T) -> T) -> Result<(), SharedError> {
        self.inner.change(id, |before| Ok(((), Some(f(before))))).await
    }
}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> NewShared<'_, T> {
    /// Creates the session with this value.
    ///
    /// # Errors
    ///
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn create_with(self, value: T) -> Result<SessionId, SharedError> {
        self.create_written(written::<T>(&value)).await
    }
}
