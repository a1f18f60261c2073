//! What can go wrong with a request's session.

use cloakroom::{BindError, CreateError, IncrementError, MissingError, RandomError, RotateError, SetError};
use core::error::Error;
use core::fmt;

/// Tells why an operation on a [`Session`](crate::Session) was not done. Nothing has changed then, unless the operation says otherwise.
///
/// With the feature `axum` it is a response: the status that is given with each, and its message as plain text, in which there is no id
/// and no attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The request has no session, or not any more: it was ended or given another id by another request, or has expired. Nothing was
    /// created in its place. 401.
    Gone,
    /// Nobody is logged in to the session. 401.
    NotLoggedIn,
    /// The session is bound to another user, whose attributes are not for this one;
    /// [`login`](crate::Session#method.login) starts another. 409.
    OtherPrincipal,
    /// The store holds as many sessions as it may ([`max_sessions`](cloakroom::SessionConfig::max_sessions)). 503.
    Full,
    /// The user has as many sessions as they may have ([`max_sessions_per_principal`](cloakroom::SessionConfig::max_sessions_per_principal)). 409.
    PrincipalFull,
    /// The attributes would take more than a session may ([`max_session_bytes`](cloakroom::SessionConfig::max_session_bytes)). 413.
    TooLarge {
        /// What they would take.
        size: usize,
        /// What a session may take.
        limit: usize,
    },
    /// There would be more attributes than a session may have
    /// ([`max_attributes`](cloakroom::SessionConfig::max_attributes)). 413.
    TooManyAttributes {
        /// How many there would be.
        count: usize,
        /// How many a session may have.
        limit: usize,
    },
    /// The attribute is not a whole number of 64 bits, or the sum is beyond that. 500.
    NotANumber,
    /// The value has no JSON (feature `json`). 500.
    Unserializable,
    /// The attribute is not JSON, or not that of the type that was asked for (feature `json`). 500.
    Undeserializable,
    /// The response is on its way, so the browser cannot be told an id any more: a task that outlives it may use the session, but neither
    /// create nor rotate one. 500.
    Answered,
    /// This request has given its session more than a hundred ids. 500.
    TooManyChanges,
    /// The operating system gave no random bytes for an id. 500.
    Random(RandomError),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("there is no session, or not any more"),
            Self::NotLoggedIn => f.write_str("nobody is logged in"),
            Self::OtherPrincipal => f.write_str("the session belongs to another user"),
            Self::Full => f.write_str("the store has no room for another session"),
            Self::PrincipalFull => f.write_str("the user has no room for another session"),
            Self::TooLarge { size, limit } => {
                write!(f, "attributes of {size} bytes are over the limit of {limit} for a session")
            }
            Self::TooManyAttributes { count, limit } => {
                write!(f, "a number of {count} attributes is over the limit of {limit} for a session")
            }
            Self::NotANumber => f.write_str("the attribute is not a number, or would become too large a one"),
            Self::Unserializable => f.write_str("the value cannot be written as JSON"),
            Self::Undeserializable => f.write_str("the attribute is not JSON of this type"),
            Self::Answered => f.write_str("the response is on its way without the session's cookie"),
            Self::TooManyChanges => f.write_str("the session has been given too many ids by one request"),
            Self::Random(_) => f.write_str("no session id could be made"),
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<CreateError> for SessionError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::PrincipalFull => Self::PrincipalFull,
            CreateError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            CreateError::TooManyAttributes { count, limit } => Self::TooManyAttributes { count, limit },
            CreateError::Random(cause) => Self::Random(cause),
            // What a later version of the store may refuse for is for want of room as well.
            _ => Self::Full,
        }
    }
}

impl From<SetError> for SessionError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            SetError::TooManyAttributes { count, limit } => Self::TooManyAttributes { count, limit },
            _ => Self::Gone,
        }
    }
}

impl From<MissingError> for SessionError {
    fn from(_: MissingError) -> Self {
        Self::Gone
    }
}

impl From<RandomError> for SessionError {
    fn from(cause: RandomError) -> Self {
        Self::Random(cause)
    }
}

impl From<RotateError> for SessionError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Random(cause) => Self::Random(cause),
            _ => Self::Gone,
        }
    }
}

impl From<BindError> for SessionError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::PrincipalFull => Self::PrincipalFull,
            BindError::OtherPrincipal => Self::OtherPrincipal,
            BindError::Random(cause) => Self::Random(cause),
            _ => Self::Gone,
        }
    }
}

impl From<IncrementError> for SessionError {
    fn from(error: IncrementError) -> Self {
        match error {
            IncrementError::NotANumber | IncrementError::Overflow => Self::NotANumber,
            IncrementError::Set(error) => error.into(),
            _ => Self::Gone,
        }
    }
}

#[cfg(feature = "json")]
impl From<cloakroom::SetJsonError> for SessionError {
    fn from(error: cloakroom::SetJsonError) -> Self {
        match error {
            cloakroom::SetJsonError::Unserializable => Self::Unserializable,
            cloakroom::SetJsonError::Set(error) => error.into(),
            _ => Self::Gone,
        }
    }
}
