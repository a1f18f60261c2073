//! A session's own limits, and what is left of its time.

use super::{SessionStore, why_unchanged};
use crate::content::{Content, Replicate};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Overrides, Payload};
use crate::error::UpdateError;
use crate::expiry::{Limits, Tick, limit, span};
use crate::id::SessionId;
use crate::table::Change;
use core::time::Duration;

/// Says how long a session lives, where that is to differ from what holds for the store, or from what held for the
/// session so far.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionStore, Timeouts};
/// use std::time::Duration;
///
/// let store = SessionStore::default();
/// let id = store.create()?;
/// // The visitor turns out to be an administrator: five minutes idle, an hour from now at most.
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
    /// Sets how long the session may lie untouched.
    pub const fn idle(mut self, timeout: Duration) -> Self {
        self.idle = Some(timeout);
        self
    }

    /// Sets how long the session lives from now on, touched or not. [`Duration::MAX`] is for ever.
    pub const fn absolute(mut self, timeout: Duration) -> Self {
        self.absolute = Some(timeout);
        self
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// The limits of a session created now: none of its own if those of the store do for it.
    pub(super) fn limits(&self, now: Tick, timeouts: Timeouts) -> Option<Limits> {
        let absolute = timeouts.absolute.or(self.config.absolute_timeout);
        if timeouts.idle.is_none() && absolute.is_none() {
            return None;
        }
        Some(self.changed(Limits { idle: self.idle, end: Tick::MAX }, now, Timeouts { absolute, ..timeouts }))
    }

    /// Limits that differ from those before in what the timeouts say.
    pub(super) fn changed(&self, before: Limits, now: Tick, timeouts: Timeouts) -> Limits {
        let ticks = |timeout| limit(timeout, self.time.resolution());
        Limits {
            idle: timeouts.idle.map_or(before.idle, ticks),
            end: timeouts.absolute.map_or(before.end, |timeout| now.after(ticks(timeout))),
        }
    }

    pub(super) fn limits_of<P: Payload>(&self, version: EntryRef<'_, P>) -> Limits {
        version.limits().unwrap_or(Limits { idle: self.idle, end: Tick::MAX })
    }

    /// How long a session has to live that was touched last at `stamp`.
    pub(super) fn time_left<P: Payload>(&self, version: EntryRef<'_, P>, stamp: Tick, now: Tick) -> Duration {
        match self.limits_of(version).left(stamp, now) {
            u64::MAX => Duration::MAX,
            ticks => span(ticks).saturating_sub(self.time.resolution()),
        }
    }

    /// Returns how long the session has to live if nobody touches it, by its idle and its absolute timeout, without
    /// touching it. `None` if it does not exist or has expired (it is removed then); [`Duration::MAX`] if it never
    /// expires.
    ///
    /// So that a page can warn its user in time. The session lives at least that long, and longer by up to one step of
    /// the clock.
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
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
    pub fn expires_in(&self, id: &SessionId) -> Option<Duration> {
        loop {
            let moment = self.moment();
            let left = self.table.read(id.as_bytes(), false, moment, |version| match version.life().load() {
                Life::Live(stamp) => Some(self.time_left(version, stamp, moment.now())),
                // Replaced or ended since it was found.
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
    /// Gives a session other timeouts from now on, and touches it: what [`Timeouts`] does not say stays as it is.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// [`UpdateError::NotFound`] if there is no such session, [`UpdateError::Expired`] if there was but it had expired
    /// (it is removed then).
    pub fn set_timeouts(&self, id: &SessionId, timeouts: Timeouts) -> Result<(), UpdateError> {
        let moment = self.moment();
        let result = self.table.update(id.as_bytes(), moment, |version, stamp| {
            let limits = Some(self.changed(self.limits_of(version), moment.now(), timeouts));
            let overrides = Overrides { limits, ..version.overrides() };
            Ok::<_, UpdateError>(Change::Replace(T::replicate(version, version.next_head(stamp, &overrides))))
        });
        result.map_err(why_unchanged)
    }
}
