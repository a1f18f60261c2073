//! Giving a session another id.

use super::undo::{Replicator, Undo, copy_of};
use super::{SessionStore, Timeouts};
use crate::attributes::{Attributes, Draft};
use crate::content::{Content, Replicate, Replicated, Stored, packed_entry, typed_entry};
use crate::entry::account::Binding;
use crate::entry::{EntryRef, Head, Overrides, Owned};
use crate::error::{BindError, MissingError, RotateError};
use crate::events::RemovalCause;
use crate::expiry::limit;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::registry::replaced::Fate;
use crate::table::{Former, Refusal};
use core::fmt;
use core::time::Duration;

impl<T: Replicate + ?Sized> SessionStore<T> {
    /// Gives a session a new id and ends the old one. Call it when a visitor gains privileges, so that an id that an
    /// attacker has planted or learnt before is worthless (session fixation; [OWASP][owasp], ASVS 5 requirement 7.2.4).
    /// A login with a principal has [`login`](SessionStore#method.login).
    ///
    /// The old id is dead at one instant, whatever operations are in progress: a `set` under the old id either takes
    /// effect before that instant and is visible under the new id, or fails. The session keeps its attributes, its
    /// timeouts and the start of its absolute timeout, and is touched.
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies. Between that instant and the return
    /// of this call, the session has no known id.
    ///
    /// # Errors
    ///
    /// [`RotateError::Missing`] if there is no such session, [`RotateError::Random`] if the operating system gives no
    /// random bytes. On an error the session is unchanged. [`RotateError::BytesFull`] only for a
    /// [`rotation`](Self::rotation) with a grace at [`max_bytes`](crate::SessionConfig#structfield.max_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let anonymous = store.create_with([("basket", "3 apples")])?;
    /// let id = store.rotate_id(&anonymous)?;
    /// assert_eq!(store.get(&id, "basket").as_deref(), Some("3 apples"));
    /// assert!(!store.exists(&anonymous));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change
    pub fn rotate_id(&self, id: &SessionId) -> Result<SessionId, RotateError> {
        self.rotation(id).rotate()
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns a builder for a [rotation](Self::rotate_id) or a [login](SessionStore#method.login) with a grace or
    /// other timeouts. Its methods that consume it, such as [`Rotation::rotate`], do the rotation.
    ///
    /// Wait-free; allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let store = cloakroom::SessionStore::default();
    /// let old = store.create()?;
    /// let new = store.rotation(&old).grace(Duration::from_secs(5)).rotate()?;
    /// assert!(store.exists(&old) && store.exists(&new));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rotation<'s>(&'s self, id: &'s SessionId) -> Rotation<'s, T> {
        Rotation { store: self, id, grace: Duration::ZERO, timeouts: Timeouts::default(), undo: None }
    }
}

/// Maps a refusal of the table to the reason why a session is not rotated.
pub(super) fn unrotated(refusal: Refusal<()>) -> BindError {
    match refusal {
        Refusal::Expired => BindError::Missing(MissingError::Expired),
        Refusal::NotFound | Refusal::Build(()) => BindError::Missing(MissingError::NotFound),
        Refusal::Full => BindError::BytesFull,
    }
}

/// Gives a session a new id. Made by [`SessionStore::rotation`].
///
/// The setters are wait-free and allocate nothing. `Debug` shows the grace and the timeouts, and not the id.
#[must_use = "nothing is rotated before `rotate`, `bind` or a login is called"]
pub struct Rotation<'s, T: Content + ?Sized> {
    store: &'s SessionStore<T>,
    id: &'s SessionId,
    grace: Duration,
    timeouts: Timeouts,
    /// Where the caller wants to have what takes the rotation back.
    undo: Option<&'s mut Option<Undo<T>>>,
}

