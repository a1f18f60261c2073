//! When a session has been idle for too long: pure functions on ticks.
//!
//! A [`Tick`] is a millisecond of the store's clock. Readings and stamps are cut down to whole ticks and the comparison
//! is strict, so that cutting never makes a session expire early: if `floor(now) - floor(stamp) > idle` for a whole
//! number `idle`, then `now - stamp > idle`. What a clock of coarse resolution may be behind is added to the idle
//! timeout as grace.

use core::time::Duration;

/// A reading of the store's clock in whole milliseconds, at most [`Tick::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// The last tick, 146 million years in; later readings count as this one. Two bits stay free for the entry's life
    /// word.
    pub(crate) const MAX: Self = Self(u64::MAX >> 2);

    pub(crate) const fn new(milliseconds: u64) -> Self {
        if milliseconds > Self::MAX.0 { Self::MAX } else { Self(milliseconds) }
    }

    /// The tick in which `reading` lies.
    pub(crate) fn from_reading(reading: Duration) -> Self {
        let whole = reading.as_secs().saturating_mul(1_000);
        Self::new(whole.saturating_add(u64::from(reading.subsec_millis())))
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// The longest time, in ticks, that a timeout lets a session live: `timeout`, rounded up, and one `resolution` of the
/// clock as grace.
pub(crate) fn limit(timeout: Duration, resolution: Duration) -> u64 {
    ticks_up(timeout).saturating_add(ticks_up(resolution))
}

/// So many ticks as a duration.
pub(crate) const fn span(ticks: u64) -> Duration {
    Duration::from_millis(ticks)
}

impl Limits {
    /// How long a session that was touched last at `stamp` has to live, as far as is known at `now`, if it is not
    /// touched.
    pub(crate) fn left(self, stamp: Tick, now: Tick) -> u64 {
        let untouched = now.0.saturating_sub(stamp.0);
        let idle = if self.idle == u64::MAX { u64::MAX } else { self.idle.saturating_sub(untouched) };
        let end = if self.end == Tick::MAX { u64::MAX } else { self.end.0.saturating_sub(now.0) };
        idle.min(end)
    }
}

impl Tick {
    /// So many ticks later.
    pub(crate) fn after(self, ticks: u64) -> Self {
        Self::new(self.0.saturating_add(ticks))
    }
}

fn ticks_up(span: Duration) -> u64 {
    let part = span.subsec_nanos().div_ceil(1_000_000);
    span.as_secs().saturating_mul(1_000).saturating_add(u64::from(part))
}

/// For how long a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Ticks that it may lie untouched.
    pub(crate) idle: u64,
    /// The last tick of its life, touched or not.
    pub(crate) end: Tick,
}

/// Which limit has ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Untouched for longer than it may be.
    Idle,
    /// Its time is over, touched or not.
    Absolute,
}

/// What a moment says of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Touched recently enough, and not over.
    Live,
    /// Ended by a limit.
    Expired(Expiry),
    /// Further ahead of the clock than the limit: the clock has been set back since. Left alone, such a stamp would
    /// keep its session alive until the clock has caught up, so it is to be brought back to the tick given here, a
    /// reading made after the stamp was seen.
    Ahead(Tick),
}

/// A clock that an operation may read more than once.
pub(crate) trait Ticking {
    fn tick(&self) -> Tick;
}

/// A clock that has stopped.
impl Ticking for Tick {
    fn tick(&self) -> Tick {
        *self
    }
}

impl<F: Fn() -> Tick> Ticking for F {
    fn tick(&self) -> Tick {
        self()
    }
}

/// One operation's view of time: its reading of the clock, the store's idle timeout, and the clock for another reading.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    now: Tick,
    /// The idle timeout, in ticks, of a session without limits of its own.
    idle: u64,
    clock: &'a dyn Ticking,
}

