//! What can go wrong: one small error type per operation.
//!
//! Messages are in lower case without a full stop and never contain a session id, an attribute or any other input, so
//! that they can be logged and shown. An error that another one caused is found under
//! [`source`](core::error::Error::source) and is not repeated in the message.

mod attributes;
mod insert;

#[cfg(feature = "json")]
pub use attributes::{GetJsonError, SetJsonError};
pub use attributes::{IncrementError, SetIfError, TryUpdateError};
pub use insert::InsertError;

use core::error::Error;
use core::fmt;

/// Tells why a session could not be created. No session has come into being then.
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
    /// The store holds as many sessions as [`max_sessions`](crate::SessionConfig::max_sessions) allows.
    Full,
    /// Its principal has as many sessions as
    /// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal) allows.
    PrincipalFull,
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
    /// The operating system gave no random bytes for an id.
    Random(RandomError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(FULL),
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
            Self::Full | Self::PrincipalFull | Self::TooLarge { .. } | Self::TooManyAttributes { .. } => None,
        }
    }
}

impl From<RandomError> for CreateError {
    fn from(cause: RandomError) -> Self {
        Self::Random(cause)
    }
}

/// Tells why an attribute could not be set. The session's attributes are unchanged then.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionId, SessionStore, SetError};
///
/// let store = SessionStore::builder().build()?;
/// let unknown = SessionId::from_bytes([7; 32]);
/// assert_eq!(store.set(&unknown, "user", "ada"), Err(SetError::NotFound));
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// There is no session of this id: there never was, or it was deleted or evicted.
    NotFound,
    /// The session had been idle for too long; it has been removed.
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
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(NOT_FOUND),
            Self::Expired => f.write_str(EXPIRED),
            Self::TooLarge { size, limit } => too_large(f, *size, *limit),
            Self::TooManyAttributes { count, limit } => too_many(f, *count, *limit),
        }
    }
}

impl Error for SetError {}

/// Tells why a session could not be changed. It is as it was then.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionId, SessionStore, Timeouts, UpdateError};
///
/// let store = SessionStore::default();
/// let unknown = SessionId::from_bytes([7; 32]);
/// assert_eq!(store.set_timeouts(&unknown, Timeouts::default()), Err(UpdateError::NotFound));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => NOT_FOUND,
            Self::Expired => EXPIRED,
        })
    }
}

impl Error for UpdateError {}

/// Tells why a session could not be given another id. It is as it was then.
///
/// # Examples
///
/// ```
/// use cloakroom::{RotateError, SessionId, SessionStore};
///
/// let store = SessionStore::default();
/// let unknown = SessionId::from_bytes([7; 32]);
/// assert_eq!(store.rotate_id(&unknown), Err(RotateError::NotFound));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotateError {
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated
    /// before.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The operating system gave no random bytes for an id.
    Random(RandomError),
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => NOT_FOUND,
            Self::Expired => EXPIRED,
            Self::Random(_) => NO_ID,
        })
    }
}

impl Error for RotateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random(cause) => Some(cause),
            Self::NotFound | Self::Expired => None,
        }
    }
}

/// Tells why a session could not be bound to a principal. It is as it was then.
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
    /// There is no session of this id: there never was, or it was deleted or evicted, or its id has been rotated
    /// before.
    NotFound,
    /// The session had expired; it has been removed.
    Expired,
    /// The principal has as many sessions as
    /// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal) allows.
    PrincipalFull,
    /// The session is bound to another principal: what it holds is not for this one.
    /// [`login`](crate::SessionStore::login) ends it and begins a new one.
    OtherPrincipal,
    /// The operating system gave no random bytes for an id.
    Random(RandomError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => NOT_FOUND,
            Self::Expired => EXPIRED,
            Self::PrincipalFull => PRINCIPAL_FULL,
            Self::OtherPrincipal => "the session is bound to another principal",
            Self::Random(_) => NO_ID,
        })
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random(cause) => Some(cause),
            Self::NotFound | Self::Expired | Self::PrincipalFull | Self::OtherPrincipal => None,
        }
    }
}

const FULL: &str = "the store has no room for another session";
const PRINCIPAL_FULL: &str = "the principal has no room for another session";
const NOT_FOUND: &str = "session not found";
const EXPIRED: &str = "session expired";
const NO_ID: &str = "no session id could be made";

fn too_large(f: &mut fmt::Formatter<'_>, size: usize, limit: usize) -> fmt::Result {
    write!(f, "attributes of {size} bytes are over the limit of {limit} for a session")
}

fn too_many(f: &mut fmt::Formatter<'_>, count: usize, limit: usize) -> fmt::Result {
    write!(f, "a number of {count} attributes is over the limit of {limit} for a session")
}

/// Tells why a store could not be built from its settings.
///
/// # Examples
///
/// ```
/// use cloakroom::{ConfigError, SessionStore};
///
/// let refused = SessionStore::builder().cookie_name("session id").build();
/// assert!(matches!(refused, Err(ConfigError::CookieName(_))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name of the cookie is not one.
    CookieName(CookieNameError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CookieName(_) => f.write_str("invalid cookie name"),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::CookieName(cause) => Some(cause),
        }
    }
}

impl From<CookieNameError> for ConfigError {
    fn from(cause: CookieNameError) -> Self {
        Self::CookieName(cause)
    }
}

