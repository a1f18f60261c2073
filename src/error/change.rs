//! Errors of changing a session's attributes.

use super::{BYTES_FULL, MissingError, too_large, too_many};
use core::error::Error;
use core::fmt;

/// Tells why attributes could not be changed. The session's attributes are unchanged.
///
/// # Examples
///
/// ```
/// use cloakroom::{MissingError, SessionId, SessionStore, SetError};
///
/// let store = SessionStore::builder().build()?;
/// let unknown = SessionId::from_bytes([7; 32]);
/// assert_eq!(store.set(&unknown, "user", "ada"), Err(SetError::Missing(MissingError::NotFound)));
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// There is no such session.
    Missing(MissingError),
    /// The attributes would take more than [`max_session_bytes`](crate::SessionConfig#structfield.max_session_bytes).
    TooLarge {
        /// The bytes that all attributes of the session would take.
        size: usize,
        /// The bytes that a session may take.
        limit: usize,
    },
    /// There would be more attributes than [`max_attributes`](crate::SessionConfig#structfield.max_attributes).
    TooManyAttributes {
        /// The number of attributes that the session would have.
        count: usize,
        /// The number of attributes that a session may have.
        limit: usize,
    },
    /// The session would become larger, and the sessions of the store take as many bytes as
    /// [`max_bytes`](crate::SessionConfig#structfield.max_bytes) allows.
    BytesFull,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::BytesFull => f.write_str(BYTES_FULL),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for SetError {}

impl From<MissingError> for SetError {
    fn from(missing: MissingError) -> Self {
        Self::Missing(missing)
    }
}

/// Converts a [`SetError`], and a [`MissingError`] by way of it, to the variant `Set` of another error.
macro_rules! wraps_set_error {
    ($error:ident $(<$parameter:ident>)?) => {
        impl $(<$parameter>)? From<SetError> for $error $(<$parameter>)? {
            fn from(error: SetError) -> Self {
                Self::Set(error)
            }
        }

        impl $(<$parameter>)? From<MissingError> for $error $(<$parameter>)? {
            fn from(missing: MissingError) -> Self {
                Self::Set(missing.into())
            }
        }
    };
}

#[cfg(feature = "json")]
pub(super) use wraps_set_error;

wraps_set_error!(SetIfError);
wraps_set_error!(IncrementError);
wraps_set_error!(TryUpdateError<E>);

/// Tells why attributes were not changed on condition of a version. They are unchanged.
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
    /// The session is at another version: read it again, and decide again.
    Changed,
    /// The attributes could not be changed.
    Set(SetError),
}

impl fmt::Display for SetIfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("the session has changed since"),
            Self::Set(error) => error.fmt(f),
        }
    }
}

impl Error for SetIfError {}

/// Tells why an attribute could not be incremented. It is unchanged.
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
    /// The attribute's value is not a whole number of 64 bits in decimal digits.
    NotANumber,
    /// The sum does not fit 64 bits.
    Overflow,
    /// The attribute could not be set to the sum.
    Set(SetError),
}

impl fmt::Display for IncrementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("the attribute is not a whole number"),
            Self::Overflow => f.write_str("the sum does not fit 64 bits"),
            Self::Set(error) => error.fmt(f),
        }
    }
}

impl Error for IncrementError {}

/// Tells why an update that its closure can abandon did not change the session.
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
    /// The closure has abandoned the update with this error.
    Abandoned(E),
    /// The attributes could not be changed.
    Set(SetError),
}

impl<E> fmt::Display for TryUpdateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned(_) => f.write_str("the update was abandoned"),
            Self::Set(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TryUpdateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Abandoned(cause) => Some(cause),
            Self::Set(_) => None,
        }
    }
}
