//! Operations on string attributes that hold values of any type, as JSON.

use super::Session;
use crate::error::SessionError;
use cloakroom::{GetJsonError, SessionId};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Session {
    /// Sets an attribute to the JSON of a value; creates the session if there is none
    /// ([`SessionStore::set_json`](cloakroom::SessionStore::set_json)).
    ///
    /// # Errors
    ///
    /// [`SessionError::Unserializable`], and those of [`set`](Self::set).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_tower::{Session, SessionError};
    ///
    /// fn put_into_basket(session: &Session, item: &str) -> Result<(), SessionError> {
    ///     let mut basket: Vec<String> = session.get_json("basket")?.unwrap_or_default();
    ///     basket.push(item.to_owned());
    ///     session.set_json("basket", &basket)
    /// }
    /// ```
    ///
    /// Of two requests that do this at the same time, the later `set_json` wins; [`update`](Self::update) loses nothing.
    pub fn set_json<V: Serialize + ?Sized>(&self, key: &str, value: &V) -> Result<(), SessionError> {
        let set = |id: &SessionId| self.store().set_json(id, key, value);
        self.store_something(set, || self.created_and(set))
    }

    /// Reads an attribute as JSON, and touches the session. `None` if there is no such attribute, or no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Undeserializable`] if the attribute is not JSON, or not that of a `V`.
    pub fn get_json<V: DeserializeOwned>(&self, key: &str) -> Result<Option<V>, SessionError> {
        let found = self.find(|id| match self.store().get_json(id, key) {
            Ok(value) => Some(Ok(Some(value))),
            Err(GetJsonError::Missing(_)) => None,
            Err(GetJsonError::NoAttribute) => Some(Ok(None)),
            Err(_) => Some(Err(SessionError::Undeserializable)),
        });
        found.unwrap_or(Ok(None))
    }
}
