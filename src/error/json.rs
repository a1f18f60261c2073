//! Errors of attributes that hold JSON.

use super::change::wraps_set_error;
use super::{MissingError, SetError};
use core::error::Error;
use core::fmt;

/// Tells why an attribute could not be set to a value as JSON. The session's attributes are unchanged.
///
/// # Examples
///
/// ```
/// use cloakroom::{SetError, SetJsonError};
/// use std::collections::HashMap;
///
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create()?;
/// let keyed_by_pairs = HashMap::from([((1, 2), "three")]);
/// assert_eq!(store.set_json(&id, "map", &keyed_by_pairs), Err(SetJsonError::Unserializable));
/// store.delete(&id);
/// assert!(matches!(store.set_json(&id, "map", &()), Err(SetJsonError::Set(SetError::Missing(_)))));
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetJsonError {
    /// The value has no JSON: its `Serialize` has failed, or it has a map whose keys are not strings.
    Unserializable,
    /// The attribute could not be set to the JSON.
    Set(SetError),
}

impl fmt::Display for SetJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unserializable => f.write_str("the value cannot be written as JSON"),
            Self::Set(error) => error.fmt(f),
        }
    }
}

impl Error for SetJsonError {}

wraps_set_error!(SetJsonError);

/// Tells why an attribute could not be read as JSON.
///
/// The error has the position in the text, and quotes nothing of the text.
///
/// # Examples
///
/// ```
/// use cloakroom::GetJsonError;
///
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("name", "Ada")])?;
/// assert_eq!(store.get_json::<String>(&id, "name"), Err(GetJsonError::Malformed { line: 1, column: 1 }));
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetJsonError {
    /// There is no such session.
    Missing(MissingError),
    /// The session has no such attribute.
    NoAttribute,
    /// The attribute's value is not JSON.
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; 0 at the end of the line before.
        column: usize,
    },
    /// The attribute's value is JSON of another type than the requested one.
    WrongType {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; 0 at the end of the line before.
        column: usize,
    },
}

impl fmt::Display for GetJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::NoAttribute => f.write_str("the session has no such attribute"),
            Self::Malformed { line, column } => write!(f, "not JSON at line {line}, column {column}"),
            Self::WrongType { line, column } => write!(f, "JSON of another type at line {line}, column {column}"),
        }
    }
}

impl Error for GetJsonError {}

impl From<MissingError> for GetJsonError {
    fn from(missing: MissingError) -> Self {
        Self::Missing(missing)
    }
}
