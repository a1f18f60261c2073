//! Errors of giving a session another id.

use super::{BYTES_FULL, MissingError, NO_ID, PRINCIPAL_FULL, RandomError};
use core::error::Error;
use core::fmt;

/// Tells why a session could not be given another id. The session is unchanged.
///
/// # Examples
///
/// ```
/// use cloakroom::{MissingError, RotateError, SessionId, SessionStore};
///
/// let store = SessionStore::default();
/// let unknown = SessionId::from_bytes([7; 32]);
/// assert_eq!(store.rotate_id(&unknown), Err(RotateError::Missing(MissingError::NotFound)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotateError {
    /// There is no such session, or the id has been rotated before.
    Missing(MissingError),
    /// The session would take more bytes under its new id, and the sessions of the store take as many as
    /// [`max_bytes`](crate::SessionConfig#structfield.max_bytes) allows. Only a rotation with a grace takes more.
    BytesFull,
    /// The end of the old id could not be kept now, and the store's [`Journal`](crate::Journal) refuses rotations as
    /// long as that is so. Only with a journal.
    NotDurable,
    /// The operating system gave no random bytes for an id.
    Random(RandomError),
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::BytesFull => f.write_str(BYTES_FULL),
            Self::NotDurable => f.write_str("the end of the old id could not be kept"),
            Self::Random(_) => f.write_str(NO_ID),
        }
    }
}

impl Error for RotateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random(cause) => Some(cause),
            Self::Missing(_) | Self::BytesFull | Self::NotDurable => None,
        }
    }
}

impl From<MissingError> for RotateError {
    fn from(missing: MissingError) -> Self {
        Self::Missing(missing)
    }
}

impl From<RandomError> for RotateError {
    fn from(cause: RandomError) -> Self {
        Self::Random(cause)
    }
}

/// Tells why a session could not be bound to a principal. The session is unchanged.
///
/// # Examples
///
/// ```
/// use cloakroom::{BindError, Principal, SessionStore};
///
/// let store = SessionStore::builder().max_sessions_per_principal(1).build()?;
/// let ada = Principal::new("ada");
/// store.new_session().principal(ada).create()?;
/// let visitor = store.create()?;
/// assert_eq!(store.bind(&visitor, &ada), Err(BindError::PrincipalFull));
/// assert!(store.exists(&visitor));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// There is no such session, or the id has been rotated before.
    Missing(MissingError),
    /// The principal has as many sessions as
    /// [`max_sessions_per_principal`](crate::SessionConfig#structfield.max_sessions_per_principal) allows.
    PrincipalFull,
    /// The session would take more bytes than before, and the sessions of the store take as many as
    /// [`max_bytes`](crate::SessionConfig#structfield.max_bytes) allows.
    BytesFull,
    /// The session is bound to another principal, and its content is not for this one.
    /// [`login`](crate::SessionStore::login) ends it and begins a new session.
    OtherPrincipal,
    /// The end of the old id could not be kept now, and the store's [`Journal`](crate::Journal) refuses rotations as
    /// long as that is so. Only with a journal.
    NotDurable,
    /// The operating system gave no random bytes for an id.
    Random(RandomError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::PrincipalFull => f.write_str(PRINCIPAL_FULL),
            Self::BytesFull => f.write_str(BYTES_FULL),
            Self::OtherPrincipal => f.write_str("the session is bound to another principal"),
            Self::NotDurable => f.write_str("the end of the old id could not be kept"),
            Self::Random(_) => f.write_str(NO_ID),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random(cause) => Some(cause),
            Self::Missing(_) | Self::PrincipalFull | Self::BytesFull | Self::OtherPrincipal | Self::NotDurable => None,
        }
    }
}

impl From<MissingError> for BindError {
    fn from(missing: MissingError) -> Self {
        Self::Missing(missing)
    }
}

impl From<RandomError> for BindError {
    fn from(cause: RandomError) -> Self {
        Self::Random(cause)
    }
}

impl From<RotateError> for BindError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Missing(missing) => Self::Missing(missing),
            RotateError::BytesFull => Self::BytesFull,
            RotateError::NotDurable => Self::NotDurable,
            RotateError::Random(cause) => Self::Random(cause),
        }
    }
}
