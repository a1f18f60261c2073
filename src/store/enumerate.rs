//! Operations on all sessions, one after the other.

use super::SessionStore;
use crate::content::Content;
use crate::entry::life::Life;
use crate::entry::{BAR, EntryRef, Key};
use crate::events::RemovalCause;
use crate::expiry::{Tick, span, timeout};
use crate::id::SessionId;
use crate::table::Change;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

/// Shows one version of a session to a closure of [`for_each`](SessionStore::for_each) or
/// [`delete_where`](SessionStore::delete_where).
///
/// Every method is wait-free and allocates nothing. `Debug` shows the idle time only.
pub struct SessionView<'a, T: Content + ?Sized> {
    store: &'a SessionStore<T>,
    version: EntryRef<'a, T::Payload>,
    stamp: Tick,
    now: Tick,
}

impl<'a, T: Content + ?Sized> SessionView<'a, T> {
    /// `None` if the version has been superseded or is dead.
    pub(super) fn new(store: &'a SessionStore<T>, version: EntryRef<'a, T::Payload>, now: Tick) -> Option<Self> {
        match version.life().load() {
            Life::Live(stamp) => Some(Self { store, version, stamp, now: now.in_era_of(stamp) }),
            Life::Pending | Life::Superseded | Life::Dead => None,
        }
    }

    /// The tick at which the session is shown, in the era of its stamp.
    pub(super) fn now(&self) -> Tick {
        self.now
    }

    /// Returns the content of the session.
    #[must_use]
    pub fn content(&self) -> &T {
        T::of(self.version)
    }

    /// Returns the session's id. It is a secret: anyone that has it can use the session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId::from_bytes(*self.version.key())
    }

    /// Returns the session's [serial number](SessionStore::serial).
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.version.overrides().serial
    }

    /// Returns the time since the session was last touched.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        span(self.now.get().saturating_sub(self.stamp.get()))
    }

    /// Returns the idle timeout of the session: its own, or the store's.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        timeout(self.store.limits_of(self.version).idle, self.store.time.resolution())
    }

    /// Returns the time after which the session expires if it is not used: see [`SessionStore::expires_in`].
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.store.time_left(self.version, self.stamp, self.now)
    }
}

/// Shows the idle time only.
impl<T: Content + ?Sized> fmt::Debug for SessionView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionView").field("idle_for", &self.idle_for()).finish_non_exhaustive()
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Shows every session to a closure, without touching any.
    ///
    /// * A session that exists throughout the call is shown exactly once, even if the store grows or shrinks during the
    ///   call.
    /// * A session that is created or ended during the call may be shown or not.
    /// * A session whose id is [rotated](Self::rotate_id) during the call may be shown under its old id, its new id,
    ///   neither or both. A former id that only forwards to a session is not shown.
    /// * An expired session is not shown; it is ended. A session that was deleted before the call is not shown.
    /// * The closure is shown one version of each session, which was current at one instant during the call. The
    ///   instants of different sessions differ.
    ///
    /// The order is unspecified. The closure may call the store, and may even end the session that it is shown. Memory
    /// is held back as in [`read`](Self::read), but only while the closure runs for one session: memory can be freed
    /// between two sessions.
    ///
    /// Lock-free if the closure is; allocates 32 bytes for each session of one
    /// [shard](crate::SessionConfig#structfield.shards) at a time. Takes effect for each session when its stamp is
    /// loaded.
    ///
    /// # Panics
    ///
    /// If the closure panics. The remaining sessions are not shown then, and nothing has changed.
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
            // Repeated while the version that was found is being replaced.
            let mut again = true;
            while again {
                let moment = self.moment();
                let shown = self.table.read(key, false, moment, |version| {
                    if version.key() != key {
                        return true; // A forward: the session is shown under its own key.
                    }
                    SessionView::new(self, version, moment.now()).map(|view| f(&view)).is_some()
                });
                again = shown == Ok(false);
            }
        });
    }

    /// Ends every session for which the closure returns true, and returns how many.
    ///
    /// Atomic for each session: the session ends only if the version that the closure was shown is still live and has
    /// not been touched since. If the session is changed or touched in between, the closure is called again. So it may
    /// be called several times for one session. Sessions for which it returns false stay unchanged and are not touched.
    ///
    /// The sessions that are shown, and the rules for the closure, are those of [`for_each`](Self::for_each). A session
    /// that exists throughout the call, and for which the closure always returns true, has ended when this returns.
    ///
    /// A [reservation](Self::reserve) that exists throughout the call ends too, whatever the closure returns, because
    /// the session that is being fetched for it may be one to end.
    ///
    /// Lock-free if the closure is; allocates as `for_each` does. Takes effect for each session when its live version
    /// dies.
    ///
    /// # Panics
    ///
    /// If the closure panics. The sessions that it was shown before have ended or not as it returned.
    ///
    /// # Examples
    ///
    /// Logging out all users except administrators:
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
        self.settle();
        ended
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
                (Err(_), _) => {
                    // The session that is being fetched for a reservation might be one to end.
                    self.table.end_reservation(key, |number| number != BAR);
                    return false;
                }
                (Ok(()), Some(ended)) => return ended,
                // The version was replaced or ended after it was found and before it was shown.
                (Ok(()), None) => {}
            }
        }
    }
}
