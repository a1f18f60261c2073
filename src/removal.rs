//! Why a session is gone.

#![deny(unsafe_code)]

use crate::expiry::Expiry;

/// Tells why a session has ended, or why an id has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalCause {
    /// It was not used for longer than its idle timeout.
    IdleTimeout,
    /// It was older than its absolute timeout.
    AbsoluteTimeout,
    /// It was deleted by its id, or by a condition that it met, or another principal has logged in to it
    /// ([`login`](crate::SessionStore#method.login)).
    Deleted,
    /// The session lives on under another id.
    Rotated,
    /// It made room for another one, at [`max_sessions`](crate::SessionConfig::max_sessions).
    Capacity,
    /// All sessions of its principal were ended, or all but another one.
    Principal,
    /// It made room for another session of its principal, at
    /// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal).
    PrincipalLimit,
}

impl From<Expiry> for RemovalCause {
    fn from(limit: Expiry) -> Self {
        match limit {
            Expiry::Idle => Self::IdleTimeout,
            Expiry::Absolute => Self::AbsoluteTimeout,
        }
    }
}

impl RemovalCause {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;

    /// All of them, in the order of their declaration.
    #[cfg_attr(loom, allow(dead_code, reason = "the models ask for no figures"))]
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::IdleTimeout,
        Self::AbsoluteTimeout,
        Self::Deleted,
        Self::Rotated,
        Self::Capacity,
        Self::Principal,
        Self::PrincipalLimit,
    ];

    /// The name by which it is exported.
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
        }
    }
}
