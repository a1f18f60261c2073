//! What can go wrong with a session's attributes, beyond [`SetError`].

use super::{EXPIRED, NOT_FOUND, SetError, UpdateError, too_large, too_many};
use core::error::Error;
use core::fmt;

impl From<UpdateError> for SetError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::NotFound => Self::NotFound,
            UpdateError::Expired => Self::Expired,
        }
    }
}

/// Has an error say what [`SetError`] says, in variants of the same names.
macro_rules! includes_set_error {
    ($error:ident $(<$parameter:ident>)?) => {
        impl $(<$parameter>)? From<SetError> for $error $(<$parameter>)? {
            fn from(error: SetError) -> Self {
                match error {
                    SetError::NotFound => Self::NotFound,
                    SetError::Expired => Self::Expired,
                    SetError::TooLarge { size, limit } => Self::TooLarge { size, limit },
                    SetError::TooManyAttributes { count, limit } => Self::TooManyAttributes { count, limit },
                }
            }
        }

        impl $(<$parameter>)? From<UpdateError> for $error $(<$parameter>)? {
            fn from(error: UpdateError) -> Self {
                SetError::from(error).into()
            }
        }
    };
}

includes_set_error!(SetIfError);
includes_set_error!(IncrementError);
includes_set_error!(TryUpdateError<E>);
#[cfg(feature = "json")]
includes_set_error!(SetJsonError);

/// Tells why attributes were not changed on condition of a version. They are unchanged then.
///
/// # Examples
///
/// ```
/// use cloakroom::SetIfError;
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create()?;
/// let seen = store.version(&id).expect("the session is live");
/// store.set(&id, "theme", "dark")?;
/// assert_eq!(store.set_if(&id, seen, "theme", "light"), Err(SetIfError::Changed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetIfError {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The session has another version by now: look at it again, and decide anew.
    Changed,
    /// The attributes would take more than [`max_session_bytes`](crate::SessionConfig::max_session_bytes).
    TooLarge {
        /// What all attributes of the session would take.
        size: usize,
        /// What a session may take.
        limit: usize,
    },
    /// There would be more attributes than [`max_attributes`](crate::SessionConfig::max_attributes).
    TooManyAttributes {
        /// How many there would be.
        count: usize,
        /// How many a session may have.
        limit: usize,
    },
}

impl fmt::Display for SetIfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(NOT_FOUND),
            Self::Expired => f.write_str(EXPIRED),
            Self::Changed => f.write_str("session changed meanwhile"),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for SetIfError {}

/// Tells why an attribute could not be incremented. It is unchanged then.
///
/// # Examples
///
/// ```
/// use cloakroom::IncrementError;
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("visits", "many")])?;
/// assert_eq!(store.increment(&id, "visits", 1), Err(IncrementError::NotANumber));
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncrementError {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The attribute's value is not a whole number of 64 bits in decimal digits.
    NotANumber,
    /// The sum is beyond what 64 bits hold.
    Overflow,
    /// The attributes would take more than [`max_session_bytes`](crate::SessionConfig::max_session_bytes).
    TooLarge {
        /// What all attributes of the session would take.
        size: usize,
        /// What a session may take.
        limit: usize,
    },
    /// There would be more attributes than [`max_attributes`](crate::SessionConfig::max_attributes).
    TooManyAttributes {
        /// How many there would be.
        count: usize,
        /// How many a session may have.
        limit: usize,
    },
}

impl fmt::Display for IncrementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(NOT_FOUND),
            Self::Expired => f.write_str(EXPIRED),
            Self::NotANumber => f.write_str("the attribute is not a whole number"),
            Self::Overflow => f.write_str("the sum does not fit 64 bits"),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for IncrementError {}

/// Tells why an update that could be abandoned did not change the session.
///
/// # Examples
///
/// ```
/// use cloakroom::TryUpdateError;
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("credit", "3")])?;
/// let spent = store.try_update(&id, |draft| {
///     let credit: u32 = draft.get("credit").and_then(|credit| credit.parse().ok()).unwrap_or(0);
///     draft.set("credit", &credit.checked_sub(5).ok_or("not enough")?.to_string());
///     Ok(())
/// });
/// assert_eq!(spent, Err(TryUpdateError::Abandoned("not enough")));
/// assert_eq!(store.get(&id, "credit").as_deref(), Some("3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryUpdateError<E> {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The attributes would take more than [`max_session_bytes`](crate::SessionConfig::max_session_bytes).
    TooLarge {
        /// What all attributes of the session would take.
        size: usize,
        /// What a session may take.
        limit: usize,
    },
    /// There would be more attributes than [`max_attributes`](crate::SessionConfig::max_attributes).
    TooManyAttributes {
        /// How many there would be.
        count: usize,
        /// How many a session may have.
        limit: usize,
    },
    /// The closure has abandoned the update, with this error.
    Abandoned(E),
}

impl<E> fmt::Display for TryUpdateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(NOT_FOUND),
            Self::Expired => f.write_str(EXPIRED),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
            Self::Abandoned(_) => f.write_str("the update was abandoned"),
        }
    }
}

impl<E: Error + 'static> Error for TryUpdateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Abandoned(cause) => Some(cause),
            Self::NotFound | Self::Expired | Self::TooLarge { .. } | Self::TooManyAttributes { .. } => None,
        }
    }
}

/// Tells why an attribute could not be set to a value as JSON. The session's attributes are unchanged then.
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetJsonError {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The attributes would take more than [`max_session_bytes`](crate::SessionConfig::max_session_bytes).
    TooLarge {
        /// What all attributes of the session would take.
        size: usize,
        /// What a session may take.
        limit: usize,
    },
    /// There would be more attributes than [`max_attributes`](crate::SessionConfig::max_attributes).
    TooManyAttributes {
        /// How many there would be.
        count: usize,
        /// How many a session may have.
        limit: usize,
    },
    /// The value has no JSON: its `Serialize` has failed, or it has a map whose keys are not strings.
    Unserializable,
}

#[cfg(feature = "json")]
impl fmt::Display for SetJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(NOT_FOUND),
            Self::Expired => f.write_str(EXPIRED),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
            Self::Unserializable => f.write_str("the value cannot be written as JSON"),
        }
    }
}

#[cfg(feature = "json")]
impl Error for SetJsonError {}

/// Tells why an attribute could not be read as JSON.
///
/// It says where in the text the trouble is, and quotes nothing of it.
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetJsonError {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The session has no such attribute.
    Missing,
    /// The attribute's value is not JSON.
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; 0 where the line before has ended.
        column: usize,
    },
    /// The attribute's value is JSON, but not of the type that was asked for.
    WrongType {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; 0 where the line before has ended.
        column: usize,
    },
}

#[cfg(feature = "json")]
impl fmt::Display for GetJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(NOT_FOUND),
            Self::Expired => f.write_str(EXPIRED),
            Self::Missing => f.write_str("no such attribute"),
            Self::Malformed { line, column } => write!(f, "not JSON at line {line}, column {column}"),
            Self::WrongType { line, column } => write!(f, "JSON of another type at line {line}, column {column}"),
        }
    }
}

#[cfg(feature = "json")]
impl Error for GetJsonError {}
