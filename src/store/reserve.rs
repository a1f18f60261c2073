//! Reservations: filling a store from another one without undoing a deletion.

use super::{SessionStore, Timeouts};
use crate::attributes::{Attributes, pack};
use crate::content::{Content, packed_entry, typed_entry};
use crate::entry::{Head, Overrides, Owned, Ticket};
use crate::error::{CreateError, FulfilError, ReserveError};
use crate::expiry::{Moment, limit};
use crate::id::SessionId;
use crate::sync::Ordering;
use crate::table::Taken;
use core::fmt;
use core::time::Duration;

/// The most entries that a reservation looks at in search of an expired one, when there are too many.
const ENTRIES_SEARCHED_WHEN_FULL: usize = 512;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Reserves an id for a session that the caller is about to fetch from elsewhere, for at most `within`.
    ///
    /// For a cache in front of another store. A look-up that misses reserves the id, asks the other store, and
    /// [fulfils](Reservation#method.fulfil_with) the reservation with the answer. If the session is deleted in the
    /// meantime, the answer is out of date, and would bring an ended session back. But then the reservation has ended
    /// too, and fulfilling it fails. A reservation ends by
    ///
    /// * [`delete`](Self::delete) or [`delete_and_bar`](Self::delete_and_bar) of its id,
    /// * [`end_all`](Self::end_all), or a [`delete_where`](Self::delete_where) that meets it,
    /// * [`insert_with`](SessionStore#method.insert_with) of its id,
    /// * the end of `within`, and
    /// * dropping the [`Reservation`].
    ///
    /// No look-up finds a reserved id, and no other operation treats it as a session. Nothing waits for a reservation.
    /// A second caller that misses the same session learns from [`ReserveError::Reserved`] that another one is fetching
    /// it.
    ///
    /// A reservation is not a session: it has no place below
    /// [`max_sessions`](crate::SessionConfig#structfield.max_sessions), so that requests with forged ids end no
    /// sessions. But there may be no more reservations than `max_sessions`, and no more than 262,144 if that is not
    /// set. One takes about 200 bytes, until it has ended and, if it has expired, is removed as an expired session is.
    ///
    /// Lock-free; allocates. Takes effect when the reservation is put into its slot.
    ///
    /// # Errors
    ///
    /// [`ReserveError`]: the id has a session, or is reserved or barred; or there are too many reservations.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{FulfilError, ReserveError, SessionId, Timeouts};
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = SessionId::random()?; // from a cookie
    /// let wait = Duration::from_secs(10);
    ///
    /// let reservation = store.reserve(&id, wait)?;
    /// assert_eq!(store.reserve(&id, wait).err(), Some(ReserveError::Reserved));
    /// // The other store answers here.
    /// reservation.fulfil_with(Timeouts::default(), [("user", "ada")])?;
    /// assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    ///
    /// store.delete(&id);
    /// let reservation = store.reserve(&id, wait)?;
    /// store.delete(&id); // while the other store is asked
    /// let late = reservation.fulfil_with(Timeouts::default(), [("user", "ada")]);
    /// assert_eq!(late, Err(FulfilError::Ended));
    /// assert!(!store.exists(&id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&self, id: &SessionId, within: Duration) -> Result<Reservation<'_, T>, ReserveError> {
        // A restored session may wait under another id.
        if self.journal.is_some() && self.exists(id) {
            return Err(ReserveError::Occupied);
        }
        let moment = self.moment();
        // Relaxed: only the number matters, and it publishes nothing. The first is 1; bars have 0.
        let number = self.inserted.fetch_add(1, Ordering::Relaxed) + 1;
        let reserved = match self.try_reserve(id, number, within, moment) {
            Err(Taken::Full) => {
                // Some of them may have expired.
                self.table.sweep_some(ENTRIES_SEARCHED_WHEN_FULL, moment);
                self.try_reserve(id, number, within, moment)
            }
            reserved => reserved,
        };
        reserved?;
        Ok(Reservation { store: self, id: *id, number })
    }

    fn try_reserve(&self, id: &SessionId, number: u64, within: Duration, moment: Moment<'_>) -> Result<(), Taken> {
        let end = moment.now().after(limit(within, self.time.resolution()));
        self.table.reserve_key(id.as_bytes(), number, end, T::absent(), moment)
    }

    /// Returns the present reservation of an id, for a caller that could not keep the [`Reservation`] and has
    /// [detached](Reservation::detach) it. `None` if the id is not reserved.
    ///
    /// The reservation has then several owners, of which the first to fulfil it succeeds. Each has to be sure that its
    /// answer is not older than the reservation.
    ///
    /// Lock-free; allocates nothing. Takes effect when the reservation is loaded.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionId, Timeouts};
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = SessionId::random()?; // from a cookie
    /// store.reserve(&id, Duration::from_secs(10))?.detach();
    /// let reservation = store.reservation(&id).expect("it was made just now");
    /// reservation.fulfil_with(Timeouts::default(), [("user", "ada")])?;
    /// assert!(store.reservation(&id).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reservation(&self, id: &SessionId) -> Option<Reservation<'_, T>> {
        match self.table.taken(id.as_bytes(), self.moment()) {
            Some(Taken::Reservation(number)) => Some(Reservation { store: self, id: *id, number }),
            _ => None,
        }
    }

    /// Does the same as [`delete`](Self::delete), and refuses reservations of the id for the time `bar`.
    ///
    /// For a cache whose store takes a while to delete the session: until it has, it would still hand the session out
    /// to the next one that misses it. A bar may be deleted by nothing but [`end_all`](Self::end_all) and
    /// [`insert_with`](SessionStore#method.insert_with). It is not a session, and takes about a hundred bytes of memory
    /// until it has expired and is removed, as an expired session is. A later bar takes the place of an earlier one.
    ///
    /// Lock-free; allocates. The deletion takes effect as for `delete`. When this returns, the bar is in its slot, and
    /// the id has no session and no reservation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ReserveError, SessionStore};
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::default();
    /// let id = store.create()?;
    /// assert!(store.delete_and_bar(&id, Duration::from_secs(10)));
    /// assert_eq!(store.reserve(&id, Duration::from_secs(10)).err(), Some(ReserveError::Barred));
    /// assert!(!store.delete_and_bar(&id, Duration::from_secs(10)));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn delete_and_bar(&self, id: &SessionId, bar: Duration) -> bool {
        // The session may wait under another id.
        let ended = self.delete(id);
        let moment = self.moment();
        let end = moment.now().after(limit(bar, self.time.resolution()));
        let ended_again = self.table.bar(id.as_bytes(), end, T::absent(), moment);
        self.settle();
        ended | ended_again
    }

    /// Ends the reservation of an id, which may be a bar, for a session that is inserted there.
    pub(super) fn end_reservation(&self, id: &SessionId) {
        self.table.end_reservation(id.as_bytes(), |_| true);
    }

    /// Puts a session with the content that `build` writes in place of a reservation. Tells the journal.
    fn fulfil_entry(
        &self,
        id: &SessionId,
        number: u64,
        timeouts: Timeouts,
        text_len: usize,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<(), FulfilError> {
        let fulfilled = self.try_fulfil(id, number, timeouts, text_len, build);
        if fulfilled.is_ok() {
            self.tracer.created(id.as_bytes());
            self.note_change(id);
        }
        // Sessions may have ended for it, even if it was refused after all.
        self.settle();
        fulfilled
    }

    fn try_fulfil(
        &self,
        id: &SessionId,
        number: u64,
        timeouts: Timeouts,
        text_len: usize,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<(), FulfilError> {
        let moment = self.moment();
        // Looked at before a place is taken, because another session may have to end for the place.
        if self.table.taken(id.as_bytes(), moment) != Some(Taken::Reservation(number)) {
            return Err(FulfilError::Ended);
        }
        let bytes = self.bytes_of_new(false, true, text_len);
        let place = bytes.and_then(|bytes| self.enter(None, id, false, bytes, moment)).map_err(|full| {
            self.refused(full);
            if full == CreateError::BytesFull { FulfilError::BytesFull } else { FulfilError::Full }
        })?;
        let fulfilled = self.table.fulfil(id.as_bytes(), number, place, moment, |stamp| {
            let now = moment.now().in_era_of(stamp);
            let (limits, ticket) = (self.limits(now, timeouts), Self::ticket_after(Ticket::NONE, timeouts, now));
            build(Head::first(*id.as_bytes(), stamp, &Overrides { limits, serial: number, ticket, ..Overrides::NONE }))
        });
        if fulfilled { Ok(()) } else { Err(FulfilError::Ended) }
    }
}

/// An id that is reserved for a session which its owner is fetching: made by [`SessionStore::reserve`].
///
/// Dropping it ends the reservation, so a request that fails or is cancelled reserves nothing. If its owner never comes
/// back, as a task that is suspended for good, the reservation expires. `Debug` shows nothing of the id.
#[must_use = "dropping a reservation ends it"]
pub struct Reservation<'s, T: Content + ?Sized = Attributes> {
    store: &'s SessionStore<T>,
    id: SessionId,
    number: u64,
}

