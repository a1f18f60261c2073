//! Export of a store's figures to the `metrics` facade.

use super::SessionStore;
use crate::content::Content;
use crate::events::RemovalCause;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const SESSIONS: &str = "cloakroom_sessions";
const CREATED: &str = "cloakroom_sessions_created_total";
const REMOVED: &str = "cloakroom_sessions_removed_total";
const REJECTED: &str = "cloakroom_sessions_rejected_total";
const CHANGES_REJECTED: &str = "cloakroom_session_changes_rejected_total";
const COUNTED_BYTES: &str = "cloakroom_counted_bytes";
const REPLAYS: &str = "cloakroom_replays_total";
const REMEMBERED: &str = "cloakroom_remembered_ids";
const BYTES: &str = "cloakroom_session_bytes";
const RETIRED_BYTES: &str = "cloakroom_retired_bytes";
const SLOTS: &str = "cloakroom_table_slots";
const LOAD: &str = "cloakroom_table_load_ratio";
const STEPS: &str = "cloakroom_table_growth_steps_total";
const PROBE: &str = "cloakroom_table_longest_probe";

fn describe() {
    describe_gauge!(
        SESSIONS,
        Unit::Count,
        "Sessions in the store, including expired sessions that are not removed yet."
    );
    describe_counter!(CREATED, Unit::Count, "Sessions created.");
    describe_counter!(REMOVED, Unit::Count, "Sessions ended, by cause; for the cause rotated, ids ended.");
    describe_counter!(REJECTED, Unit::Count, "Creations refused, by reason.");
    describe_counter!(REPLAYS, Unit::Count, "Look-ups of ids that were replaced or logged out.");
    describe_gauge!(REMEMBERED, Unit::Count, "Replaced and logged-out ids that the store remembers.");
    describe_gauge!(BYTES, Unit::Bytes, "Bytes that the sessions take.");
    describe_counter!(CHANGES_REJECTED, Unit::Count, "Changes of sessions refused, because of the limit in bytes.");
    describe_gauge!(COUNTED_BYTES, Unit::Bytes, "Bytes that count against the limit in bytes, 0 if there is none.");
    let retired = "Bytes of ended and replaced entries that are not freed yet, of all stores of the process.";
    describe_gauge!(RETIRED_BYTES, Unit::Bytes, retired);
    describe_gauge!(SLOTS, Unit::Count, "Slots of the table.");
    describe_gauge!(LOAD, "Fraction of the table's slots that are taken, 0 to 1.");
    describe_counter!(STEPS, Unit::Count, "Times that a shard moved to another array.");
    describe_gauge!(PROBE, Unit::Count, "Most slots tried to find a place for a session.");
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Reports the figures of [`stats`](Self::stats) to the recorder of the [`metrics`](https://docs.rs/metrics)
    /// facade. A [`Sweeper`](crate::Sweeper) calls this after each of its rounds.
    ///
    /// | name | kind | further label |
    /// |---|---|---|
    /// | `cloakroom_sessions` | gauge | |
    /// | `cloakroom_sessions_created_total` | counter | |
    /// | `cloakroom_sessions_removed_total` | counter | `cause`: see below |
    /// | `cloakroom_sessions_rejected_total` | counter | `reason`: `full`, `bytes_full`, `principal_full`, `too_large`, `too_many_attributes`, `random` |
    /// | `cloakroom_session_changes_rejected_total` | counter | |
    /// | `cloakroom_replays_total` | counter | |
    /// | `cloakroom_remembered_ids` | gauge | |
    /// | `cloakroom_session_bytes` | gauge | |
    /// | `cloakroom_counted_bytes` | gauge | |
    /// | `cloakroom_retired_bytes` | gauge of the process, the same for each store | |
    /// | `cloakroom_table_slots` | gauge | |
    /// | `cloakroom_table_load_ratio` | gauge | |
    /// | `cloakroom_table_growth_steps_total` | counter | |
    /// | `cloakroom_table_longest_probe` | gauge | |
    ///
    /// The causes are those of [`RemovalCause`]: `idle_timeout`, `absolute_timeout`, `deleted`, `rotated`, `capacity`,
    /// `principal`, `principal_limit`, `end_all`.
    ///
    /// Each metric has the label `store`, which is the name of the store's cookie. Give the stores of one process
    /// different cookie names to tell them apart.
    ///
    /// Needs the feature `metrics`. The store's part is wait-free and allocates the labels. **May block** if the
    /// recorder does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// // With a recorder installed, for example by `metrics_exporter_prometheus`:
    /// store.export_metrics();
    /// ```
    pub fn export_metrics(&self) {
        describe();
        let (stats, store) = (self.stats(), self.cookie_name().to_owned());
        gauge!(SESSIONS, "store" => store.clone()).set(stats.live as f64);
        counter!(CREATED, "store" => store.clone()).absolute(stats.created);
        for cause in RemovalCause::ALL {
            counter!(REMOVED, "store" => store.clone(), "cause" => cause.name()).absolute(stats.removed(cause));
        }
        let rejected = [
            ("full", stats.rejected_full),
            ("bytes_full", stats.rejected_bytes_full),
            ("principal_full", stats.rejected_principal_full),
            ("too_large", stats.rejected_too_large),
            ("too_many_attributes", stats.rejected_too_many_attributes),
            ("random", stats.rejected_random),
        ];
        for (reason, count) in rejected {
            counter!(REJECTED, "store" => store.clone(), "reason" => reason).absolute(count);
        }
        counter!(CHANGES_REJECTED, "store" => store.clone()).absolute(stats.rejected_changes);
        counter!(REPLAYS, "store" => store.clone()).absolute(stats.replays);
        gauge!(REMEMBERED, "store" => store.clone()).set(stats.remembered as f64);
        gauge!(BYTES, "store" => store.clone()).set(stats.bytes as f64);
        gauge!(COUNTED_BYTES, "store" => store.clone()).set(stats.counted_bytes as f64);
        gauge!(RETIRED_BYTES, "store" => store.clone()).set(stats.retired_bytes as f64);
        gauge!(SLOTS, "store" => store.clone()).set(stats.slots as f64);
        gauge!(LOAD, "store" => store.clone()).set(stats.load());
        counter!(STEPS, "store" => store.clone()).absolute(stats.growth_steps);
        gauge!(PROBE, "store" => store).set(stats.longest_probe as f64);
    }
}
