//! The error of the operations on a session.

use cloakroom::{BindError, CreateError, IncrementError, MissingError, RandomError, RotateError, SetError};
use core::error::Error;
use core::fmt;

/// Why an operation on a [`Session`](crate::Session) failed. The session is then unchanged, unless the operation's
/// documentation says otherwise.
///
/// With the feature `axum` it is a response: the status below, and the message as plain text. The message contains no
/// id and no attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The request has no session, or its session has ended: another request has ended it or changed its id, or it has
    /// expired. No session was created in its place. 401.
    Gone,
    /// Another request has given the session another id a short while ago, by a rotation or a login, and this request
    /// came with the old one. Nothing was stored, and the response leaves the cookie as it is. The client can repeat
    /// the request, which then brings the new id. 409.
    Replaced,
    /// No user is logged in to the session. 401.
    NotLoggedIn,
    /// The session is bound to another user, whose attributes must not be passed on.
    /// [`login`](crate::Session#method.login) starts another session instead. 409.
    OtherPrincipal,
    /// The store has as many sessions as allowed ([`max_sessions`](cloakroom::SessionConfig::max_sessions)), or its
    /// sessions take as many bytes ([`max_bytes`](cloakroom::SessionConfig::max_bytes)). 503.
    Full,
    /// The disk that keeps the sessions fails, and the store was set to give no session another id then: see
    /// `cloakroom-persist`. 503.
    NotDurable,
    /// The user has as many sessions as allowed
    /// ([`max_sessions_per_principal`](cloakroom::SessionConfig::max_sessions_per_principal)). 409.
    PrincipalFull,
    /// The attributes would exceed the size limit of a session
    /// ([`max_session_bytes`](cloakroom::SessionConfig::max_session_bytes)). 413.
    TooLarge {
        /// The size of the attributes, in bytes.
        size: usize,
        /// The most bytes that a session may have.
        limit: usize,
    },
    /// The session would have more attributes than allowed
    /// ([`max_attributes`](cloakroom::SessionConfig::max_attributes)). 413.
    TooManyAttributes {
        /// The number of attributes.
        count: usize,
        /// The most attributes that a session may have.
        limit: usize,
    },
    /// The attribute is not a signed 64-bit integer, or the sum does not fit in one. 500.
    NotANumber,
    /// The value cannot be written as JSON (feature `json`). 500.
    Unserializable,
    /// The attribute is not the JSON of the requested type (feature `json`). 500.
    Undeserializable,
    /// The response has already been made, so no cookie can be sent. A task that outlives the response may use the
    /// session, but can neither create one nor change its id. 500.
    Answered,
    /// This request has already changed the session's id a hundred times. 500.
    TooManyChanges,
    /// The operating system provides no random bytes for an id. 500.
    Random(RandomError),
    /// The engine in which servers share their sessions does not answer, and nothing has changed. That is not a session
    /// that has ended: the cookie stays, and the client may repeat the request. 503.
    Away,
    /// The engine has not confirmed the change: it has been made, or it has not. 503.
    Unknown,
    /// The session is dead on this server, and the response removes the cookie, but the engine has not confirmed the
    /// end: other servers may still serve the session. The engine is told until it confirms. 503.
    Unconfirmed,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("there is no session, or it has ended"),
            Self::Replaced => f.write_str("the session has another id by now"),
            Self::NotLoggedIn => f.write_str("no user is logged in"),
            Self::OtherPrincipal => f.write_str("the session belongs to another user"),
            Self::Full => f.write_str("the store has no room"),
            Self::NotDurable => f.write_str("the session's new id could not be kept"),
            Self::PrincipalFull => f.write_str("the user has no room for another session"),
            Self::TooLarge { size, limit } => {
                write!(f, "attributes of {size} bytes exceed the limit of {limit} for a session")
            }
            Self::TooManyAttributes { count, limit } => {
                write!(f, "{count} attributes exceed the limit of {limit} for a session")
            }
            Self::NotANumber => f.write_str("the attribute is not a number, or the sum is too large"),
            Self::Unserializable => f.write_str("the value cannot be written as JSON"),
            Self::Undeserializable => f.write_str("the attribute is not the JSON of this type"),
            Self::Answered => f.write_str("the response has already been made, without the session's cookie"),
            Self::TooManyChanges => f.write_str("one request has changed the session's id too often"),
            Self::Random(_) => f.write_str("no session id could be made"),
            Self::Away => f.write_str("the sessions cannot be reached"),
            Self::Unknown => f.write_str("the change of the session is not confirmed"),
            Self::Unconfirmed => f.write_str("the session has ended on this server, but that is not confirmed yet"),
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

/// Why the settings of a [`SessionLayer`](crate::SessionLayer) contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerError {
    /// The cookie has a `max_age` that is longer than the sessions last.
    CookieOutlivesSession,
    /// A cookie that is to be chosen by its domain has none.
    CookieWithoutDomain,
    /// The token is in `Cookie` or `Set-Cookie`, or is to be sent in `Authorization`, which is no header of responses.
    TokenHeader,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CookieOutlivesSession => "the cookie's max_age is longer than the timeouts of the sessions",
            Self::CookieWithoutDomain => "a cookie that is chosen by its domain has none",
            Self::TokenHeader => "the token has no header of its own",
        })
    }
}

impl Error for LayerError {}

impl From<CreateError> for SessionError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::PrincipalFull => Self::PrincipalFull,
            CreateError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            CreateError::TooManyAttributes { count, limit } => Self::TooManyAttributes { count, limit },
            CreateError::Random(cause) => Self::Random(cause),
            // A variant that a later version adds is taken for a lack of room too.
            _ => Self::Full,
        }
    }
}

impl From<SetError> for SessionError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            SetError::TooManyAttributes { count, limit } => Self::TooManyAttributes { count, limit },
            SetError::BytesFull => Self::Full,
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
            RotateError::BytesFull => Self::Full,
            RotateError::NotDurable => Self::NotDurable,
            _ => Self::Gone,
        }
    }
}

impl From<BindError> for SessionError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::PrincipalFull => Self::PrincipalFull,
            BindError::OtherPrincipal => Self::OtherPrincipal,
            BindError::BytesFull => Self::Full,
            BindError::NotDurable => Self::NotDurable,
            BindError::Random(cause) => Self::Random(cause),
            _ => Self::Gone,
        }
    }
}

#[cfg(feature = "redis")]
impl From<cloakroom_redis::SharedError> for SessionError {
    fn from(error: cloakroom_redis::SharedError) -> Self {
        use cloakroom_redis::{EngineError, SharedError};
        match error {
            SharedError::Missing(MissingError::Replaced) => Self::Replaced,
            SharedError::Missing(_) => Self::Gone,
            SharedError::Set(error) => error.into(),
            SharedError::Increment(error) => error.into(),
            SharedError::PrincipalFull => Self::PrincipalFull,
            SharedError::OtherPrincipal => Self::OtherPrincipal,
            SharedError::Engine(EngineError::Memory) => Self::Full,
            SharedError::Unknown => Self::Unknown,
            SharedError::Unconfirmed => Self::Unconfirmed,
            // A variant that a later version adds is taken for an engine that is away too: never for a session that has
            // ended.
            _ => Self::Away,
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
