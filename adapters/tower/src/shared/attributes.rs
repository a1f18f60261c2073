//! Operations on a shared session's string attributes. Those that store something create the session if there is none.

use super::session::{Session, change, find};
use super::work;
use crate::error::SessionError;
use cloakroom::{Draft, SessionId, Snapshot};
use cloakroom_redis::SharedError;

/// Attributes of a session that is to be created.
type Pairs = Vec<(String, String)>;

fn borrowed(pairs: &Pairs) -> impl Iterator<Item = (&str, &str)> + Clone {
    pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

impl Session {
    /// Returns the value of an attribute, and touches the session. `None` if there is no such attribute or no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn get(&self, key: &str) -> Result<Option<String>, SessionError> {
        Ok(self.read(|attributes| attributes.get(key).map(str::to_owned)).await?.flatten())
    }

    /// Returns the values of several attributes at one instant, and touches the session. `None` if there is no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn get_each<const N: usize>(&self, keys: [&str; N]) -> Result<Option<[Option<String>; N]>, SessionError> {
        self.read(|attributes| keys.map(|key| attributes.get(key).map(str::to_owned))).await
    }

    /// Returns whether the session has this attribute, and touches the session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn contains(&self, key: &str) -> Result<bool, SessionError> {
        Ok(self.read(|attributes| attributes.contains(key)).await?.unwrap_or(false))
    }

    /// Sets an attribute. Creates the session if there is none.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if another request or a timeout has ended the session.
    /// * [`SessionError::Replaced`] if another request has changed the session's id meanwhile.
    /// * [`SessionError::TooManyAttributes`] or [`SessionError::TooLarge`] if the attributes exceed a limit of the
    ///   store.
    /// * [`SessionError::Away`]; [`SessionError::Unknown`], after which the change may have been made.
    ///
    /// And if the session has to be created:
    ///
    /// * [`SessionError::Answered`] if the response has already been made.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    pub async fn set(&self, key: &str, value: &str) -> Result<(), SessionError> {
        self.set_each([(key, value)]).await
    }

    /// Sets several attributes in one step. Creates the session, with these attributes, if there is none.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub async fn set_each<I, K, V>(&self, attributes: I) -> Result<(), SessionError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let owned = |(key, value): (K, V)| (key.as_ref().to_owned(), value.as_ref().to_owned());
        let pairs: Pairs = attributes.into_iter().map(owned).collect();
        loop {
            let set: Result<bool, SessionError> = change!(
                self,
                id => async { self.store().set_each(id, borrowed(&pairs)).await.map(|()| true) },
                else self.create(pairs.clone()).await.map(|created| created.is_some())
            );
            if set? {
                return Ok(());
            }
        }
    }

    /// Changes attributes by a closure, all in one step, and returns the closure's result. Creates the session if there
    /// is none.
    ///
    /// The closure may be called several times, because another server may change the session meanwhile.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub async fn update<R>(&self, mut f: impl FnMut(&mut Draft<'_>) -> R) -> Result<R, SessionError> {
        loop {
            let mut created = None;
            let updated: Result<Option<R>, SessionError> = change!(
                self,
                id => async { self.store().update(id, &mut f).await.map(Some) },
                else {
                    created = self.create(Vec::new()).await?;
                    Ok(None)
                }
            );
            match (updated?, created) {
                (Some(result), _) => return Ok(result),
                (None, None) => {}
                (None, Some(id)) => return self.first(id, self.store().update(&id, &mut f).await).await,
            }
        }
    }

    /// Adds to an attribute that holds a number, and returns the sum. Creates the session if there is none.
    ///
    /// # Errors
    ///
    /// * [`SessionError::NotANumber`] if the attribute is not a number, or if the sum does not fit in 64 bits.
    /// * The errors of [`set`](Self::set).
    pub async fn increment(&self, key: &str, by: i64) -> Result<i64, SessionError> {
        loop {
            let mut created = None;
            let sum: Result<Option<i64>, SessionError> = change!(
                self,
                id => async { self.store().increment(id, key, by).await.map(Some) },
                else {
                    created = self.create(Vec::new()).await?;
                    Ok(None)
                }
            );
            match (sum?, created) {
                (Some(sum), _) => return Ok(sum),
                (None, None) => {}
                (None, Some(id)) => return self.first(id, self.store().increment(&id, key, by).await).await,
            }
        }
    }

    /// Returns a copy of all attributes, and touches the session. `None` if there is no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn snapshot(&self) -> Result<Option<Snapshot>, SessionError> {
        find!(self, id => self.store().snapshot(id))
    }

    /// Removes an attribute, and returns whether it was there. Returns `false` if the request has no session yet.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if another request or a timeout has ended the session.
    /// * [`SessionError::Away`]; [`SessionError::Unknown`].
    pub async fn remove(&self, key: &str) -> Result<bool, SessionError> {
        if self.id().await?.is_none() {
            return Ok(false);
        }
        change!(self, id => self.store().remove(id, key), else Err(SessionError::Gone))
    }

    /// Removes an attribute and returns its value, for a message that is shown once. If several requests take it at the
    /// same time, on any server, one of them gets it. `None` if there is no such attribute or no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`]; [`SessionError::Unknown`], after which the attribute may be gone.
    pub async fn take(&self, key: &str) -> Result<Option<String>, SessionError> {
        let found: Result<_, SessionError> = find!(self, id => self.store().take(id, key));
        Ok(found?.flatten())
    }

    /// Removes all attributes. The session stays live, and its user stays logged in. Does nothing if the request has no
    /// session yet.
    ///
    /// # Errors
    ///
    /// The errors of [`remove`](Self::remove).
    pub async fn clear(&self) -> Result<(), SessionError> {
        if self.id().await?.is_none() {
            return Ok(());
        }
        change!(self, id => self.store().clear(id), else Err(SessionError::Gone))
    }

    /// Creates a session for this request, and returns its id. `None` if another handle has created one first.
    async fn create(&self, attributes: Pairs) -> Result<Option<SessionId>, SessionError> {
        let session = self.clone();
        work::to_the_end(async move {
            let at = session.0.current();
            if session.0.id_at(at).await?.is_some() {
                return Ok(None);
            }
            session.may_change(at)?;
            session.0.may_create(at)?;
            let id = session.0.config().new_session().create_with(attributes).await?;
            Ok(session.issue(at, id, false).await?.then_some(id))
        })
        .await
    }

    /// The result of the first change of a session that this request has created. The session ends if it has failed.
    async fn first<R>(&self, id: SessionId, result: Result<R, SharedError>) -> Result<R, SessionError> {
        if result.is_err() {
            let _ = self.store().delete(&id).await;
        }
        Ok(result?)
    }
}

#[cfg(feature = "json")]
impl Session {
    /// Sets an attribute to the JSON of a value. Creates the session if there is none.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Unserializable`] if the value cannot be written as JSON.
    /// * The errors of [`set`](Self::set).
    pub async fn set_json<V: serde::Serialize + ?Sized>(&self, key: &str, value: &V) -> Result<(), SessionError> {
        let json = serde_json::to_string(value).map_err(|_| SessionError::Unserializable)?;
        self.set(key, &json).await
    }

    /// Reads an attribute as JSON, and touches the session. `None` if there is no such attribute or no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Undeserializable`] if the attribute is not the JSON of a `V`; [`SessionError::Away`].
    pub async fn get_json<V: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<V>, SessionError> {
        let found = self.read(|attributes| attributes.get(key).map(serde_json::from_str)).await?.flatten();
        found.transpose().map_err(|_| SessionError::Undeserializable)
    }
}
