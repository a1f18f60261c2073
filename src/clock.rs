//! The clock by which sessions expire.
//!
//! A store reads a [`Clock`]: a [`CoarseClock`] by default, and a [`ManualClock`] in tests, so that no test has to
//! wait. No clock of this module is the wall clock, because setting the wall clock would end sessions or keep them
//! alive.

use crate::expiry::LONGEST_READING;
use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tells the time since an origin of the clock's choice.
///
/// The time should be monotonic. A clock that is not can only let sessions live too long or end too early:
///
/// * While a clock stands still, nothing expires.
/// * If a clock jumps ahead, the sessions expire that were idle for long enough by that clock.
/// * If a clock goes back, the last use of some sessions is in the future. Sessions up to one idle timeout ahead stay
///   unchanged, and live longer by the time that the clock went back. The last use of a session that is further ahead
///   is reset to the present when an operation finds it, so that no session becomes immortal.
/// * A reading beyond 139 years counts as 139 years.
///
/// A clock may panic. The operation that read it panics then, and its session is unchanged.
///
/// The store reads the clock in each operation on a session, on the calling thread. So a reading should take
/// nanoseconds and must not wait for anything that waits for the store. **With a clock that may block, every operation
/// of the store may block.**
///
/// # Examples
///
/// ```
/// use cloakroom::{Clock, SessionStore};
/// use std::time::{Duration, Instant};
///
/// struct Precise(Instant);
///
/// impl Clock for Precise {
///     fn now(&self) -> Duration {
///         self.0.elapsed()
///     }
/// }
///
/// let store = SessionStore::builder().clock(Precise(Instant::now())).build()?;
/// assert_eq!(store.count(), 0);
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the time since the clock's origin.
    fn now(&self) -> Duration;

    /// Returns the length of the clock's steps, which is how far [`now`](Self::now) may be behind the true time.
    ///
    /// The store reads it once, when the store is made, and lets sessions live that much longer, so that a coarse clock
    /// ends none early. The default, zero, is right for every clock with steps of a millisecond or less.
    fn resolution(&self) -> Duration {
        Duration::ZERO
    }
}

/// Reads the shared clock.
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn resolution(&self) -> Duration {
        (**self).resolution()
    }
}

/// Reads the cheapest monotonic clock of the platform. The default clock of a store.
///
/// On Linux it is `CLOCK_MONOTONIC_COARSE`, which the kernel advances at every timer interrupt, usually each 1 to 4
/// milliseconds ([`resolution`](Clock::resolution) returns the kernel's figure). Reading it takes a fifth of the time
/// of [`Instant::now`]. On other platforms it is [`Instant`].
///
/// **On Linux this clock stops while the machine is suspended**, so sessions do not age in a sleeping laptop. If they
/// must, give the store a [`Clock`] that reads `CLOCK_BOOTTIME`. On other platforms [`Instant`] defines the behaviour.
///
/// A reading is wait-free (on Linux, as long as the kernel serves this clock without a system call, as it usually does)
/// and allocates nothing.
///
/// [`Instant`]: std::time::Instant
/// [`Instant::now`]: std::time::Instant::now
///
/// # Examples
///
/// ```
/// use cloakroom::{Clock, CoarseClock};
///
/// let clock = CoarseClock::new();
/// let earlier = clock.now();
/// assert!(clock.now() >= earlier);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CoarseClock(platform::Source);

impl CoarseClock {
    /// Makes a clock. On Linux it asks the kernel for the clock's resolution. Wait-free; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(platform::Source::new())
    }
}

impl Default for CoarseClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for CoarseClock {
    #[inline]
    fn now(&self) -> Duration {
        self.0.now()
    }