impl<'a> Moment<'a> {
    /// A moment at which nothing has expired.
    pub(crate) const TIMELESS: Moment<'static> = Moment { now: Tick(0), idle: u64::MAX, clock: &Tick(0) };

    /// A moment with the reading `now` of `clock`, at which sessions without limits of their own may be idle for `idle`
    /// ticks.
    #[inline]
    pub(crate) fn new(now: Tick, idle: u64, clock: &'a dyn Ticking) -> Self {
        Self { now, idle, clock }
    }

    pub(crate) fn now(self) -> Tick {
        self.now
    }

    /// Reads the clock once more.
    pub(crate) fn afresh(self) -> Tick {
        self.clock.tick()
    }

    /// Whether a stamp that the caller has just loaded is that of a live session, by the session's own limits if it has
    /// any.
    ///
    /// The reading may be old by then (the thread may have been suspended), which errs on the side of life.
    #[inline(always)]
    pub(crate) fn finds_live(self, stamp: Tick, own: Option<Limits>) -> bool {
        match own {
            None => self.now.0.abs_diff(stamp.0) <= self.idle,
            Some(own) => self.now.0.abs_diff(stamp.0) <= own.idle && self.now <= own.end,
        }
    }

    /// Judges a stamp that the caller has just loaded.
    pub(crate) fn judge(self, stamp: Tick, own: Option<Limits>) -> Verdict {
        if self.finds_live(stamp, own) {
            return Verdict::Live;
        }
        self.judge_afresh(stamp, own.unwrap_or(Limits { idle: self.idle, end: Tick::MAX }))
    }

