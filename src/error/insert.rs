//! What can go wrong when a session is created under an id that the caller brings.

use super::{FULL, too_large, too_many};
use core::error::Error;
use core::fmt;

/// Tells why a session could not be created under the id that was given. No session has come into being then.
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
    /// There is a live session of this id, or it still leads to one after a rotation with grace.
    Occupied,
    /// The store holds as many sessions as [`max_sessions`](crate::SessionConfig::max_sessions) allows.
    Full,
    /// The attributes take more than [`max_session_bytes`](crate::SessionConfig::max_session_bytes).
    TooLarge {
        /// What the attributes would take; where they were given one after another, those up to the one that was too
        /// much.
        size: usize,
        /// What a session may take.
        limit: usize,
    },
    /// There are more attributes than [`max_attributes`](crate::SessionConfig::max_attributes).
    TooManyAttributes {
        /// How many there would be; where they were given one after another, those up to the one that was too many.
        count: usize,
        /// How many a session may have.
        limit: usize,
    },
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied => f.write_str("there is a session of this id"),
            Self::Full => f.write_str(FULL),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for InsertError {}
