//! The clocks that all contenders read, in whole milliseconds.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The clock of a store.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The kernel's coarse monotonic clock: a read takes a few nanoseconds, a step some milliseconds.
    Coarse,
    /// `std::time::Instant`.
    Precise(Instant),
    /// The coarse clock plus an offset, with which sessions expire without a wait.
    Shifted(&'static AtomicU64),
    /// Moves only when [`Clock::pass`] moves it.
    Still(&'static AtomicU64),
}

impl Clock {
    pub fn precise() -> Self {
        Self::Precise(Instant::now())
    }

    /// A clock with an offset of its own. The offset is leaked, because a process makes only a few of them.
    pub fn shifted() -> Self {
        Self::Shifted(Box::leak(Box::new(AtomicU64::new(0))))
    }

    /// A clock with a time of its own, which is leaked too.
    pub fn still() -> Self {
        Self::Still(Box::leak(Box::new(AtomicU64::new(0))))
    }

    /// Milliseconds since the origin of this clock.
    #[inline]
    pub fn now(self) -> u64 {
        match self {
            Self::Coarse => coarse(),
            // The low 64 bits of the milliseconds outlast any process.
            Self::Precise(origin) => origin.elapsed().as_millis() as u64,
            Self::Shifted(by) => coarse() + by.load(Ordering::Relaxed),
            Self::Still(at) => at.load(Ordering::Relaxed),
        }
    }

    /// Moves the clock forward. A clock that cannot be moved waits instead.
    pub fn pass(self, time: Duration) {
        match self {
            Self::Shifted(by) | Self::Still(by) => {
                by.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
            }
            Self::Coarse | Self::Precise(_) => std::thread::sleep(time),
        }
    }
}

#[inline]
fn coarse() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::MonotonicCoarse);
    tv_sec as u64 * 1_000 + tv_nsec as u64 / 1_000_000
}

/// For cloakroom. Its default clock is the coarse one already.
impl cloakroom::Clock for Clock {
    #[inline]
    fn now(&self) -> Duration {
        match self {
            Self::Precise(origin) => origin.elapsed(),
            Self::Coarse | Self::Shifted(_) | Self::Still(_) => Duration::from_millis((*self).now()),
        }
    }
}
