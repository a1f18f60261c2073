//! The timeouts of one session, and its remaining time.

use super::{SessionStore, error_of};
use crate::content::{Content, Replicate};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Overrides, Payload};
use crate::error::MissingError;
use crate::expiry::{Limits, Tick, limit, span};
use crate::id::SessionId;
use crate::table::Change;
use core::time::Duration;

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
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// The limits of a session that is created now, or `None` if the store's idle timeout is its only limit.
    pub(super) fn limits(&self, now: Tick, timeouts: Timeouts) -> Option<Limits> {
        let absolute = timeouts.absolute.or(self.config.absolute_timeout);
        if timeouts.idle.is_none() && absolute.is_none() {
            return None;
        }
        Some(self.changed(Limits { idle: self.idle, end: Tick::NEVER }, now, Timeouts { absolute, ..timeouts }))
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
        version.limits().unwrap_or(Limits { idle: self.idle, end: Tick::NEVER })
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
            let left = self.table.read(id.as_bytes(), false, moment, |version| match version.life().load() {
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
        let result = self.table.update(id.as_bytes(), moment, |version, stamp| {
            let limits = Some(self.changed(self.limits_of(version), moment.now().in_era_of(stamp), timeouts));
            let overrides = Overrides { limits, ..version.overrides() };
            Ok::<_, MissingError>(Change::Replace(T::replicate(version, version.next_head(stamp, &overrides))))
        });
        result.map_err(error_of)
    }
}
