//! The causes for which a session or an id ends.

use crate::expiry::Expiry;

/// Tells why a session or an id has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalCause {
    /// It was idle for longer than its idle timeout.
    IdleTimeout,
    /// It was older than its absolute timeout.
    AbsoluteTimeout,
    /// All sessions of the store were ended ([`end_all`](crate::SessionStore::end_all)).
    EndAll,
    /// It was deleted, by its id or by a condition, or another principal has logged in to it
    /// ([`login`](crate::SessionStore#method.login)).
    Deleted,
    /// The id was rotated: the session lives on under another id.
    Rotated,
    /// It was ended to make room for another session, at [`max_sessions`](crate::SessionConfig::max_sessions).
    Capacity,
    /// All sessions of its principal were ended, or all except another one.
    Principal,
    /// It was ended to make room for another session of its principal, at
    /// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal).
    PrincipalLimit,
}

impl From<Expiry> for RemovalCause {
    fn from(limit: Expiry) -> Self {
        match limit {
            Expiry::Idle => Self::IdleTimeout,
            Expiry::Absolute => Self::AbsoluteTimeout,
            Expiry::Era => Self::EndAll,
        }
    }
}

impl RemovalCause {
    /// The number of causes.
    pub(crate) const COUNT: usize = 8;

    /// All causes, in the order of their declaration.
    #[cfg_attr(loom, allow(dead_code, reason = "the models ask for no figures"))]
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::IdleTimeout,
        Self::AbsoluteTimeout,
        Self::EndAll,
        Self::Deleted,
        Self::Rotated,
        Self::Capacity,
        Self::Principal,
        Self::PrincipalLimit,
    ];

    /// The name of the cause in metrics and events.
    #[allow(dead_code, reason = "for the features `metrics` and `tracing`")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::AbsoluteTimeout => "absolute_timeout",
            Self::Deleted => "deleted",
            Self::Rotated => "rotated",
            Self::Capacity => "capacity",
            Self::Principal => "principal",
            Self::PrincipalLimit => "principal_limit",
            Self::EndAll => "end_all",
        }
    }
}
