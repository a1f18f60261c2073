//! Operations on string attributes that hold values of any type, as JSON.

use super::Session;
use crate::error::SessionError;
use cloakroom::SessionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Session {
    /// Sets an attribute to the JSON of a value ([`SessionStore::set_json`](cloakroom::SessionStore::set_json)).
    /// Creates the session if there is none.
    ///
    /// If two requests read, change and set the same attribute at the same time, the later `set_json` wins.
    /// [`update`](Self::update) loses no change. Lock-free, if the value's `Serialize` is; allocates.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Unserializable`] if the value cannot be written as JSON.
    /// * The errors of [`set`](Self::set).
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
    pub fn set_json<V: Serialize + ?Sized>(&self, key: &str, value: &V) -> Result<(), SessionError> {
        let set = |id: &SessionId| self.store().set_json(id, key, value);
        self.change_or_create(set, || self.created_and(set))
    }

    /// Reads an attribute as JSON, and touches the session. `None` if there is no such attribute or no session.
    ///
    /// Lock-free, if the type's `Deserialize` is; allocates what the value needs.
    ///
    /// # Errors
    ///
    /// [`SessionError::Undeserializable`] if the attribute is not the JSON of a `V`.
    pub fn get_json<V: DeserializeOwned>(&self, key: &str) -> Result<Option<V>, SessionError> {
        let found = self.read(|attributes| attributes.get(key).map(serde_json::from_str)).flatten();
        found.transpose().map_err(|_| SessionError::Undeserializable)
    }
}
