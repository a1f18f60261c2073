//! What the writing thread tells the `metrics` facade, and `tracing`, of each commit.

use crate::trace;
use std::time::Duration;

#[cfg(feature = "metrics")]
pub(crate) const SECONDS: &str = "cloakroom_persist_commit_seconds";

/// Reports a commit of so many sessions of the store with this name. On the writing thread, so only a recorder and a
/// subscriber of the whole process hear of it.
#[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "the metric has the store's name"))]
pub(crate) fn committed(store: &str, sessions: usize, took: Duration) {
    trace::committed(sessions, took);
    #[cfg(feature = "metrics")]
    metrics::histogram!(SECONDS, "store" => store.to_owned()).record(took.as_secs_f64());
}
