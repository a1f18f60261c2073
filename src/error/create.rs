//! Errors of creating a session.

use super::{BYTES_FULL, FULL, NO_ID, PRINCIPAL_FULL, RandomError, too_large, too_many};
use core::error::Error;
use core::fmt;

/// Tells why a session could not be created. No session was created.
///
/// # Examples
///
/// ```
/// use cloakroom::{CreateError, SessionStore};
///
/// let store = SessionStore::builder().max_session_bytes(16).build()?;
/// let refused = store.create_with([("biography", "a long story")]);
/// assert_eq!(refused, Err(CreateError::TooLarge { size: 23, limit: 16 }));
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// The store holds as many sessions as [`max_sessions`](crate::SessionConfig#structfield.max_sessions) allows.
    Full,
    /// The sessions of the store take as many bytes as [`max_bytes`](crate::SessionConfig#structfield.max_bytes)
    /// allows.
    BytesFull,
    /// The principal has as many sessions as
    /// [`max_sessions_per_principal`](crate::SessionConfig#structfield.max_sessions_per_principal) allows.
    PrincipalFull,
    /// The attributes take more than [`max_session_bytes`](crate::SessionConfig#structfield.max_session_bytes).
    TooLarge {
        /// The bytes that the attributes would take, up to and including the first attribute beyond the limit.
        size: usize,
        /// The bytes that a session may take.
        limit: usize,
    },
    /// There are more attributes than [`max_attributes`](crate::SessionConfig#structfield.max_attributes).
    TooManyAttributes {
        /// The number of attributes, up to and including the first attribute beyond the limit.
        count: usize,
        /// The number of attributes that a session may have.
        limit: usize,
    },
    /// The operating system gave no random bytes for an id.
    Random(RandomError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(FULL),
            Self::BytesFull => f.write_str(BYTES_FULL),
            Self::PrincipalFull => f.write_str(PRINCIPAL_FULL),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
            Self::Random(_) => f.write_str(NO_ID),
        }
    }
}

impl Error for CreateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random(cause) => Some(cause),
            Self::Full
            | Self::BytesFull
            | Self::PrincipalFull
            | Self::TooLarge { .. }
            | Self::TooManyAttributes { .. } => None,
        }
    }
}

impl From<RandomError> for CreateError {
    fn from(cause: RandomError) -> Self {
        Self::Random(cause)
    }
}

/// Tells why a session could not be created under the id that was given. No session was created.
///
/// # Examples
///
/// ```
/// use cloakroom::{InsertError, SessionStore, Timeouts};
///
/// let store = SessionStore::default();
/// let taken = store.create()?;
/// assert_eq!(store.insert_with(&taken, Timeouts::default(), [("user", "eve")]), Err(InsertError::Occupied));
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InsertError {
    /// A live session has this id, or the id still forwards to one after a rotation with grace.
    Occupied,
    /// The store holds as many sessions as [`max_sessions`](crate::SessionConfig#structfield.max_sessions) allows.
    Full,
    /// The sessions of the store take as many bytes as [`max_bytes`](crate::SessionConfig#structfield.max_bytes)
    /// allows.
    BytesFull,
    /// The attributes take more than [`max_session_bytes`](crate::SessionConfig#structfield.max_session_bytes).
    TooLarge {
        /// The bytes that the attributes would take, up to and including the first attribute beyond the limit.
        size: usize,
        /// The bytes that a session may take.
        limit: usize,
    },
    /// There are more attributes than [`max_attributes`](crate::SessionConfig#structfield.max_attributes).
    TooManyAttributes {
        /// The number of attributes, up to and including the first attribute beyond the limit.
        count: usize,
        /// The number of attributes that a session may have.
        limit: usize,
    },
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied => f.write_str("a session has this id already"),
            Self::Full => f.write_str(FULL),
            Self::BytesFull => f.write_str(BYTES_FULL),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for InsertError {}
