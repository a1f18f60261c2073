//! Export of the figures of the disk to the `metrics` facade.

use crate::commits::SECONDS;
use crate::persistence::Persistence;
use cloakroom_codec::Kept;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

const COMMITS: &str = "cloakroom_persist_commits_total";
const FAILURES: &str = "cloakroom_persist_failures_total";
const FAILING: &str = "cloakroom_persist_failing_seconds";
const UNWRITTEN: &str = "cloakroom_persist_unwritten_sessions";
const RESTORED: &str = "cloakroom_persist_restored_sessions";

fn describe() {
    describe_counter!(COMMITS, Unit::Count, "Commits since the directory was made.");
    describe_histogram!(SECONDS, Unit::Seconds, "The time that a commit took.");
    describe_counter!(FAILURES, Unit::Count, "Attempts to write that have failed.");
    describe_gauge!(FAILING, Unit::Seconds, "For how long writing has failed, 0 if the last attempt succeeded.");
    describe_gauge!(UNWRITTEN, Unit::Count, "Sessions that wait to be written.");
    describe_gauge!(RESTORED, Unit::Count, "What became of the sessions in the directory when it was opened.");
}

impl<T: Kept + ?Sized> Persistence<T> {
    /// Reports the figures of [`health`](Self::health) and [`restored`](Self::restored) to the recorder of the
    /// [`metrics`](https://docs.rs/metrics) facade. Call it as often as the recorder is read.
    ///
    /// | name | kind | further label |
    /// |---|---|---|
    /// | `cloakroom_persist_commits_total` | counter | |
    /// | `cloakroom_persist_commit_seconds` | histogram, to which each commit is added when it is done | |
    /// | `cloakroom_persist_failures_total` | counter | |
    /// | `cloakroom_persist_failing_seconds` | gauge | |
    /// | `cloakroom_persist_unwritten_sessions` | gauge | |
    /// | `cloakroom_persist_restored_sessions` | gauge | `outcome`: `restored`, `expired`, `refused` |
    ///
    /// Each metric has the label `store`, which is the name of the store's cookie.
    /// [`SessionStore::export_metrics`](cloakroom::SessionStore::export_metrics) reports the figures of the store.
    ///
    /// Needs the feature `metrics`. May block for an instant; allocates the labels.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_persist::{Options, Persistence};
    /// # let tmp = tempfile::tempdir()?;
    /// let sessions = Persistence::open(tmp.path().join("sessions"), Options::new())?;
    /// // With a recorder installed, for example by `metrics_exporter_prometheus`:
    /// sessions.export_metrics();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export_metrics(&self) {
        describe();
        let (health, restored, store) = (self.health(), self.restored(), self.store().cookie_name().to_owned());
        counter!(COMMITS, "store" => store.clone()).absolute(health.commits);
        counter!(FAILURES, "store" => store.clone()).absolute(self.failures());
        let failing = health.failing.map_or(0.0, |(time, _)| time.as_secs_f64());
        gauge!(FAILING, "store" => store.clone()).set(failing);
        gauge!(UNWRITTEN, "store" => store.clone()).set(health.unwritten as f64);
        let outcomes = [("restored", restored.sessions), ("expired", restored.expired), ("refused", restored.refused)];
        for (outcome, sessions) in outcomes {
            gauge!(RESTORED, "store" => store.clone(), "outcome" => outcome).set(sessions as f64);
        }
    }
}
