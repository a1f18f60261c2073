//! Attributes that hold values of any type, as JSON.

use super::SessionStore;
use crate::error::{GetJsonError, SetJsonError};
use crate::id::SessionId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

impl SessionStore {
    /// Sets an attribute to the JSON of a value, and touches the session: [`set`](Self::set) with a text that
    /// [`get_json`](Self::get_json) reads.
    ///
    /// Lock-free if the value's `Serialize` is; allocates. Takes effect as `set` does.
    ///
    /// # Errors
    ///
    /// [`SetJsonError::Unserializable`] if the value has no JSON, and [`SetJsonError::Set`] with the errors of
    /// [`set`](Self::set). On an error no attribute has changed, and the session is not touched.
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
        // The error of `Serialize` is dropped, because its message may quote the value.
        let json = serde_json::to_string(value).map_err(|_| SetJsonError::Unserializable)?;
        Ok(self.set(id, key, &json)?)
    }

    /// Reads an attribute as JSON, and touches the session even if that fails.
    ///
    /// Lock-free if the type's `Deserialize` is, which runs as a closure of [`read`](Self::read) does; allocates what
    /// the type allocates. Takes effect when the session is touched.
    ///
    /// # Errors
    ///
    /// [`GetJsonError::Missing`] if there is no such session, [`GetJsonError::NoAttribute`] if it has no such
    /// attribute, [`GetJsonError::Malformed`] if the attribute is not JSON, [`GetJsonError::WrongType`] if it is JSON
    /// of another type.
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
    /// assert_eq!(store.get_json::<u32>(&id, "age"), Err(GetJsonError::NoAttribute));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn get_json<V: DeserializeOwned>(&self, id: &SessionId, key: &str) -> Result<V, GetJsonError> {
        self.lookup(id, |attributes| {
            let json = attributes.get(key).ok_or(GetJsonError::NoAttribute)?;
            serde_json::from_str(json).map_err(|error| located(&error))
        })?
    }
}

/// The position of the error. Its message is dropped, because it may quote the text.
fn located(error: &serde_json::Error) -> GetJsonError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => GetJsonError::WrongType { line, column },
        Category::Syntax | Category::Eof | Category::Io => GetJsonError::Malformed { line, column },
    }
}