impl<T: Content + ?Sized> Reservation<'_, T> {
    /// Returns the id that is reserved. Wait-free; allocates nothing.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Ends the reservation, as dropping it does, and returns whether this call has ended it: false if it had ended.
    ///
    /// Lock-free; allocates nothing. Takes effect when the reservation dies.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionId;
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = SessionId::random()?; // from a cookie
    /// assert!(store.reserve(&id, Duration::from_secs(10))?.abandon()); // the other store knows no such session
    /// assert!(store.reserve(&id, Duration::from_secs(10)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abandon(self) -> bool {
        let ended = self.end();
        core::mem::forget(self);
        ended
    }

    /// Leaves the reservation in the store until it is ended, fulfilled by way of [`SessionStore::reservation`], or
    /// expires. Wait-free; allocates nothing.
    pub fn detach(self) {
        core::mem::forget(self);
    }

    fn end(&self) -> bool {
        self.store.table.end_reservation(self.id.as_bytes(), |number| number == self.number)
    }
}

impl Reservation<'_> {
    /// Creates the session for which the id was reserved, with these attributes, in one step, unless the reservation
    /// has ended.
    ///
    /// The session is like one of [`insert_with`](SessionStore#method.insert_with): it is bound to no principal, and
    /// has a [`serial`](SessionStore::serial) of its own.
    ///
    /// Lock-free; allocates. Takes effect when the reservation is superseded by the session.
    ///
    /// # Errors
    ///
    /// [`FulfilError::Ended`] if the reservation has ended: discard the answer, because it may be out of date. The
    /// other errors are those of [`insert_with`](SessionStore#method.insert_with). On an error no session was created,
    /// and the reservation has ended. Sessions may have been ended to make room.
    ///
    /// # Examples
    ///
    /// See [`SessionStore::reserve`].
    pub fn fulfil_with<I, K, V>(self, timeouts: Timeouts, attributes: I) -> Result<(), FulfilError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let packed = pack(attributes, self.store.config.limits()).map_err(|excess| {
            self.store.refused(excess.into());
            FulfilError::from(excess)
        })?;
        self.store.fulfil_entry(&self.id, self.number, timeouts, packed.len(), |head| packed_entry(head, &packed))?;
        self.detach();
        Ok(())
    }
}

