//! Expiry: pure functions on ticks.
//!
//! A [`Tick`] is a millisecond of the store's clock. Readings and stamps are rounded down to whole ticks and the
//! comparison is strict, so rounding never makes a session expire early: if `floor(now) - floor(stamp) > idle` for a
//! whole number `idle`, then `now - stamp > idle`. The resolution of a coarse clock is added to the idle timeout.
//!
//! # Eras
//!
//! The upper bits of a tick number the *era* of the store, which ending all sessions raises. A stamp never leaves its
//! era: a session of an earlier era is not live. The eras are so far apart that the comparison with the idle timeout,
//! which look-ups make anyway, tells them apart.

use core::time::Duration;

/// A reading of the store's clock in whole milliseconds, at most [`Tick::LAST`], and the era in which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// The last tick of the first era, 139 years after the clock's origin; later readings count as this one.
    pub(crate) const LAST: Self = Self(Self::ORIGIN.0 + (1 << 42) - 1);

    /// The tick of a store's clock at its origin, in the first era. It is not the first, because a restored session may
    /// have been used last before the clock's origin: 34 years fit in between.
    pub(crate) const ORIGIN: Self = Self(1 << 40);

    /// Later than every tick of every era. It leaves two bits free for the entry's life word.
    pub(crate) const NEVER: Self = Self(u64::MAX >> 2);

    /// The distance between two eras. Ticks of different eras are further apart than [`FOREVER`].
    const ERA: u64 = 1 << 44;

    /// The number of eras. The last one has no sessions.
    const ERAS: u64 = (Self::NEVER.0 + 1) / Self::ERA;

    /// The tick of this number, in the first era.
    pub(crate) const fn new(milliseconds: u64) -> Self {
        if milliseconds > Self::LAST.0 { Self::LAST } else { Self(milliseconds) }
    }

    /// The tick that a life word holds.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    /// The same tick of the first era in the era of `start`.
    pub(crate) const fn in_era(self, start: EraStart) -> Self {
        Self(self.0 + start.0 - Self::ORIGIN.0)
    }

    /// The same tick in the era of `other`.
    pub(crate) const fn in_era_of(self, other: Self) -> Self {
        Self(self.0 % Self::ERA + (other.0 - other.0 % Self::ERA))
    }
}

/// The longest reading of a clock, in milliseconds; longer ones count as this one.
pub(crate) const LONGEST_READING: u64 = Tick::LAST.0 - Tick::ORIGIN.0;

/// The tick of an era at which the store's clock is at its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EraStart(u64);

impl EraStart {
    /// The first era's.
    pub(crate) const FIRST: Self = Self(Tick::ORIGIN.0);

    /// The last era's, in which no session begins: every session is of an earlier one.
    pub(crate) const END: Self = Self(Tick::ORIGIN.0 + (Tick::ERAS - 1) * Tick::ERA);

    pub(crate) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) const fn to_word(self) -> u64 {
        self.0
    }

    /// The tick of this era at which a clock reads `milliseconds`, which are [`LONGEST_READING`] at most.
    #[inline]
    pub(crate) const fn tick(self, milliseconds: u64) -> Tick {
        Tick(self.0 + milliseconds)
    }

    /// The next era, unless this is the last one that sessions can have.
    pub(crate) fn next(self) -> Option<Self> {
        let next = Self(self.0 + Tick::ERA);
        (next != Self::END).then_some(next)
    }
}

/// An idle timeout that never ends a session.
pub(crate) const FOREVER: u64 = Tick::LAST.0;

/// A timeout in ticks: `timeout`, rounded up, plus one `resolution` of the clock. At most [`FOREVER`].
pub(crate) fn limit(timeout: Duration, resolution: Duration) -> u64 {
    ticks_up(timeout).saturating_add(ticks_up(resolution)).min(FOREVER)
}

/// The timeout of a [`limit`] in ticks.
pub(crate) fn timeout(limit: u64, resolution: Duration) -> Duration {
    if limit == FOREVER { Duration::MAX } else { span(limit.saturating_sub(ticks_up(resolution))) }
}

