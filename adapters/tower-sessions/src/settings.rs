//! The settings of a store or a cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Clock, SessionStore, SessionStoreBuilder, WhenFull};

use crate::wall::Wall;

/// The settings of a [`CloakroomStore`](crate::CloakroomStore) or a [`CloakroomCache`](crate::CloakroomCache).
///
/// The lifetime of sessions is not a setting of the store, because tower-sessions sets it for each session
/// (`SessionManagerLayer::with_expiry`). Every method is wait-free; only [`clock`](Self::clock) allocates.
///
/// # Examples
///
/// ```
/// use cloakroom::WhenFull;
/// use cloakroom_tower_sessions::{CloakroomCache, Settings};
///
/// let cache = CloakroomCache::with(Settings::new().max_sessions(10_000).when_full(WhenFull::EndIdlest));
/// assert_eq!(cache.count(), 0);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Settings {
    pub(crate) max_sessions: usize,
    pub(crate) max_session_bytes: usize,
    pub(crate) when_full: WhenFull,
    clock: Option<Arc<dyn Clock>>,
}

impl Default for Settings {
    /// Returns the settings of [`Settings::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// Returns the settings of `CloakroomStore::default()`: any number of sessions, 64 KiB for each, and the system's
    /// clock.
    pub fn new() -> Self {
        Self { max_sessions: 0, max_session_bytes: 64 * 1024, when_full: WhenFull::default(), clock: None }
    }

    /// Sets the most sessions that there may be
    /// ([`SessionConfig::max_sessions`](cloakroom::SessionConfig::max_sessions)). 0 means any number.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Sets the most bytes that the data of one session may take. 64 KiB by default.
    ///
    /// Counted are the names and texts in UTF-8, and 32 bytes for each value, also within lists and objects. A
    /// `CloakroomStore` refuses larger data with `Error::Backend`, for which the middleware responds with status 500,
    /// and the session stays as it was. A `CloakroomCache` leaves a larger session to the store behind it.
    ///
    /// Without a limit, a visitor who chooses what a handler stores chooses how much memory it takes, and how long each
    /// request takes that loads the session.
    pub fn max_session_bytes(mut self, bytes: usize) -> Self {
        self.max_session_bytes = bytes;
        self
    }

    /// Sets the policy for a new session when the store is full. By default, the new session is refused
    /// ([`WhenFull`]). For a cache, prefer [`WhenFull::EndIdlest`].
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.when_full = policy;
        self
    }

    /// Sets the clock, for tests that let sessions expire with a [`ManualClock`](cloakroom::ManualClock).
    ///
    /// Expiry dates are times of day. The store reads the system's time of day once, when it is made, and from then on
    /// adds the time that has passed on this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Returns the settings of an underlying store, for [`CloakroomStore::over`](crate::CloakroomStore::over).
    pub fn store(&self) -> SessionStoreBuilder {
        SessionStore::builder()
            // A session lives until its expiry date, because tower-sessions does not count a read as activity.
            .ttl(Duration::MAX)
            .max_sessions(self.max_sessions)
            .when_full(self.when_full)
            .clock(self.wall().clock())
    }

    pub(crate) fn wall(&self) -> Wall {
        self.clock.clone().map_or_else(Wall::system, Wall::by)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_sessions, max_session_bytes, when_full, .. } = self;
        let mut shown = f.debug_struct("Settings");
        shown.field("max_sessions", max_sessions).field("max_session_bytes", max_session_bytes);
        shown.field("when_full", when_full).finish_non_exhaustive()
    }
}
