//! The errors: one small type for each kind of operation.
//!
//! "There is no such session" has one type, [`MissingError`]. The error of every operation on an existing session is
//! that type or has a variant `Missing` that holds it, so a handler that answers 401 matches `Missing(_)`.
//!
//! Messages are in lower case without a full stop and never contain a session id, an attribute or any other input, so
//! they can be logged and shown. If one error caused another, the cause is the [`source`](core::error::Error::source)
//! and the message does not repeat it. A variant that wraps another error of this module (`Missing`, `Set`) has the
//! message and the source of that error.

mod change;
mod cookie;
mod create;
mod input;
#[cfg(feature = "json")]
mod json;
mod reserve;
mod rotate;

pub use change::{IncrementError, SetError, SetIfError, TryUpdateError};
pub use cookie::SessionCookieError;
pub use create::{CreateError, ImportError, InsertError};
pub use input::{ConfigError, CookieNameError, ParseIdError, RandomError};
#[cfg(feature = "json")]
pub use json::{GetJsonError, SetJsonError};
pub use reserve::{FulfilError, ReserveError};
pub use rotate::{BindError, RotateError};

use core::error::Error;
use core::fmt;

/// Tells that there is no such session. The operation has changed nothing.
///
/// A server answers all variants alike: do not tell a visitor which it was.
///
/// # Examples
///
/// ```
/// use cloakroom::{MissingError, SessionId, SessionStore, SetError};
///
/// let store = SessionStore::default();
/// let unknown = SessionId::from_bytes([7; 32]);
/// assert_eq!(store.remove(&unknown, "role"), Err(MissingError::NotFound));
///
/// // The status of a handler's answer.
/// let status = match store.set(&unknown, "role", "admin") {
///     Ok(()) => 200,
///     Err(SetError::Missing(_)) => 401,
///     Err(_) => 413,
/// };
/// assert_eq!(status, 401);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingError {
    /// No session has this id: none ever had, or the session was deleted or evicted, or its id was replaced.
    NotFound,
    /// The session had expired. This operation has ended it, so the next one returns [`NotFound`](Self::NotFound).
    Expired,
    /// A rotation or a login has replaced this id a short while ago
    /// ([`remember_replaced`](crate::SessionConfig#structfield.remember_replaced)). A request that was under way
    /// meanwhile brings it, or somebody replays an id that is not theirs. Only
    /// [`lookup`](crate::SessionStore::lookup) tells; other operations return [`NotFound`](Self::NotFound).
    Replaced,
    /// The session was [logged out](crate::SessionStore::log_out) a short while ago. Only
    /// [`lookup`](crate::SessionStore::lookup) tells, as above.
    LoggedOut,
}

impl fmt::Display for MissingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "session not found",
            Self::Expired => "session expired",
            Self::Replaced => "session id replaced by another one",
            Self::LoggedOut => "session logged out",
        })
    }
}

impl Error for MissingError {}

const FULL: &str = "the store has no room for another session";
const BYTES_FULL: &str = "the store has no room for so many bytes";
const PRINCIPAL_FULL: &str = "the principal has no room for another session";
const NO_ID: &str = "no session id could be made";

fn too_large(f: &mut fmt::Formatter<'_>, size: usize, limit: usize) -> fmt::Result {
    write!(f, "attributes of {size} bytes exceed the limit of {limit} for a session")
}

fn too_many(f: &mut fmt::Formatter<'_>, count: usize, limit: usize) -> fmt::Result {
    write!(f, "{count} attributes exceed the limit of {limit} for a session")
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
            Box::new(CreateError::BytesFull),
            Box::new(CreateError::TooLarge { size: 23, limit: 16 }),
            Box::new(CreateError::TooManyAttributes { count: 23, limit: 16 }),
            Box::new(CreateError::Random(random_error())),
            Box::new(ImportError::Expired),
            Box::new(ImportError::PrincipalFull),
            Box::new(InsertError::Occupied),
            Box::new(InsertError::Full),
            Box::new(ReserveError::Occupied),
            Box::new(ReserveError::Reserved),
            Box::new(ReserveError::Barred),
            Box::new(ReserveError::Full),
            Box::new(FulfilError::Ended),
            Box::new(FulfilError::Full),
            Box::new(FulfilError::BytesFull),
            Box::new(FulfilError::TooLarge { size: 23, limit: 16 }),
            Box::new(FulfilError::TooManyAttributes { count: 23, limit: 16 }),
            Box::new(InsertError::BytesFull),
            Box::new(MissingError::NotFound),
            Box::new(MissingError::Expired),
            Box::new(MissingError::Replaced),
            Box::new(MissingError::LoggedOut),
            Box::new(SetError::Missing(MissingError::NotFound)),
            Box::new(SetError::BytesFull),
            Box::new(SetError::TooLarge { size: 23, limit: 16 }),
            Box::new(SetError::TooManyAttributes { count: 23, limit: 16 }),
            Box::new(RotateError::Missing(MissingError::Expired)),
            Box::new(RotateError::BytesFull),
            Box::new(RotateError::Random(random_error())),
            Box::new(BindError::Missing(MissingError::Expired)),
            Box::new(BindError::PrincipalFull),
            Box::new(BindError::BytesFull),
            Box::new(BindError::OtherPrincipal),
            Box::new(BindError::Random(random_error())),
            Box::new(SetIfError::Changed),
            Box::new(SetIfError::Set(SetError::TooLarge { size: 23, limit: 16 })),
            Box::new(IncrementError::NotANumber),
            Box::new(IncrementError::Overflow),
            Box::new(IncrementError::Set(SetError::Missing(MissingError::Expired))),
            Box::new(TryUpdateError::Abandoned(random_error())),
            Box::new(TryUpdateError::<RandomError>::Set(SetError::TooManyAttributes { count: 23, limit: 16 })),
            Box::new(ConfigError::CookieName(CookieNameError)),
            Box::new(ParseIdError),
            Box::new(CookieNameError),
            Box::new(random_error()),
        ]
    }

    #[test]
    fn messages_do_not_start_in_upper_case_and_end_without_a_full_stop() {
        for error in all() {
            let message = error.to_string();
            assert!(!message.starts_with(|c: char| c.is_ascii_uppercase()), "{message}");
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
        assert_eq!(message, "attributes of 23 bytes exceed the limit of 16 for a session");
        assert_eq!(message, CreateError::TooLarge { size: 23, limit: 16 }.to_string());
        let message = SetError::TooManyAttributes { count: 23, limit: 16 }.to_string();
        assert_eq!(message, "23 attributes exceed the limit of 16 for a session");
        assert_eq!(message, CreateError::TooManyAttributes { count: 23, limit: 16 }.to_string());
    }

    #[test]
    fn the_systems_error_is_at_the_end_of_the_chain() {
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

    #[test]
    fn a_wrapping_variant_has_the_message_of_the_error_in_it() {
        let missing = MissingError::Expired;
        let wrapped: [Box<dyn Error>; 6] = [
            Box::new(SetError::from(missing)),
            Box::new(SetIfError::from(missing)),
            Box::new(IncrementError::from(missing)),
            Box::new(TryUpdateError::<RandomError>::from(missing)),
            Box::new(RotateError::from(missing)),
            Box::new(BindError::from(missing)),
        ];
        for error in wrapped {
            assert_eq!(error.to_string(), missing.to_string());
            assert!(error.source().is_none());
        }
    }
}
