//! Events for `tracing`, behind the feature of that name. Without the feature they compile to nothing.
//!
//! | level | event | fields |
//! |---|---|---|
//! | `INFO` | `engine is connected`, the first time | |
//! | `WARN` | `engine is away` | `reason`: `closed`, `no_answer`, `superseded`, `not_primary`, `protocol` |
//! | `INFO` | `engine is back` | `seconds` without a connection |
//! | `WARN` | `another primary`, which the sentinels name | |
//! | `ERROR` | `engine is refused`, once for each reason until one does | `reason`: `no_primary`, `permission`, `cluster`, `version`, `eviction`, `protocol`, `tls`, `url` |
//! | `ERROR` | `ends are not confirmed`, once until all are | `ends` |
//! | `INFO` | `ends are confirmed` | `ends`, `seconds` since the first was not confirmed in time |
//!
//! The target is `cloakroom_redis`. No event has an id, a principal, an attribute, or an address.

#[cfg(feature = "tracing")]
pub(crate) use events::{another_primary, away, back, confirmed, connected, refused, unconfirmed};
#[cfg(not(feature = "tracing"))]
pub(crate) use silence::{another_primary, away, back, confirmed, connected, refused, unconfirmed};

/// Why a connection is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    Closed,
    /// A command was not answered in time.
    NoAnswer,
    /// The sentinels name another primary.
    Superseded,
    /// The engine takes no writes any more, or has sent what nobody has asked for.
    NotPrimary,
    Protocol,
}

#[cfg(feature = "tracing")]
mod events {
    use super::Lost;
    use core::time::Duration;
    use tracing::{error, info, warn};

    const TARGET: &str = "cloakroom_redis";

    pub(crate) fn connected() {
        info!(target: TARGET, "engine is connected");
    }

    pub(crate) fn away(lost: Lost) {
        let reason = match lost {
            Lost::Closed => "closed",
            Lost::NoAnswer => "no_answer",
            Lost::Superseded => "superseded",
            Lost::NotPrimary => "not_primary",
            Lost::Protocol => "protocol",
        };
        warn!(target: TARGET, reason, "engine is away");
    }

    pub(crate) fn back(after: Duration) {
        info!(target: TARGET, seconds = after.as_secs_f64(), "engine is back");
    }

    pub(crate) fn another_primary() {
        warn!(target: TARGET, "another primary");
    }

    pub(crate) fn refused(reason: &'static str) {
        error!(target: TARGET, reason, "engine is refused");
    }

    pub(crate) fn unconfirmed(ends: u64) {
        error!(target: TARGET, ends, "ends are not confirmed");
    }

    pub(crate) fn confirmed(ends: u64, after: Duration) {
        info!(target: TARGET, ends, seconds = after.as_secs_f64(), "ends are confirmed");
    }
}

#[cfg(not(feature = "tracing"))]
mod silence {
    use super::Lost;
    use core::time::Duration;

    pub(crate) fn connected() {}
    pub(crate) fn away(_lost: Lost) {}
    pub(crate) fn back(_after: Duration) {}
    pub(crate) fn another_primary() {}
    pub(crate) fn refused(_reason: &'static str) {}
    pub(crate) fn unconfirmed(_ends: u64) {}
    pub(crate) fn confirmed(_ends: u64, _after: Duration) {}
}