    #[inline]
    fn resolution(&self) -> Duration {
        self.0.resolution()
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
use coarse as platform;
#[cfg(not(all(target_os = "linux", not(miri))))]
use precise as platform;

// Not under Miri, which has no clock_getres.
#[cfg(all(target_os = "linux", not(miri)))]
mod coarse {
    use core::time::Duration;
    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Source {
        resolution: Duration,
    }

    impl Source {
        pub(super) fn new() -> Self {
            Self { resolution: duration(clock_getres(ClockId::MonotonicCoarse)) }
        }

        #[inline]
        pub(super) fn now(self) -> Duration {
            duration(clock_gettime(ClockId::MonotonicCoarse))
        }

        /// The whole milliseconds of [`now`](Self::now), with a third of the instructions.
        #[inline]
        pub(super) fn milliseconds(self) -> u64 {
            milliseconds(clock_gettime(ClockId::MonotonicCoarse))
        }

        pub(super) fn resolution(self) -> Duration {
            self.resolution
        }
    }

    /// Cannot panic, and is below [`LONGEST_READING`](super::LONGEST_READING). The kernel counts from its start, so no
    /// part is negative, and the seconds have 32 bits for 136 years. If it were otherwise, the reading would be wrong,
    /// which the store tolerates of any clock.
    #[inline]
    pub(super) fn milliseconds(time: Timespec) -> u64 {
        u64::from(time.tv_sec as u32) * 1_000 + u64::from(time.tv_nsec as u32 / 1_000_000)
    }

    /// Cannot panic: a negative part counts as zero, and the sum saturates.
    #[inline]
    pub(super) fn duration(time: Timespec) -> Duration {
        let seconds = Duration::from_secs(time.tv_sec.try_into().unwrap_or(0));
        seconds.saturating_add(Duration::from_nanos(time.tv_nsec.try_into().unwrap_or(0)))
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod precise {
    use core::time::Duration;
    use std::time::Instant;

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Source {
        origin: Instant,
    }

    impl Source {
        pub(super) fn new() -> Self {
            Self { origin: Instant::now() }
        }

        #[inline]
        pub(super) fn now(self) -> Duration {
            self.origin.elapsed()
        }

        #[inline]
        pub(super) fn milliseconds(self) -> u64 {
            super::whole_milliseconds(self.now())
        }

        pub(super) fn resolution(self) -> Duration {
            Duration::ZERO
        }
    }
}

/// Stands still until a test moves it.
///
/// Clones share the time, so a test can keep one clone and give the other to a store.
///
/// The time, any [`Duration`], is behind a mutex, so reading it **may block** while another thread reads or moves it. A
/// store with this clock keeps all guarantees except lock-freedom.
///
/// # Examples
///
/// ```
/// use cloakroom::{ManualClock, SessionStore};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
/// let id = store.create()?;
///
/// clock.advance(Duration::from_secs(60));
/// assert!(store.exists(&id));
/// clock.advance(Duration::from_millis(1));
/// assert!(!store.exists(&id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    time: Arc<Mutex<Duration>>,
}

impl ManualClock {
    /// Makes a clock at zero. Allocates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock ahead, up to [`Duration::MAX`]. May block; allocates nothing.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time();
        *time = time.saturating_add(by);
    }

    /// Sets the clock, ahead or back. May block; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// clock.set(Duration::MAX);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(clock.now(), Duration::MAX);
    /// clock.set(Duration::ZERO);
    /// assert_eq!(clock.now(), Duration::ZERO);
    /// ```
    pub fn set(&self, time: Duration) {
        *self.time() = time;
    }

    fn time(&self) -> MutexGuard<'_, Duration> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.time()
    }
}

/// The clock of a store: the default clock, without an indirection, or a custom one.
#[derive(Clone)]
pub(crate) enum TimeSource {
    Coarse(CoarseClock),
    Custom(Arc<dyn Clock>),
}

impl TimeSource {
    pub(crate) fn custom(clock: impl Clock) -> Self {
        Self::Custom(Arc::new(clock))
    }

    pub(crate) fn resolution(&self) -> Duration {
        match self {
            Self::Coarse(clock) => clock.resolution(),
            Self::Custom(clock) => clock.resolution(),
        }
    }

    /// The time since the clock's origin in whole milliseconds, at most [`LONGEST_READING`].
    #[inline]
    pub(crate) fn milliseconds(&self) -> u64 {
        match self {
            Self::Coarse(clock) => clock.0.milliseconds(),
            Self::Custom(clock) => whole_milliseconds(clock.now()),
        }
    }
}

/// The whole milliseconds of a reading, at most [`LONGEST_READING`].
fn whole_milliseconds(reading: Duration) -> u64 {
    let whole = reading.as_secs().saturating_mul(1_000);
    whole.saturating_add(u64::from(reading.subsec_millis())).min(LONGEST_READING)
}

impl Default for TimeSource {
    fn default() -> Self {
        Self::Coarse(CoarseClock::new())
    }
}

impl fmt::Debug for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coarse(clock) => clock.fmt(f),
            Self::Custom(_) => f.write_str("Custom(..)"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_manual_clock_starts_at_zero_and_moves_only_by_advance() {
        let clock = ManualClock::new();
        assert_eq!(clock.now(), Duration::ZERO);
        clock.advance(Duration::from_nanos(1));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Duration::new(2, 1));
    }

