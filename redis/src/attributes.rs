//! Sessions with string attributes.

use crate::error::{SharedError, TryUpdateError};
use crate::inner::written;
use crate::store::{NewShared, SharedStore};
use cloakroom::{Attributes, Draft, IncrementError, SessionId, Snapshot};

impl SharedStore {
    /// Creates a session without attributes.
    ///
    /// # Errors
    ///
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn create(&self) -> Result<SessionId, SharedError> {
        self.new_session().create().await
    }

    /// Creates a session with these attributes.
    ///
    /// # Errors
    ///
    /// [`Set`](SharedError::Set) if the attributes would be too large or too many.
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn create_with<I, K, V>(&self, attributes: I) -> Result<SessionId, SharedError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        self.new_session().create_with(attributes).await
    }

    /// Returns the value of an attribute, and touches the session. `None` if it has no such attribute.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn get(&self, id: &SessionId, key: &str) -> Result<Option<String>, SharedError> {
        self.read(id, |attributes| attributes.get(key).map(str::to_owned)).await
    }

    /// Returns a copy of a session's attributes, and touches the session.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn snapshot(&self, id: &SessionId) -> Result<Snapshot, SharedError> {
        self.inner.show(id, true, |held| held.content.clone().numbered(held.terms.version)).await
    }

    /// Sets an attribute, and touches the session. Never creates a session.
    ///
    /// # Errors
    ///
    /// [`Set`](SharedError::Set) if the attributes would be too large or too many. [`Missing`](SharedError::Missing) if
    /// there is no such session. [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses. [`Unknown`](SharedError::Unknown) if its answer was lost: the
    /// change has happened, or not, or happens yet.
    pub async fn set(&self, id: &SessionId, key: &str, value: &str) -> Result<(), SharedError> {
        self.update(id, |draft| draft.set(key, value)).await
    }

    /// Sets several attributes in one step, and touches the session.
    ///
    /// # Errors
    ///
    /// As for [`set`](SharedStore::set).
    pub async fn set_each<I, K, V>(&self, id: &SessionId, attributes: I) -> Result<(), SharedError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let attributes = Snapshot::detached(attributes);
        self.update(id, |draft| attributes.iter().for_each(|(key, value)| draft.set(key, value))).await
    }

    /// Removes an attribute, and touches the session. Returns whether the attribute was there.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet.
    pub async fn remove(&self, id: &SessionId, key: &str) -> Result<bool, SharedError> {
        self.update(id, |draft| draft.remove(key)).await
    }

    /// Removes an attribute and returns its value, and touches the session.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet.
    pub async fn take(&self, id: &SessionId, key: &str) -> Result<Option<String>, SharedError> {
        self.update(id, |draft| draft.take(key)).await
    }

    /// Removes all attributes, and touches the session, which stays.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet.
    pub async fn clear(&self, id: &SessionId) -> Result<(), SharedError> {
        self.update(id, |draft| draft.clear()).await
    }

    /// Adds a number to an attribute that holds one in decimal digits, touches the session, and returns the sum.
    ///
    /// # Errors
    ///
    /// [`Increment`](SharedError::Increment) if the attribute holds no number, or the sum is no `i64`.
    /// [`Set`](SharedError::Set) if the attributes would be too large or too many. [`Missing`](SharedError::Missing) if
    /// there is no such session. [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses. [`Unknown`](SharedError::Unknown) if its answer was lost: the
    /// change has happened, or not, or happens yet.
    pub async fn increment(&self, id: &SessionId, key: &str, by: i64) -> Result<i64, SharedError> {
        let added = self.try_update(id, |draft| {
            let before = draft.get(key).map_or(Ok(0), str::parse::<i64>).map_err(|_| IncrementError::NotANumber)?;
            let sum = before.checked_add(by).ok_or(IncrementError::Overflow)?;
            draft.set(key, &sum.to_string());
            Ok(sum)
        });
        added.await.map_err(|error| match error {
            TryUpdateError::Abandoned(error) => SharedError::Increment(error),
            TryUpdateError::Shared(error) => error,
        })
    }

    /// Changes attributes by a closure, all in one step, and touches the session. `f` may be called several times.
    ///
    /// # Errors
    ///
    /// [`Set`](SharedError::Set) if the attributes would be too large or too many. [`Missing`](SharedError::Missing) if
    /// there is no such session. [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses. [`Unknown`](SharedError::Unknown) if its answer was lost: the
    /// change has happened, or not, or happens yet.
    pub async fn update<R>(&self, id: &SessionId, mut f: impl FnMut(&mut Draft<'_>) -> R) -> Result<R, SharedError> {
        match self.try_update::<R, core::convert::Infallible>(id, |draft| Ok(f(draft))).await {
            Ok(result) => Ok(result),
            Err(TryUpdateError::Shared(error)) => Err(error),
            Err(TryUpdateError::Abandoned(never)) => match never {},
        }
    }

    /// Does the same as `update`, unless `f` returns an error. Then nothing has changed.
    ///
    /// # Errors
    ///
    /// [`Abandoned`](TryUpdateError::Abandoned) with the error of `f`. [`Shared`](TryUpdateError::Shared) otherwise, as
    /// for [`update`](SharedStore::update).
    pub async fn try_update<R, E>(
        &self,
        id: &SessionId,
        mut f: impl FnMut(&mut Draft<'_>) -> Result<R, E>,
    ) -> Result<R, TryUpdateError<E>> {
        let config = &self.inner.config;
        let edit = |before: &Snapshot| {
            let (result, after) = before.edited(config, &mut f).map_err(SharedError::from)?;
            let result = result.map_err(TryUpdateError::Abandoned)?;
            let changed = after.version() != before.version();
            Ok((result, changed.then_some(after)))
        };
        self.inner.change(id, edit).await
    }
}

impl NewShared<'_> {
    /// Creates the session without attributes.
    ///
    /// # Errors
    ///
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn create(self) -> Result<SessionId, SharedError> {
        self.create_with([("", ""); 0]).await
    }

    /// Creates the session with these attributes.
    ///
    /// # Errors
    ///
    /// [`Set`](SharedError::Set) if the attributes would be too large or too many.
    /// [`PrincipalFull`](SharedError::PrincipalFull) if its principal has as many sessions as it may.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// there may be a session whose id nobody has, until it expires.
    pub async fn create_with<I, K, V>(self, attributes: I) -> Result<SessionId, SharedError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let attributes = Snapshot::detached(attributes);
        // The limits apply to it as to any change.
        attributes.edited(self.store.config(), |_| ())?;
        self.create_written(written::<Attributes>(&attributes)).await
    }
}
