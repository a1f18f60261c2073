//! Another id for a session.

#![deny(unsafe_code)]

use super::SessionStore;
use crate::content::Replicate;
use crate::entry::{EntryRef, Head, Owned, Terms};
use crate::error::{BindError, RotateError};
use crate::expiry::{Limits, Moment, Tick, limit};
use crate::id::SessionId;
use crate::principal::Principal;
use crate::table::{Place, Refusal};
use core::time::Duration;

impl<T: Replicate + ?Sized> SessionStore<T> {
    /// Gives a session a new id, and ends the old one: what a server does when a visitor logs in or gains privileges, so that an id that somebody else
    /// has planted or learnt before is worth nothing (session fixation; [OWASP][owasp], ASVS 5 requirement 7.2.4).
    ///
    /// The old id is dead at one instant, whatever is in flight: a `set` under it either comes before, and is there under the new id, or fails. Attributes, timeouts
    /// and the time that the absolute timeout counts from go with the session, which is touched.
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies. Between that and the return of this call the session cannot be named.
    ///
    /// # Errors
    ///
    /// [`RotateError::NotFound`] if there is no such session, [`RotateError::Expired`] if there was but it had expired (it is removed then),
    /// [`RotateError::Random`] if the operating system gives no random bytes; the session is as it was then.
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

    /// Begins a [rotation](Self::rotate_id) that differs from the plain one; nothing happens before [`Rotation::rotate`] is called.
    pub fn rotation<'s>(&'s self, id: &'s SessionId) -> Rotation<'s, T> {
        Rotation { store: self, id, grace: Duration::ZERO }
    }

    fn rotate_at_once(&self, id: &SessionId, new: Successor, moment: Moment<'_>) -> Result<(), RotateError> {
        let rotated =
            self.table.rotate(id.as_bytes(), moment, |version, stamp| new.version_after::<T>(version, stamp, None));
        rotated.map_err(RotateError::from_refusal)
    }

    /// Tries once. False if the session has been changed meanwhile.
    fn rotate_with_grace(
        &self,
        old: &SessionId,
        new: Successor,
        place: Place<'_>,
        grace: Duration,
        moment: Moment<'_>,
    ) -> Result<bool, RotateError> {
        let end = moment.now().after(limit(grace, self.time.resolution()));
        let copy = |version: EntryRef<'_, T::Payload>, stamp, limits| new.version_after::<T>(version, stamp, limits);
        let lead = |version: EntryRef<'_, T::Payload>, stamp| {
            // Nor does it lead to a session that has not been used by way of it for too long, which may be all that the session is used.
            let limits = Some(Limits { idle: self.limits_of(version).idle, end });
            let leading = Terms { limits, heir: Some(*new.id.as_bytes()), principal: None };
            Owned::new(version.next_head(stamp, &leading), T::absent(), 0, |_| {})
        };
        let rotated = self.table.rotate_with_grace(old.as_bytes(), moment, place, copy, lead);
        rotated.map_err(RotateError::from_refusal)
    }
}

/// The id under which a session goes on, and whom it is bound to then.
#[derive(Clone, Copy)]
struct Successor {
    id: SessionId,
    principal: Option<Principal>,
}

impl Successor {
    /// On the terms of the version before, but for its limits where others are given.
    fn version_after<T: Replicate + ?Sized>(
        &self,
        version: EntryRef<'_, T::Payload>,
        stamp: Tick,
        limits: Option<Limits>,
    ) -> Owned<T::Payload> {
        let principal = self.principal.map(|principal| *principal.key());
        let terms = Terms { principal, limits: limits.or(version.terms().limits), heir: None };
        T::replicate(version, Head { key: *self.id.as_bytes(), ..version.next_head(stamp, &terms) })
    }
}

impl RotateError {
    fn from_refusal(refusal: Refusal<()>) -> Self {
        match refusal {
            Refusal::Expired => Self::Expired,
            Refusal::NotFound | Refusal::Build(()) => Self::NotFound,
        }
    }
}

/// Gives a session a new id. Made by [`SessionStore::rotation`].
#[must_use = "nothing is rotated before `rotate` is called"]
pub struct Rotation<'s, T: Replicate + ?Sized> {
    store: &'s SessionStore<T>,
    id: &'s SessionId,
    grace: Duration,
}

impl<T: Replicate + ?Sized> Rotation<'_, T> {
    /// Lets the old id read the session for so long after the rotation: for requests that were under way with the old cookie.
    ///
    /// It stops earlier if the session is not used by way of the old id for as long as its idle timeout. Under the old id the session can be read, touched and deleted, but not changed or rotated again. Whatever ends the session ends this as well. While the rotation
    /// is under way the session counts twice; where [`max_sessions`](crate::SessionConfig::max_sessions) does not allow that, the old id ends
    /// at once, as it does with a grace of zero, the default.
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

    /// Rotates the id, and returns the new one. As [`SessionStore::rotate_id`].
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::rotate_id`].
    pub fn rotate(self) -> Result<SessionId, RotateError> {
        let new = SessionId::random().map_err(RotateError::Random)?;
        let tick = || self.store.time.tick();
        let moment = self.store.moment(&tick);
        let principal = self.store.bound_to(self.id).map_err(RotateError::from_refusal)?;
        let announced = self.store.announced_move(principal, self.id, &new, moment.now());
        let announced = announced.ok_or(RotateError::NotFound)?;
        self.move_to(Successor { id: new, principal }, moment)?;
        announced.arrive();
        self.store.tracer.rotated(self.id.as_bytes(), new.as_bytes());
        Ok(new)
    }

    /// Binds the session to a principal, and returns its new id. As [`SessionStore::bind`].
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::bind`].
    pub fn bind(self, principal: &Principal) -> Result<SessionId, BindError> {
        let before = self.store.bound_to(self.id).map_err(RotateError::from_refusal)?;
        if before.as_ref() == Some(principal) {
            return Ok(self.rotate()?);
        }
        let new = SessionId::random().map_err(BindError::Random)?;
        let tick = || self.store.time.tick();
        let moment = self.store.moment(&tick);
        let announced = self.store.announced(Some(*principal), &new, moment.now()).ok_or(BindError::PrincipalFull)?;
        self.move_to(Successor { id: new, principal: Some(*principal) }, moment)?;
        announced.arrive();
        self.store.tracer.rotated(self.id.as_bytes(), new.as_bytes());
        Ok(new)
    }

    fn move_to(&self, new: Successor, moment: Moment<'_>) -> Result<(), RotateError> {
        let Self { store, id, grace } = *self;
        while !grace.is_zero()
            && let Some(place) = store.enter_now(&new.id)
        {
            if store.rotate_with_grace(id, new, place, grace, moment)? {
                return Ok(());
            }
        }
        store.rotate_at_once(id, new, moment)
    }
}
