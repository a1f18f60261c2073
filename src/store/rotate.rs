//! Another id for a session.

use super::{SessionStore, Timeouts};
use crate::attributes::Attributes;
use crate::content::{Content, Replicate, Replicated, Stored, packed_entry, typed_entry};
use crate::entry::account::Binding;
use crate::entry::{EntryRef, Head, Overrides, Owned};
use crate::error::{BindError, RotateError};
use crate::events::RemovalCause;
use crate::expiry::limit;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::table::{Former, Refusal};
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
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Begins a [rotation](Self::rotate_id), or a [login](SessionStore#method.login), that differs from the plain one.
    /// Nothing happens before [`Rotation::rotate`] is called, or another method that consumes the [`Rotation`].
    pub fn rotation<'s>(&'s self, id: &'s SessionId) -> Rotation<'s, T> {
        Rotation { store: self, id, grace: Duration::ZERO, timeouts: Timeouts::default() }
    }
}

impl RotateError {
    pub(super) fn from_refusal(refusal: Refusal<()>) -> Self {
        match refusal {
            Refusal::Expired => Self::Expired,
            Refusal::NotFound | Refusal::Build(()) => Self::NotFound,
        }
    }
}

/// Gives a session a new id. Made by [`SessionStore::rotation`].
#[must_use = "nothing is rotated before `rotate`, `bind` or a login is called"]
pub struct Rotation<'s, T: Content + ?Sized> {
    store: &'s SessionStore<T>,
    id: &'s SessionId,
    grace: Duration,
    timeouts: Timeouts,
}

impl<T: Content + ?Sized> Rotation<'_, T> {
    /// Lets the old id lead to the session for so long after the rotation: for requests that were under way with the old cookie.
    ///
    /// Under the old id the session can be read, touched and deleted, but not changed or rotated. The old id leads to the session until the
    /// grace is over, the session is rotated once more (with a grace or without), or the session ends. So a session has one former id at most, and
    /// [`max_sessions`](crate::SessionConfig::max_sessions) bounds the number of former ids too. They take no place there, and
    /// [`count`](SessionStore::count) does not count them.
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

    /// Gives the session other timeouts from the rotation on; what [`Timeouts`] does not say stays as it is. For a
    /// login that lets the absolute timeout begin anew: the session is never bound under the timeouts that it had
    /// before.
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
    /// let anew = Timeouts::default().absolute(day);
    /// let ada = store.rotation(&visitor).timeouts(anew).login(&Principal::new("ada"))?;
    /// assert_eq!(store.expires_in(&ada), Some(day));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

impl<T: Replicate + ?Sized> Rotation<'_, T> {
    /// Rotates the id, and returns the new one. As [`SessionStore::rotate_id`].
    ///
    /// With a grace it takes effect at one instant as well: from then on the session is found under its new id, and by way of the old one.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::rotate_id`].
    pub fn rotate(self) -> Result<SessionId, RotateError> {
        let before = self.store.binding_of(self.id).map_err(RotateError::from_refusal)?;
        self.change_id(before, None, |version, head, _| T::replicate(version, head)).map_err(|error| match error {
            BindError::Expired => RotateError::Expired,
            BindError::Random(cause) => RotateError::Random(cause),
            _ => RotateError::NotFound,
        })
    }

    /// Binds the session to a principal, and returns its new id. As [`SessionStore::bind`].
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::bind`].
    pub fn bind(self, principal: &Principal) -> Result<SessionId, BindError> {
        let before = self.store.binding_of(self.id).map_err(RotateError::from_refusal)?;
        if before.is_some_and(|(before, _)| before != *principal) {
            return Err(BindError::OtherPrincipal);
        }
        self.change_id(before, Some(principal), |version, head, _| T::replicate(version, head))
    }
}

impl Rotation<'_, Attributes> {
    /// Logs a visitor in, and returns the session's new id. As [`SessionStore::login`].
    ///
    /// A [grace](Self::grace) lets the old id read what the user does after the login, so give none if the old id may
    /// be planted. Where the session is bound to another principal it has ended, and the old id is dead with any grace.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::login`].
    pub fn login(self, principal: &Principal) -> Result<SessionId, BindError> {
        self.log_in(
            principal,
            |version, head, kept| {
                if kept { Attributes::replicate(version, head) } else { packed_entry(head, "") }
            },
        )
    }
}

impl<T: Send + Sync + 'static> Rotation<'_, T> {
    /// Logs a visitor in, and returns the session's new id. As [`SessionStore::login_with`]; what is said of a grace at
    /// [`login`](Rotation#method.login) holds here too.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::login_with`].
    pub fn login_with(self, principal: &Principal, mut f: impl FnMut(Option<&T>) -> T) -> Result<SessionId, BindError> {
        self.log_in(principal, |version, head, kept| typed_entry(head, f(kept.then(|| T::of(version)))))
    }
}

impl<T: Content + ?Sized> Rotation<'_, T> {
    fn log_in(
        &self,
        principal: &Principal,
        build: impl FnMut(EntryRef<'_, T::Payload>, Head<'_>, bool) -> Owned<T::Payload>,
    ) -> Result<SessionId, BindError> {
        let before = self.store.binding_of(self.id).map_err(RotateError::from_refusal)?;
        self.change_id(before, Some(principal), build)
    }

    /// Moves the session to a new id, with the content that `build` gives it, and binds it to a principal where one is
    /// given. `before` says what the session is bound to now. `build` is told whether the content may be kept: not by
    /// another principal.
    fn change_id(
        &self,
        before: Option<(Principal, Binding)>,
        principal: Option<&Principal>,
        mut build: impl FnMut(EntryRef<'_, T::Payload>, Head<'_>, bool) -> Owned<T::Payload>,
    ) -> Result<SessionId, BindError> {
        let Self { store, id, grace, timeouts } = *self;
        let new = SessionId::random().map_err(BindError::Random)?;
        let moment = store.moment();
        let kept = before.is_none_or(|(before, _)| principal.is_none_or(|principal| before == *principal));
        let grace = (kept && !grace.is_zero()).then(|| limit(grace, store.time.resolution()));
        let seat = store.seat(before.filter(|_| kept), principal, id, &new, moment)?;
        let former = match grace {
            None if kept => Former::Ends(RemovalCause::Rotated),
            None => Former::Ends(RemovalCause::Deleted),
            Some(ticks) => Former::Forwards { end: moment.now().after(ticks), absent: T::absent },
        };
        let fresh = Overrides { limits: store.limits(moment.now(), timeouts), ..Overrides::NONE };
        let rotated = store.table.rotate(id.as_bytes(), former, moment, |version, stamp| {
            let before = if kept { store.overrides_after(version, timeouts, moment.now()) } else { fresh };
            let binding = seat.binding().or(before.binding);
            let overrides = Overrides { binding, former: grace.map(|_| *id.as_bytes()), ..before };
            let head = if kept {
                version.next_head(stamp, &overrides)
            } else {
                Head::first(*id.as_bytes(), stamp, &overrides)
            };
            build(version, Head { key: *new.as_bytes(), ..head }, kept)
        });
        rotated.map_err(RotateError::from_refusal)?;
        seat.take(store, &new, moment.now());
        if kept {
            store.tracer.rotated(id.as_bytes(), new.as_bytes());
        } else {
            store.tracer.created(new.as_bytes());
        }
        Ok(new)
    }
}