/// The whole ticks of a span.
pub(crate) fn ticks_down(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The duration of `ticks` ticks.
pub(crate) const fn span(ticks: u64) -> Duration {
    Duration::from_millis(ticks)
}

impl Limits {
    /// The ticks from `now` until the absolute timeout, if there is one.
    pub(crate) fn left_until_end(self, now: Tick) -> Option<u64> {
        (self.end != Tick::NEVER).then(|| self.end.0.saturating_sub(now.0))
    }

    /// The remaining ticks, at `now`, of a session that was last touched at `stamp`, if it is not touched again.
    /// `u64::MAX` if it never expires.
    pub(crate) fn left(self, stamp: Tick, now: Tick) -> u64 {
        let untouched = now.0.saturating_sub(stamp.0);
        let idle = if self.idle == FOREVER { u64::MAX } else { self.idle.saturating_sub(untouched) };
        let end = if self.end == Tick::NEVER { u64::MAX } else { self.end.0.saturating_sub(now.0) };
        idle.min(end)
    }
}

impl Tick {
    /// The tick `ticks` earlier, or the first one of the era.
    pub(crate) fn before(self, ticks: u64) -> Self {
        Self(self.0 - ticks.min(self.0 % Self::ERA))
    }

    pub(crate) fn after(self, ticks: u64) -> Self {
        if ticks >= Self::LAST.0.saturating_sub(self.0 % Self::ERA) { Self::NEVER } else { Self(self.0 + ticks) }
    }
}

fn ticks_up(span: Duration) -> u64 {
    let part = span.subsec_nanos().div_ceil(1_000_000);
    span.as_secs().saturating_mul(1_000).saturating_add(u64::from(part))
}

/// The limits on a session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The idle timeout in ticks, at most [`FOREVER`].
    pub(crate) idle: u64,
    /// The last tick before the absolute timeout.
    pub(crate) end: Tick,
}

/// The limit that has ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The idle timeout.
    Idle,
    /// The absolute timeout.
    Absolute,
    /// The end of its era: all sessions of the store were ended.
    Era,
}

/// The verdict on a stamp at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within both limits.
    Live,
    /// Beyond a limit.
    Expired(Expiry),
    /// Further ahead of the clock than the idle timeout: the clock was set back. Such a stamp would keep its session
    /// alive until the clock catches up, so the caller resets it to this tick, which was read after the stamp was
    /// loaded.
    Ahead(Tick),
}

/// A clock that an operation can read again.
pub(crate) trait Ticking {
    fn tick(&self) -> Tick;
}

/// A clock that stands still.
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

/// The time of one operation: its reading of the clock, the store's idle timeout, and the clock for another reading.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    now: Tick,
    /// The idle timeout, in ticks, of sessions without their own limits.
    idle: u64,
    clock: &'a dyn Ticking,
}

impl<'a> Moment<'a> {
    /// A moment at which no session has expired.
    pub(crate) const TIMELESS: Moment<'static> = Moment { now: Tick(0), idle: FOREVER, clock: &Tick(0) };

    /// A moment with the reading `now` of `clock`, and the idle timeout `idle` for sessions without their own limits.
    #[inline]
    pub(crate) fn new(now: Tick, idle: u64, clock: &'a dyn Ticking) -> Self {
        Self { now, idle, clock }
    }

    pub(crate) fn now(self) -> Tick {
        self.now
    }

    /// The idle timeout, in ticks, of a session with these limits of its own.
    pub(crate) fn idle(self, own: Option<Limits>) -> u64 {
        own.map_or(self.idle, |own| own.idle)
    }

    /// Reads the clock once more.
    pub(crate) fn afresh(self) -> Tick {
        self.clock.tick()
    }

