//! Creating sessions under ids of the caller, and replacing the whole content of a session: for frameworks that make
//! ids themselves, and for caches.
//!
//! Such a session is bound to no principal, because the index of principals relies on an id never being used again.

use super::{SessionStore, Timeouts, error_of};
use crate::attributes::pack;
use crate::content::{Content, Stored, packed_entry, typed_entry};
use crate::entry::{EntryRef, Head, Overrides, Owned, Ticket};
use crate::error::{CreateError, InsertError, MissingError, SetError};
use crate::expiry::{Moment, Tick};
use crate::id::SessionId;
use crate::sync::Ordering;
use crate::table::{Change, Taken};

impl<T: Content + ?Sized> SessionStore<T> {
    fn insert_entry(
        &self,
        id: &SessionId,
        timeouts: Timeouts,
        text_len: usize,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<(), InsertError> {
        let inserted = self.try_insert(id, timeouts, text_len, build);
        if inserted.is_ok() {
            self.tracer.created(id.as_bytes());
            self.note_change(id);
        }
        // Sessions may have ended for it, even if it was refused after all.
        self.settle();
        inserted
    }

    fn try_insert(
        &self,
        id: &SessionId,
        timeouts: Timeouts,
        text_len: usize,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<(), InsertError> {
        let moment = self.moment();
        // Checked before a place is reserved, because another session may have to end for the place.
        if self.is_occupied(id) {
            return Err(InsertError::Occupied);
        }
        let bytes = self.bytes_of_new(false, true, text_len);
        let place = bytes.and_then(|bytes| self.enter(None, id, false, bytes, moment)).map_err(|full| {
            self.refused(full);
            if full == CreateError::BytesFull { InsertError::BytesFull } else { InsertError::Full }
        })?;
        let limits = self.limits(moment.now(), timeouts);
        // Relaxed: only the number matters, and it publishes nothing. The first is 1; ids of the store's own have 0.
        let serial = self.inserted.fetch_add(1, Ordering::Relaxed) + 1;
        let ticket = Self::ticket_after(Ticket::NONE, timeouts, moment.now());
        let overrides = Overrides { limits, serial, ticket, ..Overrides::NONE };
        let new = build(Head::first(*id.as_bytes(), moment.now(), &overrides));
        match self.table.insert(place, new, moment) {
            Ok(()) => Ok(()),
            Err(new) => self.insert_over_reservation(id, new, text_len, moment),
        }
    }

    /// Inserts a session that something is in the way of, if that is a reservation.
    ///
    /// Lock-free: repeats its steps only if another thread has reserved the id anew.
    #[cold]
    fn insert_over_reservation(
        &self,
        id: &SessionId,
        mut new: Owned<T::Payload>,
        text_len: usize,
        moment: Moment<'_>,
    ) -> Result<(), InsertError> {
        loop {
            if !matches!(self.table.taken(id.as_bytes(), moment), Some(Taken::Reservation(_) | Taken::Bar)) {
                return Err(InsertError::Occupied);
            }
            self.end_reservation(id);
            let bytes = self.bytes_of_new(false, true, text_len);
            let place = bytes.and_then(|bytes| self.enter(None, id, false, bytes, moment)).map_err(|full| {
                self.refused(full);
                if full == CreateError::BytesFull { InsertError::BytesFull } else { InsertError::Full }
            })?;
            match self.table.insert(place, new, moment) {
                Ok(()) => return Ok(()),
                Err(back) => new = back,
            }
        }
    }

    fn is_occupied(&self, id: &SessionId) -> bool {
        self.read_version(id, false, |_| ()).is_ok()
    }

    /// The overrides of the version after `version`, with the given timeouts in place of its own.
    pub(super) fn overrides_after(
        &self,
        version: EntryRef<'_, T::Payload>,
        timeouts: Timeouts,
        now: Tick,
    ) -> Overrides {
        let before = version.overrides();
        let kept = timeouts == Timeouts::default();
        let limits = if kept { before.limits } else { self.limits_after(version, now, timeouts) };
        let ticket = Self::ticket_after(before.ticket, timeouts, Ticket::UNSENT);
        Overrides { limits, ticket, ..before }
    }
}

impl SessionStore {
    /// Creates a session under an id of the caller's, with these attributes, in one step.
    ///
    /// For frameworks that make session ids themselves, and for caches in front of another store. **The caller must
    /// make ids that cannot be guessed**: OWASP asks for at least [64 bits of entropy][owasp] from a cryptographically
    /// secure generator. If the store may make the id, prefer [`create_with`](Self::create_with).
    ///
    /// If a session of this id has expired, it ends and does not prevent the new one. The same holds for a deleted
    /// session, and for a [reservation](Self::reserve) of the id. The new session has nothing of the former one, and
    /// its [`version`](Self::version)s start again. So a caller that inserts an id for a second time decides that a
    /// revoked id becomes valid again. If several threads insert the same id at once, one of them creates the session.
    ///
    /// Do not insert ids that this store has made. The grace of a rotation, or a call of
    /// [`end_sessions_of`](Self::end_sessions_of) in progress, may still refer to the former session of such an id and
    /// would apply to the new one.
    ///
    /// The session is bound to no [`Principal`](crate::Principal); [`bind`](Self::bind) gives it another id. An id that
    /// still forwards to a session after a [rotation](Self::rotation) with grace is occupied.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`InsertError::Occupied`] if a live session has this id; that session is not touched. [`InsertError::Full`],
    /// [`InsertError::BytesFull`], [`InsertError::TooManyAttributes`] and [`InsertError::TooLarge`] as for
    /// [`create_with`](Self::create_with). On an error nothing has changed, except that sessions may have been ended to
    /// make room.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{InsertError, SessionId, Timeouts};
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = SessionId::random()?; // by the framework
    /// store.insert_with(&id, Timeouts::default(), [("user", "ada")])?;
    /// assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    /// assert_eq!(store.insert_with(&id, Timeouts::default(), [("user", "eve")]), Err(InsertError::Occupied));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-id-entropy
    pub fn insert_with<I, K, V>(&self, id: &SessionId, timeouts: Timeouts, attributes: I) -> Result<(), InsertError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let packed = pack(attributes, self.config.limits()).map_err(|excess| {
            self.refused(excess.into());
            InsertError::from(excess)
        })?;
        self.insert_entry(id, timeouts, packed.len(), |head| packed_entry(head, &packed))
    }

    /// Replaces all attributes of a session, changes the given timeouts from now on, and touches the session, in one
    /// step. Never creates a session.
    ///
    /// For frameworks that save a session's whole state after each request. Changes that other requests have made in
    /// the meantime are overwritten. If that matters, use [`set`](Self::set) or [`update`](Self::update).
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set). The iterator is used as in [`create_with`](Self::create_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Timeouts;
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada"), ("flash", "Welcome.")])?;
    /// let hour = Timeouts::default().absolute(Duration::from_secs(3_600));
    /// store.replace_with(&id, hour, [("user", "ada")])?;
    /// assert_eq!(store.keys(&id), Some(vec!["user".to_owned()]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace_with<I, K, V>(&self, id: &SessionId, timeouts: Timeouts, attributes: I) -> Result<(), SetError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let packed = pack(attributes, self.config.limits());
        let moment = self.moment();
        self.edit_at(id, moment, |version, stamp| {
            let packed = packed.as_ref().map_err(|&excess| SetError::from(excess))?;
            let overrides = self.overrides_after(version, timeouts, moment.now().in_era_of(stamp));
            Ok(Change::Replace(packed_entry(version.next_head(stamp, &overrides), packed)))
        })
    }
}

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Creates a session under an id of the caller's, with this value.
    ///
    /// For frameworks that make session ids themselves, and for caches in front of another store. **The caller must
    /// make ids that cannot be guessed.** If the store may make the id, prefer [`create_with`](Self::create_with). The
    /// [same operation on attributes](SessionStore#method.insert_with) explains what happens to former sessions of the
    /// id.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`InsertError::Occupied`] if a live session has this id; that session is not touched. [`InsertError::Full`] and
    /// [`InsertError::BytesFull`] as for [`create_with`](Self::create_with). The value is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionId, SessionStore, Timeouts};
    ///
    /// let store = SessionStore::<Vec<u32>>::typed(SessionConfig::default());
    /// let id = SessionId::random()?;
    /// store.insert_with(&id, Timeouts::default(), vec![7])?;
    /// assert_eq!(store.read(&id, Vec::len), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert_with(&self, id: &SessionId, timeouts: Timeouts, value: T) -> Result<(), InsertError> {
        self.insert_entry(id, timeouts, 0, |head| typed_entry(head, value))
    }

    /// Replaces a session's value by the result of `f`, changes the given timeouts from now on, and touches the
    /// session, in one step. Otherwise like [`update`](Self::update).
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// [`MissingError`] if there is no such session.
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore, Timeouts};
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::<u32>::typed(SessionConfig::default());
    /// let id = store.create_with(7)?;
    /// let minute = Timeouts::default().absolute(Duration::from_secs(60));
    /// store.replace_with(&id, minute, |seven| seven + 1)?;
    /// assert_eq!(store.read(&id, |eight| *eight), Some(8));
    /// assert!(store.expires_in(&id) < Some(Duration::from_secs(61)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace_with(
        &self,
        id: &SessionId,
        timeouts: Timeouts,
        mut f: impl FnMut(&T) -> T,
    ) -> Result<(), MissingError> {
        let moment = self.moment();
        let result = self.update_version(id, moment, |version, stamp| {
            let overrides = self.overrides_after(version, timeouts, moment.now().in_era_of(stamp));
            Ok::<_, MissingError>(Change::Replace(typed_entry(version.next_head(stamp, &overrides), f(T::of(version)))))
        });
        result.map_err(error_of)
    }
}
