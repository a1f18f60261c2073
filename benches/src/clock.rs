//! The clocks that all contenders read, in whole milliseconds.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where a store reads the time.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The kernel's coarse monotonic clock: a few nanoseconds to read, some milliseconds a step.
    Coarse,
    /// `std::time::Instant`.
    Precise(Instant),
    /// The coarse one with an offset, by which sessions are made to expire without waiting.
    Shifted(&'static AtomicU64),
    /// Moves only when it is told to.
    Still(&'static AtomicU64),
}

impl Clock {
    pub fn precise() -> Self {
        Self::Precise(Instant::now())
    }

    /// With an offset of its own. It is never freed: a handful a process.
    pub fn shifted() -> Self {
        Self::Shifted(Box::leak(Box::new(AtomicU64::new(0))))
    }

    /// Of its own, and never freed either.
    pub fn still() -> Self {
        Self::Still(Box::leak(Box::new(AtomicU64::new(0))))
    }

    /// Milliseconds since an origin of the clock's own.
    #[inline]
    pub fn now(self) -> u64 {
        match self {
            Self::Coarse => coarse(),
            // The cut keeps the low bits, which last for longer than a process does.
            Self::Precise(origin) => origin.elapsed().as_millis() as u64,
            Self::Shifted(by) => coarse() + by.load(Ordering::Relaxed),
            Self::Still(at) => at.load(Ordering::Relaxed),
        }
    }

    /// Lets time pass: by moving the offset, or where there is none, by waiting.
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

/// For cloakroom, whose default is the coarse clock by itself.
impl cloakroom::Clock for Clock {
    #[inline]
    fn now(&self) -> Duration {
        match self {
            Self::Precise(origin) => origin.elapsed(),
            Self::Coarse | Self::Shifted(_) | Self::Still(_) => Duration::from_millis((*self).now()),
        }
    }
}
