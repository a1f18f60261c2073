//! Sessions that hold a value of a type that serde knows.

use crate::error::SharedError;
use crate::inner::written;
use crate::store::{NewShared, SharedStore};
use cloakroom::SessionId;
use serde::{Serialize, de::DeserializeOwned};

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> SharedStore<T> {
    /// Creates a session that holds a value.
    pub async fn create_with(&self, value: T) -> Result<SessionId, SharedError> {
        self.new_session().create_with(value).await
    }

    /// Replaces the value of a session by what `f` makes of it, and touches the session. `f` may be called several
    /// times.
    pub async fn update(&self, id: &SessionId, mut f: impl FnMut(&T) -> T) -> Result<(), SharedError> {
        self.inner.change(id, |before| Ok(((), Some(f(before))))).await
    }
}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> NewShared<'_, T> {
    /// Creates the session with this value.
    pub async fn create_with(self, value: T) -> Result<SessionId, SharedError> {
        self.create_written(written::<T>(&value)).await
    }
}
