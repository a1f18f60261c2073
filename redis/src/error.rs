//! The errors.

use cloakroom::{ConfigError, IncrementError, MissingError, RandomError, SetError};
use core::error::Error;
use core::fmt;
use std::io;

/// Tells what the engine has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The user or the password is wrong, or the user may not run a command or use a key.
    Permission,
    /// Its memory is full (`OOM`).
    Memory,
    /// It does not take writes: it cannot save, or has too few replicas.
    ReadOnly,
    /// A record under a key of this store is not one: another version of this crate has written it, it holds another
    /// type of value, or something else uses the prefix.
    Record,
    /// Any other error.
    Other,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permission => "the engine denies permission",
            Self::Memory => "the engine has no memory left",
            Self::ReadOnly => "the engine takes no writes",
            Self::Record => "a record of the engine cannot be read",
            Self::Other => "the engine has refused a command",
        })
    }
}

impl Error for EngineError {}

/// Tells why an operation on shared sessions failed.
///
/// **There is no session** and **the engine is away** are different things: a server answers 401 to the first, or
/// begins a new session, and 503 to the second, and leaves the cookie alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedError {
    /// There is no such session.
    Missing(MissingError),
    /// The engine does not answer, and nothing has changed.
    Away,
    /// The connection was lost, or the time was over, before the engine has confirmed a change: it has happened, or it
    /// has not, or it happens yet.
    Unknown,
    /// The session is dead on this server. The engine has not confirmed its end yet, and is told until it does.
    Unconfirmed,
    /// The attributes are too large or too many. Nothing has changed.
    Set(SetError),
    /// The attribute could not be added to. Nothing has changed.
    Increment(IncrementError),
    /// The principal has as many sessions as
    /// [`max_sessions_per_principal`](cloakroom::SessionConfig#structfield.max_sessions_per_principal) allows.
    PrincipalFull,
    /// The session is bound to another principal.
    OtherPrincipal,
    /// The session was changed at the same time. Nothing has changed. (Most operations try again instead.)
    Changed,
    /// The operating system gave no random bytes for an id.
    Random,
    /// The engine has refused. Nothing has changed.
    Engine(EngineError),
}

impl SharedError {
    /// Returns whether there is no such session: 401, or a new session.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Set(SetError::Missing(_)))
    }

    /// Returns whether the engine could not be asked, or has not answered: 503, and the cookie stays.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away | Self::Unknown | Self::Unconfirmed | Self::Engine(_))
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing(missing) => return missing.fmt(f),
            Self::Set(error) => return error.fmt(f),
            Self::Increment(error) => return error.fmt(f),
            Self::Engine(error) => return error.fmt(f),
            Self::Away => "the engine is away",
            Self::Unknown => "the engine has not confirmed the change",
            Self::Unconfirmed => "in effect on this server, but not confirmed by the engine yet",
            Self::PrincipalFull => "the principal has no room for another session",
            Self::OtherPrincipal => "the session is bound to another principal",
            Self::Changed => "the session was changed at the same time",
            Self::Random => "no session id could be made",
        })
    }
}

impl Error for SharedError {}

impl From<MissingError> for SharedError {
    fn from(missing: MissingError) -> Self {
        Self::Missing(missing)
    }
}

impl From<SetError> for SharedError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::Missing(missing) => Self::Missing(missing),
            error => Self::Set(error),
        }
    }
}

impl From<RandomError> for SharedError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// Tells why a conditional update has changed nothing, or may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryUpdateError<E> {
    /// The closure has returned this error. Nothing has changed.
    Abandoned(E),
    /// The session could not be changed.
    Shared(SharedError),
}

impl<E: fmt::Display> fmt::Display for TryUpdateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned(_) => f.write_str("the update was abandoned"),
            Self::Shared(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TryUpdateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Abandoned(error) => Some(error),
            Self::Shared(_) => None,
        }
    }
}

impl<E> From<SharedError> for TryUpdateError<E> {
    fn from(error: SharedError) -> Self {
        Self::Shared(error)
    }
}

/// Tells why a store could not be connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be read. The text says which part of it.
    Url(&'static str),
    /// The settings of the sessions are wrong.
    Config(ConfigError),
    /// The bound of staleness is zero, or longer than an eighth of an hour.
    Staleness,
    /// No server could be reached in time.
    Io(io::Error),
    /// The sentinels know no primary of this name.
    NoPrimary,
    /// The user or the password is wrong, or the user may not run a command.
    Permission,
    /// The server is part of a cluster, which this crate does not support.
    Cluster,
    /// The server is too old: Redis before 7, or Valkey before 8.
    Version,
    /// The server evicts keys when its memory is full, and could so revoke sessions, or forget that they were revoked:
    /// set its `maxmemory-policy` to `noeviction`.
    Eviction,
    /// The server does not speak the protocol.
    Protocol,
    /// There is no TLS with the server: the text says whether its certificate or one of the settings is wrong.
    Tls(&'static str),
}

impl ConnectError {
    /// Names what is wrong with an engine that was reached.
    pub(crate) const fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoPrimary => "no_primary",
            Self::Permission => "permission",
            Self::Cluster => "cluster",
            Self::Version => "version",
            Self::Eviction => "eviction",
            Self::Protocol => "protocol",
            Self::Tls(_) => "tls",
            Self::Url(_) => "url",
            Self::Config(_) | Self::Staleness | Self::Io(_) => return None,
        })
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(part) => write!(f, "the address cannot be read: {part}"),
            Self::Config(error) => error.fmt(f),
            Self::Staleness => f.write_str("the bound of staleness is out of range"),
            Self::Io(_) => f.write_str("the engine cannot be reached"),
            Self::NoPrimary => f.write_str("the sentinels know no primary of this name"),
            Self::Permission => f.write_str("the engine denies permission"),
            Self::Cluster => f.write_str("a cluster is not supported"),
            Self::Version => f.write_str("the engine is too old: it has to be Redis 7, Valkey 8 or later"),
            Self::Eviction => f.write_str("the engine evicts keys: its maxmemory-policy has to be noeviction"),
            Self::Protocol => f.write_str("the server does not speak the protocol of Redis"),
            Self::Tls(what) => write!(f, "no TLS with the engine: {what}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Config(error) => error.source(),
            _ => None,
        }
    }
}

impl From<ConfigError> for ConnectError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
