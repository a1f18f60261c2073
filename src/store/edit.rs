//! Changing string attributes: each operation replaces the session's version by a new one, or changes nothing.
//!
//! All of them use [`Table::update`](crate::table::Table::update), which builds a new version from the live one and
//! takes effect only if the old version is still live then. Otherwise it builds again, from the successor. The
//! attributes are written straight into the new entry.

use super::{SessionStore, error_of};
use crate::attributes::{Assignment, Attributes, Draft, Given, Merge, Removal, Version};
use crate::content::{Packed, Stored, packed_entry};
use crate::entry::{EntryRef, Owned, Tail};
use crate::error::{IncrementError, MissingError, SetError, SetIfError, TryUpdateError};
use crate::expiry::{Moment, Tick};
use crate::id::SessionId;
use crate::table::{Change, Refusal, Unlimited};
use core::fmt;

impl SessionStore {
    /// Sets an attribute, and touches the session. Never creates a session.
    ///
    /// Copies the session's attributes. Does not depend on
    /// [`max_sessions`](crate::SessionConfig#structfield.max_sessions). At
    /// [`max_bytes`](crate::SessionConfig#structfield.max_bytes), a larger value may end other sessions.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if the attribute has
    /// this value already, when the session is touched.
    ///
    /// # Errors
    ///
    /// [`SetError::Missing`] if there is no such session. [`SetError::TooManyAttributes`] beyond
    /// [`max_attributes`](crate::SessionConfig#structfield.max_attributes), otherwise [`SetError::TooLarge`] beyond
    /// [`max_session_bytes`](crate::SessionConfig#structfield.max_session_bytes). [`SetError::BytesFull`] if the
    /// session would become larger than [`max_bytes`](crate::SessionConfig#structfield.max_bytes) allows and
    /// [`when_full`](crate::SessionConfig#structfield.when_full) finds no room. On an error no attribute has changed,
    /// and the session is not touched; other sessions may have been ended to make room.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SetError;
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// store.set(&id, "theme", "dark")?;
    /// store.delete(&id);
    /// assert!(matches!(store.set(&id, "theme", "light"), Err(SetError::Missing(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, id: &SessionId, key: &str, value: &str) -> Result<(), SetError> {
        // Two copies of the whole operation, so that a limit in bytes costs one branch where there is none.
        if self.table.limits_bytes() {
            self.set_within::<true>(id, key, value)
        } else {
            self.set_within::<false>(id, key, value)
        }
    }

    #[inline]
    fn set_within<const LIMITED: bool>(&self, id: &SessionId, key: &str, value: &str) -> Result<(), SetError> {
        let limits = self.config.limits();
        self.edit_knowing::<LIMITED, _>(id, self.moment(), |version, stamp| {
            let assignment = Assignment::new(Attributes::of(version), key, value);
            if assignment.is_noop() {
                return Ok(Change::Touch);
            }
            let size = assignment.size_within(limits).map_err(SetError::from)?;
            Ok(replaced(version, stamp, size, |text| assignment.write(text)))
        })
    }

    /// Sets several attributes in one step, and touches the session: no thread sees only some of them. If a key is
    /// given twice, the last value counts.
    ///
    /// The time is in proportion to the attributes that are given and those that the session has.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if all attributes have
    /// these values already, when the session is touched.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set). If the given attributes alone exceed a limit, the number or the size in the error is
    /// theirs, and the iterator is not asked for more, as in [`create_with`](Self::create_with).
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("role", "none")])?;
    /// store.set_each(&id, [("user", "ada"), ("role", "admin")])?;
    /// assert_eq!(store.get_each(&id, ["user", "role"]), Some([Some("ada".to_owned()), Some("admin".to_owned())]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_each<I, K, V>(&self, id: &SessionId, attributes: I) -> Result<(), SetError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let limits = self.config.limits();
        let given = Given::within(limits, attributes);
        self.edit(id, |version, stamp| {
            let given = given.as_ref().map_err(|&excess| SetError::from(excess))?;
            let merge = Merge::new(Attributes::of(version), given);
            if merge.is_noop() {
                return Ok(Change::Touch);
            }
            let size = merge.size_within(limits).map_err(SetError::from)?;
            Ok(replaced(version, stamp, size, |text| merge.write(text)))
        })
    }

    /// Removes an attribute, and touches the session. Returns whether the attribute was there.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if there is no such
    /// attribute, when the session is touched.
    ///
    /// # Errors
    ///
    /// [`MissingError`] if there is no such session.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
    /// assert_eq!(store.remove(&id, "role"), Ok(true));
    /// assert_eq!(store.remove(&id, "role"), Ok(false));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn remove(&self, id: &SessionId, key: &str) -> Result<bool, MissingError> {
        self.removal(id, key, |_| ()).map(|removed| removed.is_some())
    }

    /// Removes an attribute and returns its value, and touches the session. `None` if there is no such attribute or no
    /// such session.
    ///
    /// For values that are used once: a flash message, a single-use token. If several threads take the attribute at
    /// once, one of them gets it.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if there is no such
    /// attribute, when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("flash", "Saved.")])?;
    /// assert_eq!(store.take(&id, "flash").as_deref(), Some("Saved."));
    /// assert_eq!(store.take(&id, "flash"), None);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn take(&self, id: &SessionId, key: &str) -> Option<String> {
        self.removal(id, key, str::to_owned).ok().flatten()
    }

    fn removal<R>(&self, id: &SessionId, key: &str, f: impl Fn(&str) -> R) -> Result<Option<R>, MissingError> {
        let mut removed = None;
        self.shrink(id, |version, stamp| {
            let removal = Removal::new(Attributes::of(version), key);
            removed = removal.as_ref().map(|removal| f(removal.value()));
            let change = removal.map(|removal| replaced(version, stamp, removal.size(), |text| removal.write(text)));
            change.unwrap_or(Change::Touch)
        })?;
        Ok(removed)
    }

    /// Removes all attributes, and touches the session, which stays.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if there are no
    /// attributes, when the session is touched.
    ///
    /// # Errors
    ///
    /// [`MissingError`] if there is no such session.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada")])?;
    /// store.clear(&id)?;
    /// assert_eq!(store.keys(&id), Some(vec![]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self, id: &SessionId) -> Result<(), MissingError> {
        self.shrink(id, |version, stamp| {
            let empty = Attributes::of(version).is_empty();
            if empty { Change::Touch } else { replaced(version, stamp, 0, |_| Ok(())) }
        })
    }

    /// Adds a number to an attribute that holds one in decimal digits, touches the session, and returns the sum. A
    /// missing attribute counts as 0.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if the value stays the
    /// same, when the session is touched.
    ///
    /// # Errors
    ///
    /// [`IncrementError::NotANumber`], [`IncrementError::Overflow`], and [`IncrementError::Set`] with the errors of
    /// [`set`](Self::set). On an error no attribute has changed, and the session is not touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// assert_eq!(store.increment(&id, "attempts", 1), Ok(1));
    /// assert_eq!(store.increment(&id, "attempts", 2), Ok(3));
    /// assert_eq!(store.get(&id, "attempts").as_deref(), Some("3"));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn increment(&self, id: &SessionId, key: &str, by: i64) -> Result<i64, IncrementError> {
        let limits = self.config.limits();
        let mut sum = 0;
        self.edit::<IncrementError>(id, |version, stamp| {
            let before = Attributes::of(version);
            let number = before.get(key).map_or(Ok(0), str::parse::<i64>).map_err(|_| IncrementError::NotANumber)?;
            sum = number.checked_add(by).ok_or(IncrementError::Overflow)?;
            let value = sum.to_string();
            let assignment = Assignment::new(before, key, &value);
            if assignment.is_noop() {
                return Ok(Change::Touch);
            }
            let size = assignment.size_within(limits).map_err(SetError::from)?;
            Ok(replaced(version, stamp, size, |text| assignment.write(text)))
        })?;
        Ok(sum)
    }

    /// Changes attributes by a closure, all in one step, and touches the session. Returns the result of the closure.
    ///
    /// No update is lost: if another change takes effect first, `f` is called again with a [`Draft`] of the new
    /// attributes. So `f` may be called several times, and should do nothing but edit its draft. A closure that changes
    /// the same session through the store each time makes the call endless. The closure runs as in
    /// [`read`](Self::read). If it panics, nothing has changed. A closure that may decide to change nothing is for
    /// [`try_update`](Self::try_update).
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the session's previous version is superseded, or if the
    /// attributes stay the same, when the session is touched.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set). The limits apply to the attributes that `f` leaves behind.
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("anonymous", "yes"), ("basket", "apple")])?;
    /// let items = store.update(&id, |draft| {
    ///     draft.remove("anonymous");
    ///     let basket = format!("{},pear", draft.get("basket").unwrap_or_default());
    ///     draft.set("basket", &basket);
    ///     basket.split(',').count()
    /// })?;
    /// assert_eq!(items, 2);
    /// assert_eq!(store.get(&id, "basket").as_deref(), Some("apple,pear"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update<R>(&self, id: &SessionId, mut f: impl FnMut(&mut Draft<'_>) -> R) -> Result<R, SetError> {
        let (result, _) = self.edit_draft(id, |_, draft| Ok::<_, SetError>(f(draft)))?;
        Ok(result)
    }

    /// Does the same as [`update`](Self::update), unless `f` returns an error. Then nothing has changed, and the
    /// session is not touched.
    ///
    /// Lock-free if `f` is; allocates. Takes effect as `update` does. An abandoned update takes effect as a look-up,
    /// when the session is found live.
    ///
    /// # Errors
    ///
    /// [`TryUpdateError::Abandoned`] with the error of `f`, and [`TryUpdateError::Set`] with the errors of
    /// [`update`](Self::update).
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::TryUpdateError;
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("credit", "3")])?;
    /// let spend = |amount: u32| {
    ///     store.try_update(&id, |draft| {
    ///         let credit: u32 = draft.get("credit").and_then(|credit| credit.parse().ok()).unwrap_or(0);
    ///         let left = credit.checked_sub(amount).ok_or("not enough")?;
    ///         draft.set("credit", &left.to_string());
    ///         Ok(left)
    ///     })
    /// };
    /// assert_eq!(spend(2), Ok(1));
    /// assert_eq!(spend(2), Err(TryUpdateError::Abandoned("not enough")));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn try_update<R, E>(
        &self,
        id: &SessionId,
        mut f: impl FnMut(&mut Draft<'_>) -> Result<R, E>,
    ) -> Result<R, TryUpdateError<E>> {
        let (result, _) = self.edit_draft(id, |_, draft| f(draft).map_err(TryUpdateError::Abandoned))?;
        Ok(result)
    }

    /// Sets an attribute if the session is still at this version, and touches the session. Returns the session's new
    /// version.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or if the attribute has
    /// this value already, when the session is touched. In the second case the version stays the same.
    ///
    /// # Errors
    ///
    /// [`SetIfError::Changed`] if the session is at another version, and [`SetIfError::Set`] with the errors of
    /// [`set`](Self::set). On an error no attribute has changed, and the session is not touched.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SetIfError;
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("text", "a draft")])?;
    /// let seen = store.snapshot(&id).expect("the session is live");
    /// let saved = store.set_if(&id, seen.version(), "text", "a better draft")?;
    /// // Another window, which still shows the first version:
    /// assert_eq!(store.set_if(&id, seen.version(), "text", "a draft of mine"), Err(SetIfError::Changed));
    /// assert_eq!(store.version(&id), Some(saved));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_if(&self, id: &SessionId, version: Version, key: &str, value: &str) -> Result<Version, SetIfError> {
        self.update_if(id, version, |draft| draft.set(key, value)).map(|((), version)| version)
    }

    /// Changes attributes by a closure, all in one step, if the session is still at this version, and touches the
    /// session. Returns the result of the closure and the session's new version.
    ///
    /// As in [`update`](Self::update), `f` may be called several times, but only with the attributes of this version.
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the session's previous version is superseded, or if the
    /// attributes stay the same, when the session is touched. In the second case the version stays the same.
    ///
    /// # Errors
    ///
    /// As for [`set_if`](Self::set_if).
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SetIfError;
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("step", "address")])?;
    /// let seen = store.version(&id).expect("the session is live");
    /// let (before, now) = store.update_if(&id, seen, |draft| {
    ///     let before = draft.take("step");
    ///     draft.set("step", "payment");
    ///     before
    /// })?;
    /// assert_eq!(before.as_deref(), Some("address"));
    /// assert_eq!(store.update_if(&id, seen, |draft| draft.clear()), Err(SetIfError::Changed));
    /// assert_eq!(store.version(&id), Some(now));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update_if<R>(
        &self,
        id: &SessionId,
        version: Version,
        mut f: impl FnMut(&mut Draft<'_>) -> R,
    ) -> Result<(R, Version), SetIfError> {
        self.edit_draft(id, |found, draft| if found == version { Ok(f(draft)) } else { Err(SetIfError::Changed) })
    }

    /// Edits a draft of the live version, and returns the version that the session is at afterwards.
    fn edit_draft<R, E: From<SetError> + From<MissingError>>(
        &self,
        id: &SessionId,
        mut f: impl FnMut(Version, &mut Draft<'_>) -> Result<R, E>,
    ) -> Result<(R, Version), E> {
        let limits = self.config.limits();
        let mut outcome = None;
        self.edit::<E>(id, |version, stamp| {
            let (before, number) = (Attributes::of(version), Version::new(version.version()));
            let mut draft = Draft::of(before);
            let result = f(number, &mut draft)?;
            // Checked before `packed`, which may have to copy the attributes.
            draft.check(limits).map_err(SetError::from)?;
            if draft.packed() == version.text() {
                outcome = Some((result, number));
                return Ok(Change::Touch);
            }
            outcome = Some((result, number.next()));
            let overrides = version.overrides();
            Ok(Change::Replace(packed_entry(version.next_head(stamp, &overrides), draft.packed())))
        })?;
        Ok(outcome.expect("a successful update was built"))
    }

    fn edit<E: From<SetError> + From<MissingError>>(
        &self,
        id: &SessionId,
        build: impl FnMut(EntryRef<'_, Packed>, Tick) -> Result<Change<Packed>, E>,
    ) -> Result<(), E> {
        self.edit_at(id, self.moment(), build)
    }

    /// Changes a session, which may become larger: at the limit in bytes other sessions may be ended for it.
    pub(super) fn edit_at<E: From<SetError> + From<MissingError>>(
        &self,
        id: &SessionId,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, Packed>, Tick) -> Result<Change<Packed>, E>,
    ) -> Result<(), E> {
        if self.table.limits_bytes() {
            self.edit_knowing::<true, _>(id, moment, build)
        } else {
            self.edit_knowing::<false, _>(id, moment, build)
        }
    }

    /// The same where it is known whether there is a limit in bytes.
    #[inline]
    fn edit_knowing<const LIMITED: bool, E: From<SetError> + From<MissingError>>(
        &self,
        id: &SessionId,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, Packed>, Tick) -> Result<Change<Packed>, E>,
    ) -> Result<(), E> {
        if LIMITED {
            return self.edit_within(id, moment, build);
        }
        self.table.update_within(id.as_bytes(), moment, &mut Unlimited, build).map_err(error_of)
    }

    /// The same at a limit in bytes.
    #[inline(never)]
    fn edit_within<E: From<SetError> + From<MissingError>>(
        &self,
        id: &SessionId,
        moment: Moment<'_>,
        mut build: impl FnMut(EntryRef<'_, Packed>, Tick) -> Result<Change<Packed>, E>,
    ) -> Result<(), E> {
        let edited = self.with_room(id, moment, |room| match room {
            Some(room) => self.table.update_within(id.as_bytes(), moment, room, &mut build),
            None => Err(Refusal::Full),
        });
        edited.map_err(|refusal| match refusal {
            Refusal::Full => SetError::BytesFull.into(),
            refusal => error_of(refusal),
        })
    }

    /// Changes a session, which does not become larger.
    fn shrink(
        &self,
        id: &SessionId,
        mut build: impl FnMut(EntryRef<'_, Packed>, Tick) -> Change<Packed>,
    ) -> Result<(), MissingError> {
        let build = |version: EntryRef<'_, Packed>, stamp| Ok::<_, MissingError>(build(version, stamp));
        self.table.update(id.as_bytes(), self.moment(), build).map_err(error_of)
    }
}

/// Replaces the version by one with `len` bytes of packed attributes, which `write` writes.
fn replaced(
    version: EntryRef<'_, Packed>,
    stamp: Tick,
    len: usize,
    write: impl FnOnce(&mut Tail<'_>) -> fmt::Result,
) -> Change<Packed> {
    let len = u32::try_from(len).expect("a session's size limit fits 32 bits");
    let overrides = version.overrides();
    Change::Replace(Owned::new(version.next_head(stamp, &overrides), Attributes::absent(), len, |text| {
        write(text).expect("the text has the length of the attributes")
    }))
}