/// Shows neither the store nor the id.
impl<T: Content + ?Sized> fmt::Debug for Rotation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").field("grace", &self.grace).field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl<'s, T: Content + ?Sized> Rotation<'s, T> {
    /// Lets the caller take the rotation or the login back: puts an [`Undo`] into `undo` if it succeeds and the session
    /// keeps its content.
    ///
    /// `undo` stays `None` after a rotation with a [grace](Self::grace), after a login to a session of another
    /// principal, which has ended for good, after [`login_with`](Rotation#method.login_with), whose value cannot be
    /// copied, and while another tentative rotation of the same id is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// let mut undo = None;
    /// let ada = store.rotation(&visitor).undo(&mut undo).login(&Principal::new("ada"))?;
    /// store.set(&ada, "address", "12 St James's Square")?;
    ///
    /// // The client has hung up before it received the new id.
    /// assert!(store.take_back(&undo.expect("it was a login")));
    /// assert_eq!(store.get(&visitor, "basket").as_deref(), Some("3 apples"));
    /// assert_eq!((store.get(&visitor, "address"), store.principal(&visitor)), (None, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn undo(mut self, undo: &'s mut Option<Undo<T>>) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Lets the old id forward to the session for this long after the rotation: for requests that were already on their
    /// way with the old cookie.
    ///
    /// Under the old id the session can be read, touched and deleted, but not changed or rotated. The old id forwards
    /// until the grace is over, the session is rotated again (with or without grace), or the session ends. So a session
    /// has one former id at most, and [`max_sessions`](crate::SessionConfig#structfield.max_sessions) bounds the number
    /// of former ids too. Former ids take no place and are not in [`count`](SessionStore::count).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let store = cloakroom::SessionStore::default();
    /// let old = store.create_with([("user", "ada")])?;
    /// let new = store.rotation(&old).grace(Duration::from_secs(5)).rotate()?;
    /// assert_eq!(store.get(&old, "user").as_deref(), Some("ada"));
    /// assert!(store.set(&old, "user", "eve").is_err());
    /// store.delete(&new);
    /// assert_eq!(store.get(&old, "user"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Changes the given timeouts of the session from the rotation on.
    ///
    /// With it a login restarts the absolute timeout in the same step: the session is never bound under the timeouts
    /// that it had before.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, Principal, SessionStore, Timeouts};
    /// use std::time::Duration;
    ///
    /// let (clock, day) = (ManualClock::new(), Duration::from_secs(24 * 60 * 60));
    /// let store = SessionStore::builder().ttl(day).absolute_timeout(day).clock(clock.clone()).build()?;
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// clock.advance(day);
    /// let restarted = Timeouts::default().absolute(day);
    /// let ada = store.rotation(&visitor).timeouts(restarted).login(&Principal::new("ada"))?;
    /// assert_eq!(store.expires_in(&ada), Some(day));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

impl<T: Replicate + ?Sized> Rotation<'_, T> {
    /// Rotates the id, and returns the new one: see [`SessionStore::rotate_id`].
    ///
    /// Lock-free; allocates. A rotation with grace takes effect at one instant too: from then on, the new id is valid
    /// and the old id forwards to it.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::rotate_id`].
    pub fn rotate(self) -> Result<SessionId, RotateError> {
        let copy = |version: EntryRef<'_, T::Payload>, head: Head<'_>, _| T::replicate(version, head);
        let rotated = self.changed_id(Owner::Same, |_| Ok(()), Some(T::replicate), copy);
        rotated.map_err(without_principal)
    }

    /// Binds the session to a principal, and returns its new id: see [`SessionStore::bind`].
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::bind`].
    pub fn bind(self, principal: &Principal) -> Result<SessionId, BindError> {
        let mine = |before| if before == *principal { Ok(()) } else { Err(BindError::OtherPrincipal) };
        let copy = |version: EntryRef<'_, T::Payload>, head: Head<'_>, _| T::replicate(version, head);
        self.changed_id(Owner::Principal(principal), mine, Some(T::replicate), copy)
    }
}

impl Rotation<'_, Attributes> {
    /// Logs a visitor in, and returns the session's new id: see [`SessionStore::login`].
    ///
    /// With a [grace](Self::grace), a request with the old id can read attributes that are set after the login. Give no
    /// grace if an attacker may know the old id. If the session is bound to another principal, it ends, and the old id
    /// is dead whatever the grace.
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::login`].
    pub fn login(self, principal: &Principal) -> Result<SessionId, BindError> {
        self.log_in(principal, Some(Attributes::replicate), |version, head, kept| {
            if kept { Attributes::replicate(version, head) } else { packed_entry(head, "") }
        })
    }
}

