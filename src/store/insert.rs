//! Sessions under ids that the caller brings, and sessions replaced as a whole: for frameworks that draw ids
//! themselves, and for caches.
//!
//! Such a session is bound to no principal: the index of principals counts on it that an id which has ended never comes
//! back.

use super::{SessionStore, Timeouts, why_unchanged};
use crate::attributes::pack;
use crate::content::{Content, Stored, packed_entry, typed_entry};
use crate::entry::{EntryRef, Head, Overrides, Owned};
use crate::error::{InsertError, SetError, UpdateError};
use crate::expiry::{Moment, Tick};
use crate::id::SessionId;
use crate::sync::Ordering;
use crate::table::Change;

impl<T: Content + ?Sized> SessionStore<T> {
    fn insert_entry(
        &self,
        id: &SessionId,
        timeouts: Timeouts,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<(), InsertError> {
        let moment = self.moment();
        // Before a place is taken, for which another session may have to end.
        if self.is_occupied(id, moment) {
            return Err(InsertError::Occupied);
        }
        let place = self.enter(id, false, moment).map_err(|full| {
            self.refused(full);
            InsertError::Full
        })?;
        let limits = self.limits(moment.now(), timeouts);
        // Relaxed: a mere number. The first is 1, for 0 is that of sessions whose ids the store has drawn.
        let serial = self.inserted.fetch_add(1, Ordering::Relaxed) + 1;
        let overrides = Overrides { limits, serial, ..Overrides::NONE };
        let new = build(Head::first(*id.as_bytes(), moment.now(), &overrides));
        self.table.insert(place, new, moment).map_err(|_| InsertError::Occupied)?;
        self.tracer.created(id.as_bytes());
        Ok(())
    }

    fn is_occupied(&self, id: &SessionId, moment: Moment<'_>) -> bool {
        self.table.read(id.as_bytes(), false, moment, |_| ()).is_ok()
    }

    /// What comes next for a version, by the timeouts that it has and those that are given.
    pub(super) fn overrides_after(
        &self,
        version: EntryRef<'_, T::Payload>,
        timeouts: Timeouts,
        now: Tick,
    ) -> Overrides {
        let before = version.overrides();
        let kept = timeouts == Timeouts::default();
        let limits = if kept { before.limits } else { Some(self.changed(self.limits_of(version), now, timeouts)) };
        Overrides { limits, ..before }
    }
}

impl SessionStore {
    /// Creates a session under an id that the caller brings, with these attributes, in one step.
    ///
    /// For frameworks that draw session ids themselves, and for caches in front of another store. **The id is as hard
    /// to guess as the caller has made it**: who guesses it has the session. OWASP asks for [64 bits of entropy][owasp]
    /// at least, from a cryptographically secure generator. Wherever the store may draw the id, prefer
    /// [`create_with`](Self::create_with).
    ///
    /// An expired session that nobody has met yet does not count as one of that id: it ends. Nor does one that was
    /// deleted: what this creates is another session, which has nothing of the former one, and whose
    /// [`version`](Self::version)s are counted from the beginning. So who inserts ids that have been in use before
    /// decides for himself whether a revoked id may come back. Of several threads that insert one id at a time, one
    /// creates the session. Do not insert ids that this store has drawn: what still refers to the former session of
    /// such an id, a rotation's grace or [`end_sessions_of`](Self::end_sessions_of) under way, then finds the new one.
    ///
    /// The session is bound to no [`Principal`](crate::Principal); [`bind`](Self::bind) gives it another id. An id that
    /// still leads to a session after a [rotation](Self::rotation) with grace is taken.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`InsertError::Occupied`] if there is a live session of this id, which has not been touched;
    /// [`InsertError::Full`],
    /// [`InsertError::TooManyAttributes`] and [`InsertError::TooLarge`] as for [`create_with`](Self::create_with). In
    /// either case nothing has changed, but for sessions that were ended to make room.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{InsertError, SessionId, Timeouts};
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let id = SessionId::random()?; // drawn by somebody else
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
        self.insert_entry(id, timeouts, |head| packed_entry(head, &packed))
    }

    /// Replaces all attributes of a session by these, gives it other timeouts from now on (what [`Timeouts`] does not
    /// say stays as it is), and touches it, in one step. Never creates a session.
    ///
    /// For frameworks that hand over a session's whole state when a request has been answered. What others have set
    /// meanwhile is gone then; where that matters, [`set`](Self::set) or [`update`](Self::update).
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set). The attributes are taken from the iterator as [`create_with`](Self::create_with)
    /// takes them.
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
        let result = self.table.update(id.as_bytes(), moment, |version, stamp| {
            let packed = packed.as_ref().map_err(|&excess| SetError::from(excess))?;
            let overrides = self.overrides_after(version, timeouts, moment.now());
            Ok(Change::Replace(packed_entry(version.next_head(stamp, &overrides), packed)))
        });
        result.map_err(why_unchanged)
    }
}

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Creates a session under an id that the caller brings, with this value.
    ///
    /// For frameworks that draw session ids themselves, and for caches in front of another store. **The id is as hard
    /// to guess as the caller has made it**: who guesses it has the session. Wherever the store may draw the id, prefer
    /// [`create_with`](Self::create_with). What becomes of expired and deleted sessions of that id, and of principals,
    /// is told at the [same operation on attributes](SessionStore#method.insert_with).
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`InsertError::Occupied`] if there is a live session of this id, which has not been touched;
    /// [`InsertError::Full`] as for [`create_with`](Self::create_with). The value is dropped then.
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
        self.insert_entry(id, timeouts, |head| typed_entry(head, value))
    }

    /// Replaces a session's value by what `f` makes of it, gives it other timeouts from now on (what [`Timeouts`] does
    /// not say stays as it is), and touches it, in one step. [`update`](Self::update) otherwise.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// [`UpdateError::NotFound`] if there is no such session, [`UpdateError::Expired`] if there was but it had expired
    /// (it is removed then).
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
    ) -> Result<(), UpdateError> {
        let moment = self.moment();
        let result = self.table.update(id.as_bytes(), moment, |version, stamp| {
            let overrides = self.overrides_after(version, timeouts, moment.now());
            Ok::<_, UpdateError>(Change::Replace(typed_entry(version.next_head(stamp, &overrides), f(T::of(version)))))
        });
        result.map_err(why_unchanged)
    }
}