    #[test]
    fn a_manual_clock_holds_every_duration_and_stops_at_the_longest() {
        let clock = ManualClock::new();
        clock.set(Duration::MAX - Duration::from_nanos(2));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(clock.now(), Duration::MAX - Duration::from_nanos(1));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Duration::MAX);
    }

    #[test]
    fn a_manual_clock_can_be_set_back_through_a_clone() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(9));
        clock.clone().set(Duration::from_secs(3));
        assert_eq!(clock.now(), Duration::from_secs(3));
    }

    /// The coarse clock differs from the precise one by one step at most.
    #[test]
    fn the_coarse_clock_runs_at_the_pace_of_time() {
        let clock = CoarseClock::new();
        let step = clock.resolution();
        let (before, first) = (Instant::now(), clock.now());
        while clock.now() <= first + Duration::from_millis(20) {
            assert!(before.elapsed() < Duration::from_secs(10), "the clock stands still");
            std::hint::spin_loop();
        }
        assert!(before.elapsed() + step >= Duration::from_millis(20), "the clock is fast");
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn the_coarse_clock_has_the_resolution_that_the_kernel_reports() {
        use rustix::time::{ClockId, clock_getres};
        let kernel = clock_getres(ClockId::MonotonicCoarse);
        let said = CoarseClock::new().resolution();
        assert_eq!((said.as_secs(), said.subsec_nanos()), (kernel.tv_sec as u64, kernel.tv_nsec as u32));
        assert!(said > Duration::ZERO && said < Duration::from_secs(1));
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn no_timespec_panics() {
        use rustix::time::Timespec;
        let duration = |tv_sec, tv_nsec| platform::duration(Timespec { tv_sec, tv_nsec });
        assert_eq!(duration(3, 999_999_999), Duration::new(3, 999_999_999));
        assert_eq!(duration(-1, 5), Duration::from_nanos(5));
        assert_eq!(duration(5, -1), Duration::from_secs(5));
        assert_eq!(duration(i64::MIN, 0), Duration::ZERO);
        assert_eq!(duration(0, 2_000_000_001), Duration::new(2, 1));
        assert_eq!(duration(i64::MAX, 2_000_000_001), Duration::new(i64::MAX as u64 + 2, 1));
    }

    struct Steps;

    impl Clock for Steps {
        fn now(&self) -> Duration {
            Duration::from_millis(77)
        }

        fn resolution(&self) -> Duration {
            Duration::from_millis(10)
        }
    }

    #[test]
    fn a_clock_in_an_arc_reads_like_the_clock() {
        let shared: Arc<dyn Clock> = Arc::new(Steps);
        assert_eq!((shared.now(), shared.resolution()), (Steps.now(), Steps.resolution()));
        let source = TimeSource::custom(shared);
        assert_eq!((source.milliseconds(), source.resolution()), (77, Duration::from_millis(10)));
    }

    #[test]
    fn the_resolution_is_zero_by_default() {
        assert_eq!(TimeSource::custom(ManualClock::new()).resolution(), Duration::ZERO);
    }

    #[test]
    fn the_default_source_reads_the_coarse_clock() {
        assert!(matches!(TimeSource::default(), TimeSource::Coarse(_)));
        let clock = CoarseClock::new();
        let source = TimeSource::Coarse(clock);
        assert_eq!(source.resolution(), clock.resolution());
        let reading = || whole_milliseconds(clock.now());
        let readings = [reading(), source.milliseconds(), reading()];
        assert!(readings.is_sorted(), "{readings:?}");
    }

    #[test]
    fn readings_round_down_and_stop_at_the_longest() {
        assert_eq!(whole_milliseconds(Duration::from_micros(1_999)), 1);
        assert_eq!(whole_milliseconds(Duration::MAX), LONGEST_READING);
        let clock = ManualClock::new();
        clock.set(Duration::MAX);
        assert_eq!(TimeSource::custom(clock).milliseconds(), LONGEST_READING);
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn no_timespec_is_beyond_the_longest_reading() {
        use rustix::time::Timespec;
        let milliseconds = |tv_sec, tv_nsec| platform::milliseconds(Timespec { tv_sec, tv_nsec });
        assert_eq!(milliseconds(3, 999_999_999), 3_999);
        for (seconds, nanoseconds) in [(-1, -1), (i64::MAX, 0), (i64::MAX, i64::MAX), (i64::MIN, i64::MIN)] {
            assert!(milliseconds(seconds, nanoseconds) <= LONGEST_READING);
        }
    }
}