/// Says that a text is not a session id: 64 hex digits and nothing else.
///
/// It does not say where the text went wrong, and does not contain it: what was nearly an id may be somebody's secret.
///
/// # Examples
///
/// ```
/// use cloakroom::{ParseIdError, SessionId};
///
/// assert_eq!("c0ffee".parse::<SessionId>(), Err("".parse::<SessionId>().unwrap_err()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session id is 64 hex digits and nothing else")
    }
}

impl Error for ParseIdError {}

/// Says that a text is not a [`CookieName`](crate::CookieName).
///
/// # Examples
///
/// ```
/// use cloakroom::CookieName;
///
/// let refused = CookieName::try_from("a=b").unwrap_err();
/// assert!(refused.to_string().contains("token"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CookieNameError;

impl fmt::Display for CookieNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cookie name is a token (RFC 6265) of 1 to 256 bytes")
    }
}

impl Error for CookieNameError {}

/// Says that the operating system gave no random bytes, or gave 32 bytes that are the id of a live session already.
///
/// That does not happen on a healthy system; a process that is not allowed the system call, or finds neither it nor the
/// device file, may see it. What the system said is the [`source`](Error::source).
///
/// # Examples
///
/// ```
/// use cloakroom::{CreateError, SessionStore};
///
/// let store = SessionStore::builder().build()?;
/// match store.create() {
///     Ok(id) => assert!(store.exists(&id)),
///     Err(CreateError::Random(error)) => eprintln!("answering 503: {error}"),
///     Err(other) => panic!("{other}"),
/// }
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RandomError(getrandom::Error);

impl RandomError {
    /// The operating system gave 32 bytes that it has given before: it has no random bytes.
    pub(crate) const REPEATED: Self = Self(getrandom::Error::new_custom(0));

    pub(crate) const fn new(cause: getrandom::Error) -> Self {
        Self(cause)
    }
}

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes from the operating system")
    }
}

impl Error for RandomError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn random_error() -> RandomError {
        RandomError::new(getrandom::Error::UNSUPPORTED)
    }

    fn all() -> Vec<Box<dyn Error + Send + Sync>> {
        vec![
            Box::new(CreateError::Full),
            Box::new(CreateError::TooLarge { size: 23, limit: 16 }),
            Box::new(CreateError::TooManyAttributes { count: 23, limit: 16 }),
            Box::new(CreateError::Random(random_error())),
            Box::new(InsertError::Occupied),
            Box::new(InsertError::Full),
            Box::new(SetError::NotFound),
            Box::new(SetError::Expired),
            Box::new(SetError::TooLarge { size: 23, limit: 16 }),
            Box::new(SetError::TooManyAttributes { count: 23, limit: 16 }),
            Box::new(UpdateError::NotFound),
            Box::new(UpdateError::Expired),
            Box::new(RotateError::Random(random_error())),
            Box::new(SetIfError::Changed),
            Box::new(SetIfError::TooLarge { size: 23, limit: 16 }),
            Box::new(SetIfError::TooManyAttributes { count: 23, limit: 16 }),
            Box::new(IncrementError::NotANumber),
            Box::new(IncrementError::Overflow),
            Box::new(TryUpdateError::Abandoned(random_error())),
            Box::new(ConfigError::CookieName(CookieNameError)),
            Box::new(ParseIdError),
            Box::new(CookieNameError),
            Box::new(random_error()),
        ]
    }

    #[test]
    fn messages_start_in_lower_case_and_end_without_a_full_stop() {
        for error in all() {
            let message = error.to_string();
            assert!(message.starts_with(|c: char| c.is_ascii_lowercase()), "{message}");
            assert!(message.ends_with(|c: char| c.is_ascii_alphanumeric() || c == ')'), "{message}");
        }
    }

    #[test]
    fn a_message_does_not_repeat_its_source() {
        for error in all() {
            if let Some(source) = error.source() {
                assert!(!error.to_string().contains(&source.to_string()), "{error}");
            }
        }
    }

    #[test]
    fn sizes_are_in_the_message() {
        let message = SetError::TooLarge { size: 23, limit: 16 }.to_string();
        assert_eq!(message, "attributes of 23 bytes are over the limit of 16 for a session");
        assert_eq!(message, CreateError::TooLarge { size: 23, limit: 16 }.to_string());
        let message = SetError::TooManyAttributes { count: 23, limit: 16 }.to_string();
        assert_eq!(message, "a number of 23 attributes is over the limit of 16 for a session");
        assert_eq!(message, CreateError::TooManyAttributes { count: 23, limit: 16 }.to_string());
    }

    #[test]
    fn what_the_system_said_is_at_the_end_of_the_chain() {
        let error = CreateError::from(random_error());
        let random = error.source().expect("the randomness");
        assert!(random.is::<RandomError>());
        let system = random.source().expect("the system");
        assert_eq!(system.downcast_ref(), Some(&getrandom::Error::UNSUPPORTED));
    }

    #[test]
    fn a_refused_cookie_name_is_the_source_of_the_refused_configuration() {
        let error = ConfigError::from(CookieNameError);
        assert!(error.source().is_some_and(|source| source.is::<CookieNameError>()));
        assert!(CreateError::Full.source().is_none());
    }
}
