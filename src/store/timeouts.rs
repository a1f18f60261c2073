//! The timeouts of one session, and its remaining time.

use super::{SessionStore, error_of};
use crate::content::{Content, Replicate};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Payload, Ticket};
use crate::error::MissingError;
use crate::expiry::{Limits, Tick, limit, span};
use crate::id::SessionId;
use crate::table::Change;
use core::time::Duration;

/// The longest that browsers keep a cookie, 400 days (RFC 6265bis, section 5.5).
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Holds the timeouts of one session that differ from the store's, or from the session's present ones. A timeout that
/// is not set stays as it is.
///
/// Its methods are wait-free and allocate nothing.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionStore, Timeouts};
/// use std::time::Duration;
///
/// let store = SessionStore::default();
/// let id = store.create()?;
/// // The user is an administrator: five minutes idle, one hour from now at most.
/// store.set_timeouts(&id, Timeouts::default().idle(Duration::from_secs(300)).absolute(Duration::from_secs(3_600)))?;
/// assert!(store.expires_in(&id) <= Some(Duration::from_secs(301)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Timeouts {
    idle: Option<Duration>,
    absolute: Option<Duration>,
    cookie: Option<Option<Duration>>,
}

impl Timeouts {
    /// Sets the idle timeout.
    pub const fn idle(mut self, timeout: Duration) -> Self {
        self.idle = Some(timeout);
        self
    }

    /// Sets the absolute timeout, which starts when these timeouts are applied. [`Duration::MAX`] means none.
    pub const fn absolute(mut self, timeout: Duration) -> Self {
        self.absolute = Some(timeout);
        self
    }

    /// Returns these timeouts, with those of `other` that are set in their place.
    pub fn and(self, other: Self) -> Self {
        Self {
            idle: other.idle.or(self.idle),
            absolute: other.absolute.or(self.absolute),
            cookie: other.cookie.or(self.cookie),
        }
    }

    /// Returns the idle timeout, if it is set.
    #[must_use]
    pub const fn idle_timeout(&self) -> Option<Duration> {
        self.idle
    }

    /// Returns the absolute timeout, if it is set.
    #[must_use]
    pub const fn absolute_timeout(&self) -> Option<Duration> {
        self.absolute
    }

    /// Returns how long the browser is to keep the cookie, if that is set: `Some(None)` means that the session does not
    /// say it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Timeouts;
    /// use std::time::Duration;
    ///
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let timeouts = Timeouts::default().idle(minute).cookie(None).and(Timeouts::default().idle(hour));
    /// assert_eq!((timeouts.idle_timeout(), timeouts.absolute_timeout()), (Some(hour), None));
    /// assert_eq!(timeouts.cookie_lifetime(), Some(None));
    /// ```
    #[must_use]
    pub const fn cookie_lifetime(&self) -> Option<Option<Duration>> {
        self.cookie
    }

    /// Sets how long the browser is to keep the session's cookie, for "remember me". `None` means that the session does
    /// not say it, as at first.
    ///
    /// The store itself sends no cookie. It keeps this time with the session and tells it ([`SessionStore::ticket`]),
    /// so that each response sends the cookie with the lifetime of its own session. A session that has one takes 32
    /// more bytes. More than 400 days counts as 400 days, which is the longest that browsers keep a cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionStore, Timeouts};
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::default();
    /// let month = Duration::from_secs(30 * 24 * 60 * 60);
    /// let id = store.create()?;
    /// store.set_timeouts(&id, Timeouts::default().idle(month).cookie(Some(month)))?;
    /// assert_eq!(store.ticket(&id).and_then(|ticket| ticket.max_age), Some(month));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn cookie(mut self, lifetime: Option<Duration>) -> Self {
        self.cookie = Some(lifetime);
        self
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// The limits of a session that is created now, or `None` if the store's idle timeout is its only limit.
    pub(super) fn limits(&self, now: Tick, timeouts: Timeouts) -> Option<Limits> {
        let absolute = timeouts.absolute.or(self.config.absolute_timeout);
        if timeouts.idle.is_none() && absolute.is_none() {
            return None;
        }
        let limits = self.changed(self.own_limits(), now, Timeouts { absolute, ..timeouts });
        Some(limits).filter(|limits| *limits != self.own_limits())
    }

