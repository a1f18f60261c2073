//! Attributes that hold values of any type, as JSON.

use super::SessionStore;
use crate::error::{GetJsonError, SetJsonError};
use crate::id::SessionId;
use crate::store::Lookup;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

impl SessionStore {
    /// Sets an attribute to the JSON of a value, and touches the session: [`set`](Self::set) with a text that
    /// [`get_json`](Self::get_json) reads.
    ///
    /// Lock-free, as far as the value's `Serialize` is; allocates. Takes effect as `set` does.
    ///
    /// # Errors
    ///
    /// [`SetJsonError::Unserializable`] if there is no JSON for the value, and those of [`set`](Self::set). In either
    /// case no attribute has changed, and the session has not been touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// store.set_json(&id, "basket", &[("apple", 3), ("pear", 1)])?;
    /// assert_eq!(store.get(&id, "basket").as_deref(), Some(r#"[["apple",3],["pear",1]]"#));
    /// let basket: Vec<(String, u32)> = store.get_json(&id, "basket")?;
    /// assert_eq!(basket[0], ("apple".to_owned(), 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_json<V: Serialize + ?Sized>(&self, id: &SessionId, key: &str, value: &V) -> Result<(), SetJsonError> {
        // What the value says of its failure may be what is secret about it.
        let json = serde_json::to_string(value).map_err(|_| SetJsonError::Unserializable)?;
        Ok(self.set(id, key, &json)?)
    }

    /// Reads an attribute as JSON, and touches the session even if that fails.
    ///
    /// Lock-free, as far as the type's `Deserialize` is, which runs as a closure of [`read`](Self::read) does;
    /// allocates what the type does. Takes effect when the session is touched.
    ///
    /// # Errors
    ///
    /// [`GetJsonError::NotFound`] if there is no such session, [`GetJsonError::Expired`] if there was but it had
    /// expired (it is removed then), [`GetJsonError::Missing`] if it has no such attribute, [`GetJsonError::Malformed`]
    /// if that is not JSON, [`GetJsonError::WrongType`] if it is, but not that of a `V`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::GetJsonError;
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("visits", "3"), ("name", "Ada")])?;
    /// assert_eq!(store.get_json::<u32>(&id, "visits"), Ok(3));
    /// assert_eq!(store.get_json::<bool>(&id, "visits"), Err(GetJsonError::WrongType { line: 1, column: 1 }));
    /// assert_eq!(store.get_json::<String>(&id, "name"), Err(GetJsonError::Malformed { line: 1, column: 1 }));
    /// assert_eq!(store.get_json::<u32>(&id, "age"), Err(GetJsonError::Missing));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn get_json<V: DeserializeOwned>(&self, id: &SessionId, key: &str) -> Result<V, GetJsonError> {
        let found = self.lookup(id, |attributes| {
            let json = attributes.get(key).ok_or(GetJsonError::Missing)?;
            serde_json::from_str(json).map_err(|error| located(&error))
        });
        match found {
            Lookup::Live(value) => value,
            Lookup::Expired => Err(GetJsonError::Expired),
            Lookup::Unknown => Err(GetJsonError::NotFound),
        }
    }
}

/// Where the error lies. Its message, which may quote what it has found there, is dropped.
fn located(error: &serde_json::Error) -> GetJsonError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => GetJsonError::WrongType { line, column },
        Category::Syntax | Category::Eof | Category::Io => GetJsonError::Malformed { line, column },
    }
}
