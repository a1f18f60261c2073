//! Errors of settings, of texts that are not ids, and of the random source.

use core::error::Error;
use core::fmt;

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
    /// The text is not a cookie name.
    CookieName(CookieNameError),
    /// The listener of [`on_removal_with`](crate::SessionStoreBuilder::on_removal_with) is for sessions with another
    /// type of content.
    Listener,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CookieName(_) => f.write_str("invalid cookie name"),
            Self::Listener => f.write_str("the removal listener is for sessions with another type of content"),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::CookieName(cause) => Some(cause),
            Self::Listener => None,
        }
    }
}

impl From<CookieNameError> for ConfigError {
    fn from(cause: CookieNameError) -> Self {
        Self::CookieName(cause)
    }
}

/// Tells that a text is not a session id: 64 hex digits and nothing else.
///
/// The error contains neither the text nor the position of the mistake, because a text that is nearly an id may be
/// somebody's secret.
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

/// Tells that a text is not a [`CookieName`](crate::CookieName).
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

/// Tells that the operating system gave no random bytes, or gave 32 bytes that are the id of a live session.
///
/// A healthy system does not do that. It can happen to a process that is not allowed the system call, or finds neither
/// the system call nor the device file. The system's error is the [`source`](Error::source).
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
    /// The operating system gave the same 32 bytes twice, so they are not random.
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
