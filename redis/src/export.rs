//! Export of the figures of a store to the `metrics` facade.

use crate::Shared;
use crate::store::SharedStore;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const HITS: &str = "cloakroom_redis_hits_total";
const MISSES: &str = "cloakroom_redis_misses_total";
const FILLS: &str = "cloakroom_redis_fills_total";
const LATE_FILLS: &str = "cloakroom_redis_late_fills_total";
const INVALIDATIONS: &str = "cloakroom_redis_invalidations_total";
const FLUSHES: &str = "cloakroom_redis_flushes_total";
const REFUSALS: &str = "cloakroom_redis_refusals_total";
const CONNECTIONS: &str = "cloakroom_redis_connections_total";
const COMMANDS: &str = "cloakroom_redis_commands_total";
const UNCONFIRMED: &str = "cloakroom_redis_unconfirmed_ends";
const PING_AGE: &str = "cloakroom_redis_ping_age_seconds";
const NEAR: &str = "cloakroom_redis_near_sessions";

fn describe() {
    describe_counter!(HITS, Unit::Count, "Reads that were served from the near cache.");
    describe_counter!(MISSES, Unit::Count, "Reads for which the engine was asked.");
    describe_counter!(FILLS, Unit::Count, "Sessions that were put into the near cache.");
    describe_counter!(LATE_FILLS, Unit::Count, "Answers that came too late for the near cache.");
    describe_counter!(INVALIDATIONS, Unit::Count, "Keys that the engine has declared to have changed.");
    describe_counter!(FLUSHES, Unit::Count, "How often the whole near cache was given up.");
    describe_counter!(REFUSALS, Unit::Count, "Operations that failed because the engine was away or refused.");
    describe_counter!(CONNECTIONS, Unit::Count, "Connections to the engine that were made.");
    describe_counter!(COMMANDS, Unit::Count, "Commands that were sent to the engine.");
    describe_gauge!(UNCONFIRMED, Unit::Count, "Ends of sessions that the engine has not confirmed yet.");
    describe_gauge!(PING_AGE, Unit::Seconds, "The time since the last answered ping was sent.");
    describe_gauge!(NEAR, Unit::Count, "Sessions in the near cache.");
}

impl<T: Shared + ?Sized> SharedStore<T> {
    /// Reports the figures of [`health`](Self::health) to the recorder of the [`metrics`](https://docs.rs/metrics)
    /// facade. Call it as often as the recorder is read.
    ///
    /// | name | kind |
    /// |---|---|
    /// | `cloakroom_redis_hits_total` | counter |
    /// | `cloakroom_redis_misses_total` | counter |
    /// | `cloakroom_redis_fills_total` | counter |
    /// | `cloakroom_redis_late_fills_total` | counter |
    /// | `cloakroom_redis_invalidations_total` | counter |
    /// | `cloakroom_redis_flushes_total` | counter |
    /// | `cloakroom_redis_refusals_total` | counter |
    /// | `cloakroom_redis_connections_total` | counter |
    /// | `cloakroom_redis_commands_total` | counter |
    /// | `cloakroom_redis_unconfirmed_ends` | gauge |
    /// | `cloakroom_redis_ping_age_seconds` | gauge. The engine is away if it is more than the bound of staleness |
    /// | `cloakroom_redis_near_sessions` | gauge |
    ///
    /// Each metric has the label `store`, which is the prefix of the store's keys.
    ///
    /// Needs the feature `metrics`. Asks nobody; allocates the labels.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use cloakroom_redis::{ConnectError, SharedOptions, SharedStore};
    /// # async fn report() -> Result<(), ConnectError> {
    /// let sessions = SharedStore::connect(SharedOptions::new("redis://127.0.0.1:6379")).await?;
    /// // With a recorder installed, for example by `metrics_exporter_prometheus`:
    /// sessions.export_metrics();
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn export_metrics(&self) {
        describe();
        let (health, store) = (self.health(), String::from_utf8_lossy(self.inner.prefix()).into_owned());
        let counters = [
            (HITS, health.hits),
            (MISSES, health.misses),
            (FILLS, health.fills),
            (LATE_FILLS, health.late_fills),
            (INVALIDATIONS, health.invalidations),
            (FLUSHES, health.flushes),
            (REFUSALS, health.refusals),
            (CONNECTIONS, health.connections),
            (COMMANDS, health.commands),
        ];
        for (name, count) in counters {
            counter!(name, "store" => store.clone()).absolute(count);
        }
        gauge!(UNCONFIRMED, "store" => store.clone()).set(health.unconfirmed as f64);
        gauge!(PING_AGE, "store" => store.clone()).set(health.ping_age.as_secs_f64());
        gauge!(NEAR, "store" => store).set(health.near as f64);
    }
}
