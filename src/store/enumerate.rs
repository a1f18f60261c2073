//! Operations on all sessions, one after the other.

use super::SessionStore;
use crate::content::Content;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key};
use crate::events::RemovalCause;
use crate::expiry::{Tick, span};
use crate::id::SessionId;
use crate::table::Change;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

/// Shows one version of a session to a closure of [`for_each`](SessionStore::for_each),
/// [`retain`](SessionStore::retain) or [`delete_where`](SessionStore::delete_where).
pub struct SessionView<'a, T: Content + ?Sized> {
    store: &'a SessionStore<T>,
    version: EntryRef<'a, T::Payload>,
    stamp: Tick,
    now: Tick,
}

impl<'a, T: Content + ?Sized> SessionView<'a, T> {
    /// `None` if the version has been superseded or is dead.
    fn new(store: &'a SessionStore<T>, version: EntryRef<'a, T::Payload>, now: Tick) -> Option<Self> {
        match version.life().load() {
            Life::Live(stamp) => Some(Self { store, version, stamp, now }),
            Life::Pending | Life::Superseded | Life::Dead => None,
        }
    }

    /// What the session holds.
    pub fn content(&self) -> &T {
        T::of(self.version)
    }

    /// The session's id. As secret as ever: whoever has it has the session.
    pub fn id(&self) -> SessionId {
        SessionId::from_bytes(*self.version.key())
    }

    /// The session's [serial number](SessionStore::serial).
    pub fn serial(&self) -> u64 {
        self.version.overrides().serial
    }

    /// How long ago the session was touched last.
    pub fn idle_for(&self) -> Duration {
        span(self.now.get().saturating_sub(self.stamp.get()))
    }

    /// How long the session has to live if nobody touches it: as [`SessionStore::expires_in`] has it.
    pub fn expires_in(&self) -> Duration {
        self.store.time_left(self.version, self.stamp, self.now)
    }
}

/// Shows times only.
impl<T: Content + ?Sized> fmt::Debug for SessionView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionView").field("idle_for", &self.idle_for()).finish_non_exhaustive()
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Shows every session to a closure, without touching any.
    ///
    /// * A session that is there throughout the call is shown exactly once, however the store grows or shrinks
    ///   meanwhile.
    /// * One that is created or ended meanwhile may be shown or not. So may one whose id is [rotated](Self::rotate_id):
    ///   under its old id, under its new one, under neither, or (having become another session, as it were) under both.
    ///   An id that only leads to another one is not shown.
    /// * None is shown that has expired (it is removed then), nor one that was deleted before the call.
    /// * What is shown of a session is one version of it, that was current at one instant during the call; different
    ///   sessions are shown as of different instants.
    ///
    /// The order is of no meaning. The closure may call the store, even to end the session that it is shown. It runs as
    /// a closure of [`read`](Self::read) does, for its own session only: between two of them memory can be freed. If it
    /// panics, the rest is not shown, and nothing has changed.
    ///
    /// Lock-free; allocates 32 bytes for each session of one of the store's [parts](crate::SessionConfig::shards) at a
    /// time. Takes effect for each session when its stamp is loaded.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// store.create_with([("user", "ada")])?;
    /// store.create_with([("user", "eve")])?;
    /// let mut users = Vec::new();
    /// store.for_each(|session| users.extend(session.content().get("user").map(str::to_owned)));
    /// users.sort();
    /// assert_eq!(users, ["ada", "eve"]);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn for_each(&self, mut f: impl FnMut(&SessionView<'_, T>)) {
        self.each_key(|key| {
            // Again while the version that was found is being replaced.
            let mut again = true;
            while again {
                let moment = self.moment();
                let shown = self.table.read(key, false, moment, |version| {
                    if version.key() != key {
                        return true; // A forward; the session is shown under its own key.
                    }
                    SessionView::new(self, version, moment.now()).map(|view| f(&view)).is_some()
                });
                again = shown == Ok(false);
            }
        });
    }

    /// Ends every session for which the closure says so, and returns how many.
    ///
    /// For each session it is atomic: what is ended is the very version that the closure was shown, touched by nobody
    /// since. Where a session is changed or touched in between, the closure is asked again; so it may be called several
    /// times for a session. Those for which it says no are as they were, and untouched.
    ///
    /// Which sessions are shown, and how the closure runs, is as for [`for_each`](Self::for_each): a session that is
    /// there throughout the call and for which the closure says yes whenever it is asked has been ended when this
    /// returns. If the closure panics, those that it was asked about before have ended or not as it said.
    ///
    /// Lock-free; allocates as `for_each` does. Takes effect for each session when its live version dies.
    ///
    /// # Examples
    ///
    /// Everybody who is not an administrator has to log in again:
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let admin = store.create_with([("role", "admin")])?;
    /// let guest = store.create_with([("role", "guest")])?;
    /// let ended = store.delete_where(|session| session.content().get("role") != Some("admin"));
    /// assert_eq!(ended, 1);
    /// assert!(store.exists(&admin) && !store.exists(&guest));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn delete_where(&self, mut f: impl FnMut(&SessionView<'_, T>) -> bool) -> usize {
        let mut ended = 0;
        self.each_key(|key| ended += usize::from(self.delete_if(key, &mut f)));
        ended
    }

    /// Keeps the sessions for which the closure says so, and ends the others: [`delete_where`](Self::delete_where) the
    /// other way round.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// store.create()?;
    /// store.retain(|session| session.idle_for() < Duration::from_secs(300));
    /// assert_eq!(store.count(), 1);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn retain(&self, mut f: impl FnMut(&SessionView<'_, T>) -> bool) {
        self.delete_where(|view| !f(view));
    }

    fn each_key(&self, mut visit: impl FnMut(&Key)) {
        let mut keys = Vec::new();
        for shard in 0..self.table.shards() {
            self.table.keys(shard, &mut keys);
            keys.iter().for_each(&mut visit);
        }
    }

    fn delete_if(&self, key: &Key, f: &mut impl FnMut(&SessionView<'_, T>) -> bool) -> bool {
        loop {
            let moment = self.moment();
            let mut verdict = None;
            let result = self.table.update(key, moment, |version, _| {
                verdict = SessionView::new(self, version, moment.now()).map(|view| f(&view));
                let change = if verdict == Some(true) { Change::End(RemovalCause::Deleted) } else { Change::Keep };
                Ok::<_, Infallible>(change)
            });
            match (result, verdict) {
                (Err(_), _) => return false,
                (Ok(()), Some(ended)) => return ended,
                // The version that was found has been replaced or has ended before it could be shown.
                (Ok(()), None) => {}
            }
        }
    }
}
