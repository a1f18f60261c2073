//! Events for `tracing`, behind the feature of that name. Without the feature they compile to nothing.
//!
//! | level | event | fields |
//! |---|---|---|
//! | `INFO` | `sessions restored` | `sessions`, `expired`, `refused`, `clean`, `seconds` |
//! | `INFO` | `sessions closed` | `seconds` |
//! | `ERROR` | `sessions closed, not all of them are on disk` | `seconds` |
//! | `ERROR` | `disk fails` | `kind`, `unwritten`. Once for all attempts until one succeeds |
//! | `INFO` | `disk works again` | `seconds` for which it has failed |
//! | `ERROR` | `record is damaged` | `policy`: `refuse`, `begin_anew`, `restore_anyway` |
//! | `DEBUG` | `commit` | `sessions`, `seconds` |
//!
//! The target is `cloakroom_persist`. No event has an id, a principal or an attribute.

#[cfg(feature = "tracing")]
pub(crate) use events::{closed, committed, damaged, failing, recovered, restored};
#[cfg(not(feature = "tracing"))]
pub(crate) use silence::{closed, committed, damaged, failing, recovered, restored};

#[cfg(feature = "tracing")]
mod events {
    use crate::options::WhenDamaged;
    use std::io;
    use std::time::Duration;
    use tracing::{debug, error, info};

    const TARGET: &str = "cloakroom_persist";

    pub(crate) fn restored(sessions: u64, expired: u64, refused: u64, clean: bool, took: Duration) {
        let seconds = took.as_secs_f64();
        info!(target: TARGET, sessions, expired, refused, clean, seconds, "sessions restored");
    }

    pub(crate) fn closed(all: bool, took: Duration) {
        let seconds = took.as_secs_f64();
        if all {
            info!(target: TARGET, seconds, "sessions closed");
        } else {
            error!(target: TARGET, seconds, "sessions closed, not all of them are on disk");
        }
    }

    pub(crate) fn failing(kind: io::ErrorKind, unwritten: usize) {
        error!(target: TARGET, %kind, unwritten, "disk fails");
    }

    pub(crate) fn recovered(after: Duration) {
        info!(target: TARGET, seconds = after.as_secs_f64(), "disk works again");
    }

    pub(crate) fn damaged(policy: WhenDamaged) {
        let policy = match policy {
            WhenDamaged::Refuse => "refuse",
            WhenDamaged::BeginAnew => "begin_anew",
            WhenDamaged::RestoreAnyway => "restore_anyway",
        };
        error!(target: TARGET, policy, "record is damaged");
    }

    pub(crate) fn committed(sessions: usize, took: Duration) {
        debug!(target: TARGET, sessions, seconds = took.as_secs_f64(), "commit");
    }
}

#[cfg(not(feature = "tracing"))]
mod silence {
    use crate::options::WhenDamaged;
    use std::io;
    use std::time::Duration;

    pub(crate) fn restored(_sessions: u64, _expired: u64, _refused: u64, _clean: bool, _took: Duration) {}
    pub(crate) fn closed(_all: bool, _took: Duration) {}
    pub(crate) fn failing(_kind: io::ErrorKind, _unwritten: usize) {}
    pub(crate) fn recovered(_after: Duration) {}
    pub(crate) fn damaged(_policy: WhenDamaged) {}
    pub(crate) fn committed(_sessions: usize, _took: Duration) {}
}