impl<T: Send + Sync + 'static> Rotation<'_, T> {
    /// Logs a visitor in, and returns the session's new id: see [`SessionStore::login_with`], and
    /// [`login`](Rotation#method.login) about a grace.
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::login_with`].
    ///
    /// # Panics
    ///
    /// If `f` panics.
    pub fn login_with(self, principal: &Principal, mut f: impl FnMut(Option<&T>) -> T) -> Result<SessionId, BindError> {
        self.log_in(principal, None, |version, head, kept| typed_entry(head, f(kept.then(|| T::of(version)))))
    }
}

impl Rotation<'_, Attributes> {
    /// Takes the session from its principal, and returns the new id: see [`SessionStore::unbind`].
    ///
    /// Lock-free if `keep` is; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::unbind`].
    ///
    /// # Panics
    ///
    /// If `keep` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionStore, Timeouts};
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::default();
    /// let user = store.create_with([("basket", "3 apples"), ("name", "Ada")])?;
    /// let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 60 * 60));
    /// let visitor = store.rotation(&user).timeouts(Timeouts::default().idle(day)).unbind(|key| key == "basket")?;
    /// assert!(store.expires_in(&visitor).is_some_and(|left| left > day - minute));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unbind(self, mut keep: impl FnMut(&str) -> bool) -> Result<SessionId, RotateError> {
        self.leave(|version, head| {
            let before = Attributes::of(version);
            let mut draft = Draft::of(before);
            before.iter().filter(|(key, _)| !keep(key)).for_each(|(key, _)| _ = draft.remove(key));
            packed_entry(head, draft.packed())
        })
    }
}