    /// The limits of a session that has none of its own.
    fn own_limits(&self) -> Limits {
        Limits { idle: self.idle, end: Tick::NEVER }
    }

    /// The limits of a session after a change. None if they are the store's, so that they take no room.
    pub(super) fn limits_after<P: Payload>(
        &self,
        version: EntryRef<'_, P>,
        now: Tick,
        timeouts: Timeouts,
    ) -> Option<Limits> {
        Some(self.changed(self.limits_of(version), now, timeouts)).filter(|limits| *limits != self.own_limits())
    }

    /// The ticket `before` with the given lifetime of the cookie. `sent` is the tick at which the cookie was sent.
    pub(super) fn ticket_after(before: Ticket, timeouts: Timeouts, sent: Tick) -> Ticket {
        match timeouts.cookie {
            None => before,
            // A lifetime of 0 would mean that there is none.
            Some(Some(life)) => {
                let cookie_life = limit(life.min(LONGEST_COOKIE), Duration::ZERO).max(1);
                Ticket { cookie_life, sent, ..before }
            }
            Some(None) => Ticket { cookie_life: 0, sent: Tick::new(0), ..before },
        }
    }

    /// The limits `before` with the given timeouts in place of its own.
    pub(super) fn changed(&self, before: Limits, now: Tick, timeouts: Timeouts) -> Limits {
        let ticks = |timeout| limit(timeout, self.time.resolution());
        Limits {
            idle: timeouts.idle.map_or(before.idle, ticks),
            end: timeouts.absolute.map_or(before.end, |timeout| now.after(ticks(timeout))),
        }
    }

    pub(super) fn limits_of<P: Payload>(&self, version: EntryRef<'_, P>) -> Limits {
        version.limits().unwrap_or(self.own_limits())
    }

    /// The remaining time of a session that was last touched at `stamp`.
    pub(super) fn time_left<P: Payload>(&self, version: EntryRef<'_, P>, stamp: Tick, now: Tick) -> Duration {
        match self.limits_of(version).left(stamp, now.in_era_of(stamp)) {
            u64::MAX => Duration::MAX,
            ticks => span(ticks).saturating_sub(self.time.resolution()),
        }
    }

    /// Returns the time after which a session expires if it is not used, by its idle and its absolute timeout, without
    /// touching it. `None` if there is no such session, [`Duration::MAX`] if the session never expires.
    ///
    /// With it a page can warn its user in time. The session lives at least that long, and up to one step of the clock
    /// longer.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
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
    /// clock.advance(Duration::from_secs(20));
    /// assert_eq!(store.expires_in(&id), Some(Duration::from_secs(40)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn expires_in(&self, id: &SessionId) -> Option<Duration> {
        loop {
            let moment = self.moment();
            let left = self.read_version(id, false, |version| match version.life().load() {
                Life::Live(stamp) => Some(self.time_left(version, stamp, moment.now())),
                // The version was replaced or ended after it was found.
                Life::Pending | Life::Superseded | Life::Dead => None,
            });
            match left {
                Ok(Some(left)) => return Some(left),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
    }
}

impl<T: Replicate + ?Sized> SessionStore<T> {
    /// Changes the given timeouts of a session from now on, and touches the session.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// [`MissingError`] if there is no such session.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Timeouts;
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// store.set_timeouts(&id, Timeouts::default().absolute(Duration::from_secs(60)))?;
    /// assert!(store.expires_in(&id) <= Some(Duration::from_secs(61)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_timeouts(&self, id: &SessionId, timeouts: Timeouts) -> Result<(), MissingError> {
        let moment = self.moment();
        let result = self.update_version(id, moment, |version, stamp| {
            let overrides = self.overrides_after(version, timeouts, moment.now().in_era_of(stamp));
            Ok::<_, MissingError>(Change::Replace(T::replicate(version, version.next_head(stamp, &overrides))))
        });
        result.map_err(error_of)
    }
}
