//! When a session has been idle for too long: pure functions on ticks.
//!
//! A [`Tick`] is a millisecond of the store's clock. Readings and stamps are cut down to whole ticks and the comparison is strict,
//! so that cutting never makes a session expire early: if `floor(now) - floor(stamp) > idle` for a whole number `idle`, then
//! `now - stamp > idle`. What a clock of coarse resolution may be behind is added to the idle timeout as grace.

#![deny(unsafe_code)]

use core::time::Duration;

/// A reading of the store's clock in whole milliseconds, at most [`Tick::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// The last tick, 146 million years in; later readings count as this one. Two bits stay free for the entry's life word.
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

/// The longest time, in ticks, that a session may lie untouched: `ttl`, rounded up, and one `resolution` of the clock as grace.
pub(crate) fn idle_limit(ttl: Duration, resolution: Duration) -> u64 {
    ticks_up(ttl).saturating_add(ticks_up(resolution))
}

fn ticks_up(span: Duration) -> u64 {
    let part = span.subsec_nanos().div_ceil(1_000_000);
    span.as_secs().saturating_mul(1_000).saturating_add(u64::from(part))
}

/// What a moment says of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Touched recently enough.
    Live,
    /// Untouched for longer than the limit.
    Expired,
    /// Further ahead of the clock than the limit: the clock has been set back since. Left alone, such a stamp would keep its
    /// session alive until the clock has caught up, so it is to be brought back to the tick given here, a reading made after
    /// the stamp was seen.
    Ahead(Tick),
}

/// One operation's view of time: its reading of the clock, the idle limit, and a way to read the clock once more.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    now: Tick,
    limit: u64,
    reread: &'a dyn Fn() -> Tick,
}

impl<'a> Moment<'a> {
    pub(crate) fn new(now: Tick, limit: u64, reread: &'a dyn Fn() -> Tick) -> Self {
        Self { now, limit, reread }
    }

    pub(crate) fn now(self) -> Tick {
        self.now
    }

    /// Judges a stamp that the caller has just loaded.
    ///
    /// The reading may be old by then (the thread may have been suspended), which errs on the side of life.
    pub(crate) fn judge(self, stamp: Tick) -> Verdict {
        if self.now.0.abs_diff(stamp.0) <= self.limit { Verdict::Live } else { self.judge_afresh(stamp) }
    }

    /// Makes sure by a reading of the clock that is younger than the stamp. The one that the operation began with may be older, so that
    /// the stamp lies ahead though the clock runs as it should; and the clock may have been set back between the two, so that the
    /// stamp lies far behind though it was made just now.
    #[cold]
    fn judge_afresh(self, stamp: Tick) -> Verdict {
        let fresh = (self.reread)();
        if fresh.0.abs_diff(stamp.0) <= self.limit {
            Verdict::Live
        } else if fresh > stamp {
            Verdict::Expired
        } else {
            Verdict::Ahead(fresh)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn judge(now: u64, stamp: u64, limit: u64) -> Verdict {
        Moment::new(Tick::new(now), limit, &|| Tick::new(now)).judge(Tick::new(stamp))
    }

    #[test]
    fn the_last_tick_of_the_limit_is_live_and_the_next_is_not() {
        assert_eq!(judge(130, 100, 30), Verdict::Live);
        assert_eq!(judge(131, 100, 30), Verdict::Expired);
    }

    #[test]
    fn a_limit_of_zero_lasts_for_the_tick_of_the_touch() {
        assert_eq!(judge(100, 100, 0), Verdict::Live);
        assert_eq!(judge(101, 100, 0), Verdict::Expired);
    }

    #[test]
    fn an_endless_limit_never_expires() {
        let endless = idle_limit(Duration::MAX, Duration::ZERO);
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
        assert_eq!(moment.judge(Tick::new(190)), Verdict::Live);
    }

    #[test]
    fn a_reading_from_before_the_clock_went_back_ends_nothing() {
        let moment = Moment::new(Tick::new(1_000), 30, &|| Tick::new(5));
        assert_eq!(moment.judge(Tick::new(5)), Verdict::Live);
        assert_eq!(moment.judge(Tick::new(1_100)), Verdict::Ahead(Tick::new(5)));
    }

    #[test]
    fn ttl_and_resolution_round_up() {
        let ttl = Duration::from_micros(1_001);
        assert_eq!(idle_limit(ttl, Duration::ZERO), 2);
        assert_eq!(idle_limit(ttl, Duration::from_nanos(1)), 3);
        assert_eq!(idle_limit(Duration::ZERO, Duration::ZERO), 0);
    }

    #[test]
    fn readings_round_down_and_stop_at_the_last_tick() {
        assert_eq!(Tick::from_reading(Duration::from_micros(1_999)), Tick::new(1));
        assert_eq!(Tick::from_reading(Duration::MAX), Tick::MAX);
    }
}