impl<T: Send + Sync + 'static> Rotation<'_, T> {
    /// Takes the session from its principal, and returns the new id: see [`SessionStore::unbind_with`].
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::unbind_with`].
    ///
    /// # Panics
    ///
    /// If `f` panics.
    pub fn unbind_with(self, mut f: impl FnMut(&T) -> T) -> Result<SessionId, RotateError> {
        self.leave(|version, head| typed_entry(head, f(T::of(version))))
    }
}

/// To whom a session belongs after it was given another id.
#[derive(Clone, Copy)]
enum Owner<'p> {
    /// To the same principal as before, or to none as before.
    Same,
    Principal(&'p Principal),
    Nobody,
}

fn without_principal(error: BindError) -> RotateError {
    match error {
        BindError::Missing(missing) => RotateError::Missing(missing),
        BindError::BytesFull => RotateError::BytesFull,
        BindError::Random(cause) => RotateError::Random(cause),
        BindError::PrincipalFull | BindError::OtherPrincipal => unreachable!("the session joins no principal"),
    }
}

impl<T: Content + ?Sized> Rotation<'_, T> {
    fn log_in(
        self,
        principal: &Principal,
        replicate: Option<Replicator<T>>,
        build: impl FnMut(EntryRef<'_, T::Payload>, Head<'_>, bool) -> Owned<T::Payload>,
    ) -> Result<SessionId, BindError> {
        self.changed_id(Owner::Principal(principal), |_| Ok(()), replicate, build)
    }

    /// Takes the session from its principal, with the content that `build` writes.
    fn leave(
        self,
        mut build: impl FnMut(EntryRef<'_, T::Payload>, Head<'_>) -> Owned<T::Payload>,
    ) -> Result<SessionId, RotateError> {
        let left = self.changed_id(Owner::Nobody, |_| Ok(()), None, |version, head, _| build(version, head));
        left.map_err(without_principal)
    }

    /// Moves the session to a new id, as [`change_id`](Self::change_id) does, if `check` admits the principal to which
    /// it is bound. Tells the journal.
    fn changed_id(
        mut self,
        owner: Owner<'_>,
        check: impl Fn(Principal) -> Result<(), BindError>,
        replicate: Option<Replicator<T>>,
        mut build: impl FnMut(EntryRef<'_, T::Payload>, Head<'_>, bool) -> Owned<T::Payload>,
    ) -> Result<SessionId, BindError> {
        let (store, asked) = (self.store, self.id);
        let new = store.on_session(asked, |id| {
            let before = store.binding_at(id).map_err(unrotated)?;
            before.map_or(Ok(()), |(before, _)| check(before))?;
            self.change_id(id, before, owner, replicate, &mut build)
        });
        if let Ok(new) = &new {
            store.note_rotation(asked, new);
        }
        store.settle();
        new
    }

    /// Moves the session to a new id with the content that `build` writes, and to another owner. `before` is the
    /// present binding of the session. The last argument of `build` says whether the session lives on: not if another
    /// principal is bound to it, or if it loses its principal. Then it ends, and another session begins in its place.
    /// `replicate` copies the content for the caller who may want to take this back. `id` is the session's id, or its
    /// stand-in.
    fn change_id(
        &mut self,
        id: &SessionId,
        before: Option<(Principal, Binding)>,
        owner: Owner<'_>,
        replicate: Option<Replicator<T>>,
        mut build: impl FnMut(EntryRef<'_, T::Payload>, Head<'_>, bool) -> Owned<T::Payload>,
    ) -> Result<SessionId, BindError> {
        let Self { store, id: asked, grace, timeouts, .. } = *self;
        // A restored session does not go back to its stand-in.
        let undo = self.undo.as_deref_mut().filter(|_| id == asked);
        let new = SessionId::draw(store.config.batch_ids)?;
        let moment = store.moment();
        let was_bound = before.is_some();
        let (kept, principal) = match owner {
            Owner::Same => (true, None),
            Owner::Principal(principal) => (before.is_none_or(|(before, _)| before == *principal), Some(principal)),
            Owner::Nobody => (false, None),
        };
        let grace = (kept && !grace.is_zero()).then(|| limit(grace, store.time.resolution()));
        let seat = store.seat(before.filter(|_| kept), principal, id, &new, moment)?;
        let former = match grace {
            None if kept => Former::Ends(RemovalCause::Rotated),
            None => Former::Ends(RemovalCause::Deleted),
            Some(ticks) => Former::Forwards { end: moment.now().after(ticks), absent: T::absent, touch: true },
        };
        let copies = replicate.filter(|_| kept && grace.is_none() && undo.is_some());
        let announced = copies.and_then(|_| store.tentative.announce(*id.as_bytes(), *new.as_bytes()));
        let (copies, mut copied) = (copies.filter(|_| announced.is_some()), None);
        // Before the rotation takes effect, so that a look-up which misses the session finds that its id was replaced.
        store.remember(asked, Fate::Replaced, moment.now());
        let mut copy = |version: EntryRef<'_, T::Payload>, stamp| {
            copied = copies.map(|replicate| copy_of::<T>(version, id, replicate));
            let now = moment.now().in_era_of(stamp);
            let before = if kept {
                store.overrides_after(version, timeouts, now)
            } else {
                Overrides { limits: store.limits(now, timeouts), ..Overrides::NONE }
            };
            let binding = seat.binding().or(before.binding);
            let ticket = store.ticket_of_new_id(version.ticket(), kept, timeouts, now);
            let overrides = Overrides { binding, former: grace.map(|_| *id.as_bytes()), ticket, ..before };
            let head = if kept {
                version.next_head(stamp, &overrides)
            } else {
                Head::first(*id.as_bytes(), stamp, &overrides)
            };
            build(version, Head { key: *new.as_bytes(), ..head }, kept)
        };
        let rotated =
            store.with_room(id, moment, |room| store.table.rotate(id.as_bytes(), former, moment, room, &mut copy));
        rotated.map_err(unrotated)?;
        seat.take(store, &new, moment.now());
        if let (Some(undo), Some(announced), Some(copied), Some(replicate)) = (undo, announced, copied, copies) {
            *undo = Some(Undo::new(announced, (*id, new), copied, was_bound, replicate));
        }
        if kept {
            store.tracer.rotated(id.as_bytes(), new.as_bytes());
        } else {
            store.tracer.created(new.as_bytes());
        }
        Ok(new)
    }
}
