//! Sessions whose ids, or whose whole content, others choose: for adapters to other session layers.

use crate::error::SharedError;
use crate::store::SharedStore;
use cloakroom::{SessionId, Timeouts};

impl SharedStore {
    /// Replaces all attributes of a session and its timeouts in one step. Never creates a session.
    pub async fn replace_with<I, K, V>(
        &self,
        id: &SessionId,
        timeouts: Timeouts,
        attributes: I,
    ) -> Result<(), SharedError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let _ = (id, timeouts, attributes);
        Err(SharedError::Away)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> SharedStore<T> {
    /// Puts a session with this id into the engine. Returns false if there is a session with this id.
    pub async fn insert_with(&self, id: &SessionId, timeouts: Timeouts, value: T) -> Result<bool, SharedError> {
        let _ = (id, timeouts, value);
        Err(SharedError::Away)
    }

    /// Replaces the value of a session and its timeouts in one step. Never creates a session.
    pub async fn replace_with(&self, id: &SessionId, timeouts: Timeouts, value: T) -> Result<(), SharedError> {
        let _ = (id, timeouts, value);
        Err(SharedError::Away)
    }
}
