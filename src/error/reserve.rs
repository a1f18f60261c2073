//! Errors of reservations.

use super::{BYTES_FULL, FULL, too_large, too_many};
use core::error::Error;
use core::fmt;

/// Tells why an id could not be reserved. Nothing has changed.
///
/// # Examples
///
/// ```
/// use cloakroom::{ReserveError, SessionStore};
/// use std::time::Duration;
///
/// let store = SessionStore::default();
/// let id = store.create()?;
/// assert_eq!(store.reserve(&id, Duration::from_secs(10)).err(), Some(ReserveError::Occupied));
/// # Ok::<(), cloakroom::CreateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReserveError {
    /// A live session has this id, or the id still forwards to one after a rotation with grace: look it up again.
    Occupied,
    /// The id is reserved: another caller is fetching the session.
    Reserved,
    /// The id is barred by [`delete_and_bar`](crate::SessionStore::delete_and_bar).
    Barred,
    /// There are as many reservations as [`max_sessions`](crate::SessionConfig#structfield.max_sessions) allows, or
    /// 262,144 if it is not set.
    Full,
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Occupied => "a session has this id already",
            Self::Reserved => "the id is reserved already",
            Self::Barred => "the id is barred",
            Self::Full => "the store has no room for another reservation",
        })
    }
}

impl Error for ReserveError {}

/// Tells why a reservation could not be fulfilled. No session was created, and the reservation has ended.
///
/// # Examples
///
/// ```
/// use cloakroom::{FulfilError, SessionId, SessionStore, Timeouts};
/// use std::time::Duration;
///
/// let store = SessionStore::default();
/// let id = SessionId::random()?; // from a cookie
/// let reservation = store.reserve(&id, Duration::from_secs(10))?;
/// store.end_all();
/// assert_eq!(reservation.fulfil_with(Timeouts::default(), [("user", "ada")]), Err(FulfilError::Ended));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FulfilError {
    /// The reservation has ended: the session was deleted or inserted, all sessions were ended, or the reservation has
    /// expired.
    Ended,
    /// The store holds as many sessions as [`max_sessions`](crate::SessionConfig#structfield.max_sessions) allows.
    Full,
    /// The session does not fit within [`max_bytes`](crate::SessionConfig#structfield.max_bytes).
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

impl fmt::Display for FulfilError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the reservation has ended"),
            Self::Full => f.write_str(FULL),
            Self::BytesFull => f.write_str(BYTES_FULL),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for FulfilError {}