    /// Makes sure by a reading of the clock that is younger than the stamp. The one that the operation began with may
    /// be older, so that the stamp lies ahead though the clock runs as it should; and the clock may have been set back
    /// between the two, so that the stamp lies far behind though it was made just now.
    #[cold]
    fn judge_afresh(self, stamp: Tick, limits: Limits) -> Verdict {
        let fresh = self.afresh();
        if fresh > limits.end {
            Verdict::Expired(Expiry::Absolute)
        } else if fresh.0.abs_diff(stamp.0) <= limits.idle {
            Verdict::Live
        } else if fresh > stamp {
            Verdict::Expired(Expiry::Idle)
        } else {
            Verdict::Ahead(fresh)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn judge(now: u64, stamp: u64, limit: u64) -> Verdict {
        Moment::new(Tick::new(now), limit, &|| Tick::new(now)).judge(Tick::new(stamp), None)
    }

    #[test]
    fn the_last_tick_of_the_limit_is_live_and_the_next_is_not() {
        assert_eq!(judge(130, 100, 30), Verdict::Live);
        assert_eq!(judge(131, 100, 30), Verdict::Expired(Expiry::Idle));
    }

    #[test]
    fn a_limit_of_zero_lasts_for_the_tick_of_the_touch() {
        assert_eq!(judge(100, 100, 0), Verdict::Live);
        assert_eq!(judge(101, 100, 0), Verdict::Expired(Expiry::Idle));
    }

    #[test]
    fn who_lay_idle_for_too_long_by_the_last_tick_of_its_absolute_timeout_has_not_outlived_that() {
        let limits = |idle| Some(Limits { idle, end: Tick::new(130) });
        let judge = |now, own| Moment::new(Tick::new(now), 0, &|| Tick::new(now)).judge(Tick::new(100), own);
        assert_eq!(judge(130, limits(29)), Verdict::Expired(Expiry::Idle));
        assert_eq!(judge(131, limits(29)), Verdict::Expired(Expiry::Absolute));
        // By the reading that it is judged by, not by the one that the operation began with.
        let late = Moment::new(Tick::new(131), 0, &|| Tick::new(130));
        assert_eq!(late.judge(Tick::new(100), limits(30)), Verdict::Live);
    }

    #[test]
    fn an_endless_limit_leaves_endless_time() {
        let endless = Limits { idle: limit(Duration::MAX, Duration::ZERO), end: Tick::MAX };
        assert_eq!(endless.left(Tick::new(3), Tick::new(9)), u64::MAX);
        assert_eq!(Limits { end: Tick::new(10), ..endless }.left(Tick::new(3), Tick::new(9)), 1);
        assert_eq!(Limits { idle: 7, ..endless }.left(Tick::new(3), Tick::new(9)), 1);
    }

    #[test]
    fn an_endless_limit_never_expires() {
        let endless = limit(Duration::MAX, Duration::ZERO);
        assert_eq!(endless, u64::MAX);
        assert_eq!(judge(Tick::MAX.get(), 0, endless), Verdict::Live);
        assert_eq!(judge(0, Tick::MAX.get(), endless), Verdict::Live);
    }

    #[test]
    fn a_stamp_a_little_ahead_is_live_and_one_beyond_the_limit_is_brought_back() {
        assert_eq!(judge(100, 130, 30), Verdict::Live);
        assert_eq!(judge(100, 131, 30), Verdict::Ahead(Tick::new(100)));
    }

    #[test]
    fn an_old_reading_is_not_mistaken_for_a_clock_that_went_back() {
        let moment = Moment::new(Tick::new(100), 30, &|| Tick::new(200));
        assert_eq!(moment.judge(Tick::new(190), None), Verdict::Live);
    }

    #[test]
    fn a_reading_from_before_the_clock_went_back_ends_nothing() {
        let moment = Moment::new(Tick::new(1_000), 30, &|| Tick::new(5));
        assert_eq!(moment.judge(Tick::new(5), None), Verdict::Live);
        assert_eq!(moment.judge(Tick::new(1_100), None), Verdict::Ahead(Tick::new(5)));
    }

    #[test]
    fn a_session_with_limits_of_its_own_is_judged_by_them() {
        let judge = |now: u64, stamp: u64, idle, end| {
            let own = Limits { idle, end: Tick::new(end) };
            Moment::new(Tick::new(now), 30, &|| Tick::new(now)).judge(Tick::new(stamp), Some(own))
        };
        assert_eq!(judge(140, 100, 40, 140), Verdict::Live);
        assert_eq!(judge(141, 100, 40, 999), Verdict::Expired(Expiry::Idle));
        assert_eq!(judge(141, 141, 40, 140), Verdict::Expired(Expiry::Absolute));
        assert_eq!(judge(111, 100, 10, 999), Verdict::Expired(Expiry::Idle));
    }

    #[test]
    fn what_never_ends_has_for_ever_to_live_however_long_it_has_been_idle() {
        let left = |idle, end| Limits { idle, end }.left(Tick::new(100), Tick::new(130));
        assert_eq!(left(u64::MAX, Tick::MAX), u64::MAX);
        assert_eq!([left(u64::MAX, Tick::new(150)), left(40, Tick::MAX), left(40, Tick::new(135))], [20, 10, 5]);
    }

    #[test]
    fn the_end_too_is_judged_by_a_fresh_reading() {
        let moment = Moment::new(Tick::new(1_000), 30, &|| Tick::new(5));
        let own = Limits { idle: 30, end: Tick::new(100) };
        assert_eq!(moment.judge(Tick::new(5), Some(own)), Verdict::Live);
    }

    #[test]
    fn ttl_and_resolution_round_up() {
        let ttl = Duration::from_micros(1_001);
        assert_eq!(limit(ttl, Duration::ZERO), 2);
        assert_eq!(limit(ttl, Duration::from_nanos(1)), 3);
        assert_eq!(limit(Duration::ZERO, Duration::ZERO), 0);
    }

    #[test]
    fn readings_round_down_and_stop_at_the_last_tick() {
        assert_eq!(Tick::from_reading(Duration::from_micros(1_999)), Tick::new(1));
        assert_eq!(Tick::from_reading(Duration::MAX), Tick::MAX);
    }
}
