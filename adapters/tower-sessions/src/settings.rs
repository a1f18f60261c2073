//! What a store or a cache is made with.

use std::fmt;
use std::sync::Arc;

use cloakroom::{Clock, WhenFull};

use crate::wall::Wall;

/// Holds the settings of a [`CloakroomStore`](crate::CloakroomStore) or a [`CloakroomCache`](crate::CloakroomCache).
///
/// How long sessions live is no setting of a store: tower-sessions says it for each
/// (`SessionManagerLayer::with_expiry`).
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
#[derive(Clone, Default)]
#[must_use]
pub struct Settings {
    pub(crate) max_sessions: usize,
    pub(crate) when_full: WhenFull,
    clock: Option<Arc<dyn Clock>>,
}

impl Settings {
    /// Returns those of `CloakroomStore::default()`: any number of sessions, the system's clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many sessions there may be, 0 for any number:
    /// [`SessionConfig::max_sessions`](cloakroom::SessionConfig::max_sessions).
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Sets what becomes of a newcomer when there are as many: [`WhenFull`]. It is refused by default; in a cache the
    /// idlest session had better end.
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.when_full = policy;
        self
    }

    /// Sets the clock by which time goes on from now: for tests, in which a [`ManualClock`](cloakroom::ManualClock)
    /// lets sessions expire.
    ///
    /// Expiry dates are times of day. What time of day it is the store asks the system once, now, and from then on this
    /// clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    pub(crate) fn wall(&self) -> Wall {
        self.clock.clone().map_or_else(Wall::system, Wall::by)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_sessions, when_full, .. } = self;
        let mut shown = f.debug_struct("Settings");
        shown.field("max_sessions", max_sessions).field("when_full", when_full).finish_non_exhaustive()
    }
}