    /// Whether a stamp that the caller has just loaded is within the session's own limits, or the store's if `own` is
    /// `None`.
    ///
    /// The reading may be old, because the thread may have been suspended. Then this may return true for a session that
    /// has ended since, and never false for a live one.
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
        self.judge_afresh(stamp, own.unwrap_or(Limits { idle: self.idle, end: Tick::NEVER }))
    }

    /// Judges by a new reading of the clock, which is younger than the stamp. The operation's first reading may be
    /// older than the stamp, so that the stamp is ahead although the clock is right. Or the clock was set back between
    /// the two, so that the stamp is far behind although it is new.
    #[inline(always)]
    fn judge_afresh(self, stamp: Tick, limits: Limits) -> Verdict {
        let fresh = self.afresh();
        let behind = fresh.0.wrapping_sub(stamp.0);
        if behind > FOREVER {
            judge_other(stamp, fresh, limits)
        } else if fresh > limits.end {
            Verdict::Expired(Expiry::Absolute)
        } else if behind <= limits.idle {
            Verdict::Live
        } else {
            Verdict::Expired(Expiry::Idle)
        }
    }
}

/// Judges a stamp that is ahead of the new reading, or of another era.
#[cold]
fn judge_other(stamp: Tick, fresh: Tick, limits: Limits) -> Verdict {
    let apart = fresh.0.abs_diff(stamp.0);
    if apart > FOREVER {
        // An operation that does not read its clock again may meet a session of a later era.
        if stamp < fresh { Verdict::Expired(Expiry::Era) } else { Verdict::Live }
    } else if fresh > limits.end {
        Verdict::Expired(Expiry::Absolute)
    } else if apart <= limits.idle {
        Verdict::Live
    } else {
        Verdict::Ahead(fresh)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn judge(now: u64, stamp: u64, limit: u64) -> Verdict {
        Moment::new(Tick::new(now), limit, &|| Tick::new(now)).judge(Tick::new(stamp), None)
    }

    #[test]
    fn a_session_is_live_at_the_last_tick_of_the_limit_and_not_at_the_next() {
        assert_eq!(judge(130, 100, 30), Verdict::Live);
        assert_eq!(judge(131, 100, 30), Verdict::Expired(Expiry::Idle));
    }

    #[test]
    fn a_limit_of_zero_lasts_for_the_tick_of_the_touch() {
        assert_eq!(judge(100, 100, 0), Verdict::Live);
        assert_eq!(judge(101, 100, 0), Verdict::Expired(Expiry::Idle));
    }

    #[test]
    fn an_idle_session_at_the_last_tick_of_its_absolute_timeout_expires_by_its_idle_timeout() {
        let limits = |idle| Some(Limits { idle, end: Tick::new(130) });
        let judge = |now, own| Moment::new(Tick::new(now), 0, &|| Tick::new(now)).judge(Tick::new(100), own);
        assert_eq!(judge(130, limits(29)), Verdict::Expired(Expiry::Idle));
        assert_eq!(judge(131, limits(29)), Verdict::Expired(Expiry::Absolute));
        // By the new reading, and not by the reading with which the operation began.
        let late = Moment::new(Tick::new(131), 0, &|| Tick::new(130));
        assert_eq!(late.judge(Tick::new(100), limits(30)), Verdict::Live);
    }

    #[test]
    fn an_infinite_limit_leaves_infinite_time() {
        let infinite = Limits { idle: limit(Duration::MAX, Duration::ZERO), end: Tick::NEVER };
        assert_eq!(infinite.left(Tick::new(3), Tick::new(9)), u64::MAX);
        assert_eq!(Limits { end: Tick::new(10), ..infinite }.left(Tick::new(3), Tick::new(9)), 1);
        assert_eq!(Limits { idle: 7, ..infinite }.left(Tick::new(3), Tick::new(9)), 1);
    }

    #[test]
    fn an_infinite_limit_never_expires() {
        let infinite = limit(Duration::MAX, Duration::ZERO);
        assert_eq!(infinite, FOREVER);
        assert_eq!(judge(Tick::LAST.get(), 0, infinite), Verdict::Live);
        assert_eq!(judge(0, Tick::LAST.get(), infinite), Verdict::Live);
    }

    #[test]
    fn a_stamp_ahead_is_live_within_the_limit_and_reset_beyond_it() {
        assert_eq!(judge(100, 130, 30), Verdict::Live);
        assert_eq!(judge(100, 131, 30), Verdict::Ahead(Tick::new(100)));
    }

    #[test]
    fn an_old_reading_is_not_mistaken_for_a_clock_that_went_back() {
        let moment = Moment::new(Tick::new(100), 30, &|| Tick::new(200));
        assert_eq!(moment.judge(Tick::new(190), None), Verdict::Live);
    }

    #[test]
    fn a_reading_from_before_the_clock_was_set_back_ends_no_session() {
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
    fn a_session_that_never_expires_has_infinite_time_left_even_when_idle() {
        let left = |idle, end| Limits { idle, end }.left(Tick::new(100), Tick::new(130));
        assert_eq!(left(FOREVER, Tick::NEVER), u64::MAX);
        assert_eq!([left(FOREVER, Tick::new(150)), left(40, Tick::NEVER), left(40, Tick::new(135))], [20, 10, 5]);
    }

    #[test]
    fn the_absolute_timeout_is_judged_by_a_new_reading() {
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
    fn the_longest_reading_is_the_last_tick_of_its_era() {
        assert_eq!(EraStart::FIRST.tick(0), Tick::ORIGIN);
        assert_eq!(EraStart::FIRST.tick(LONGEST_READING), Tick::LAST);
        assert_eq!(era(3).tick(LONGEST_READING), Tick::LAST.in_era(era(3)));
    }

    fn era(number: u64) -> EraStart {
        (0..number).fold(EraStart::FIRST, |start, _| start.next().expect("one of the first eras"))
    }

    /// Whatever the limits, the readings and the era.
    #[test]
    fn a_stamp_of_an_earlier_era_is_not_live() {
        for (before, after) in [(0, 1), (1, 2), (0, 9)] {
            for now in [Tick::new(0), Tick::new(5), Tick::LAST].map(|now| now.in_era(era(after))) {
                for stamp in [Tick::new(0), Tick::new(5), Tick::LAST].map(|stamp| stamp.in_era(era(before))) {
                    let moment = Moment::new(now, FOREVER, &now);
                    assert_eq!(moment.judge(stamp, None), Verdict::Expired(Expiry::Era));
                    let own = Limits { idle: FOREVER, end: Tick::NEVER };
                    assert_eq!(moment.judge(stamp, Some(own)), Verdict::Expired(Expiry::Era));
                }
            }
        }
    }

    /// The operation began in an earlier era than the session that it meets.
    #[test]
    fn a_stamp_of_a_later_era_is_judged_by_a_new_reading() {
        let (before, after) = (Tick::new(7), Tick::new(9).in_era(era(1)));
        assert_eq!(Moment::new(before, 30, &|| after).judge(after, None), Verdict::Live);
        assert_eq!(Moment::new(before, 30, &|| after.after(31)).judge(after, None), Verdict::Expired(Expiry::Idle));
        assert_eq!(Moment::new(before, 30, &before).judge(after, None), Verdict::Live);
    }

    #[test]
    fn a_tick_keeps_its_era_or_is_beyond_all() {
        let tick = Tick::new(7).in_era(era(3));
        assert_eq!((tick.after(2), tick.after(FOREVER)), (Tick::new(9).in_era(era(3)), Tick::NEVER));
        assert_eq!((Tick::new(0).after(FOREVER), tick.after(FOREVER - 7)), (Tick::NEVER, Tick::NEVER));
        assert_eq!(tick.after(FOREVER - 8).get() + 1, Tick::LAST.in_era(era(3)).get());
        assert_eq!((Tick::new(8).in_era_of(tick), tick.in_era_of(Tick::new(8))), (tick.after(1), Tick::new(7)));
    }

    #[test]
    fn the_last_era_is_later_than_every_stamp_and_not_entered() {
        let last = EraStart::from_word(EraStart::END.to_word() - Tick::ERA);
        assert_eq!(last.next(), None);
        assert!(
            Tick::LAST.in_era(EraStart::END) < Tick::NEVER
                && Tick::LAST.in_era(last) < Tick::new(0).in_era(EraStart::END)
        );
        let end = Tick::new(0).in_era(EraStart::END);
        assert_eq!(Moment::new(end, 30, &end).judge(Tick::LAST.in_era(last), None), Verdict::Expired(Expiry::Era));
    }
}
