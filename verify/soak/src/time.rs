//! A clock that runs much faster than real time, but never so fast that a session in use could expire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::Clock;

/// The store's, in milliseconds of its clock: half an hour.
pub(crate) const TTL: u64 = 30 * 60 * 1_000;

/// So many milliseconds of the store's clock in one of real time: a session left alone expires within a second or so.
const SPEED: u64 = 1_800;

/// What the store reads.
#[derive(Clone, Default)]
pub(crate) struct FastClock(Arc<AtomicU64>);

impl FastClock {
    /// Acquire and Release: who ends a session has read the clock before, and who finds it ended reads no earlier time
    /// after.
    pub(crate) fn milliseconds(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Clock for FastClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.milliseconds())
    }
}

/// Moves the clock on, held back by the slowest worker: no session that is kept in use ever comes closer than half-way
/// to its end.
pub(crate) struct Pace {
    clock: FastClock,
    /// For each worker, a time at which or after which it has touched each session that it keeps.
    touched: Vec<AtomicU64>,
    /// When the clock was moved last; `None` while it stands.
    moved: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(clock: FastClock, workers: usize) -> Self {
        let touched = (0..workers).map(|_| AtomicU64::new(0)).collect();
        Self { clock, touched, moved: Mutex::new(None) }
    }

    /// Worker `number` has touched all that it keeps at `time` or later.
    pub(crate) fn all_touched(&self, number: usize, time: u64) {
        self.touched[number].store(time, Ordering::Release);
    }

    /// Moves the clock on by what has passed since the last time.
    pub(crate) fn advance(&self) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = *moved else { return };
        let now = Instant::now();
        *moved = Some(now);
        let passed = u64::try_from((now - before).as_micros()).unwrap_or(u64::MAX);
        // Acquire: the touches came before the time that follows them.
        let slowest = self.touched.iter().map(|time| time.load(Ordering::Acquire)).min().unwrap_or(0);
        let next = self.clock.milliseconds() + passed.saturating_mul(SPEED) / 1_000;
        self.clock.0.fetch_max(next.min(slowest + TTL / 2), Ordering::Release);
    }

    /// Lets the clock run or stops it. Once this has returned, it has been stopped.
    pub(crate) fn run(&self, run: bool) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = run.then(Instant::now);
    }
}
