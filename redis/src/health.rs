//! The figures of a store.

use core::time::Duration;

/// Holds the figures of a store: made by [`SharedStore::health`](crate::SharedStore::health).
///
/// Counts are since the store was connected. They are exact when no operation is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The time since the last sign of the engine, if it is longer than the bound of staleness; `None` if it is there.
    pub away_for: Option<Duration>,
    /// The time since the last answered ping was sent.
    pub ping_age: Duration,
    /// Reads that were served from the near cache.
    pub hits: u64,
    /// Reads for which the engine was asked.
    pub misses: u64,
    /// Sessions that were put into the near cache.
    pub fills: u64,
    /// Answers that came too late for the near cache, because the session was ended or changed meanwhile.
    pub late_fills: u64,
    /// Keys that the engine has declared to have changed.
    pub invalidations: u64,
    /// How often the whole near cache was given up.
    pub flushes: u64,
    /// Operations that failed because the engine was away or refused.
    pub refusals: u64,
    /// Ends of sessions that the engine has not confirmed yet.
    pub unconfirmed: u64,
    /// Connections that were made, the first among them.
    pub connections: u64,
    /// Commands that were sent to the engine, pings among them.
    pub commands: u64,
    /// Sessions in the near cache.
    pub near: u64,
}