impl<T: Send + Sync + 'static> Reservation<'_, T> {
    /// Creates the session for which the id was reserved, with this value, in one step, unless the reservation has
    /// ended.
    ///
    /// Lock-free; allocates. Takes effect when the reservation is superseded by the session.
    ///
    /// # Errors
    ///
    /// [`FulfilError::Ended`] if the reservation has ended, [`FulfilError::Full`] at
    /// [`max_sessions`](crate::SessionConfig#structfield.max_sessions). The value is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionId, SessionStore, Timeouts};
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::<u32>::typed(SessionConfig::default());
    /// let id = SessionId::random()?; // from a cookie
    /// store.reserve(&id, Duration::from_secs(10))?.fulfil_with(Timeouts::default(), 7)?;
    /// assert_eq!(store.read(&id, |seven| *seven), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fulfil_with(self, timeouts: Timeouts, value: T) -> Result<(), FulfilError> {
        self.store.fulfil_entry(&self.id, self.number, timeouts, 0, |head| typed_entry(head, value))?;
        self.detach();
        Ok(())
    }
}

impl<T: Content + ?Sized> Drop for Reservation<'_, T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<T: Content + ?Sized> fmt::Debug for Reservation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").finish_non_exhaustive()
    }
}

impl From<Taken> for ReserveError {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Session => Self::Occupied,
            Taken::Reservation(_) => Self::Reserved,
            Taken::Bar => Self::Barred,
            Taken::Full => Self::Full,
        }
    }
}
