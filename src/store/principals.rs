//! Sessions bound to a principal.
//!
//! A session is bound when it is created, or when it gets a new id, and stays bound under that id: so an id's principal never changes. How the
//! rolls and the table of sessions keep in step is told in [`crate::roll`].

#![deny(unsafe_code)]

use super::SessionStore;
use crate::content::{Content, Replicate};
use crate::entry::Key;
use crate::entry::life::Life;
use crate::error::{BindError, RotateError};
use crate::expiry::{Moment, Tick};
use crate::id::SessionId;
use crate::principal::{Principal, WhenPrincipalFull};
use crate::removal::RemovalCause;
use crate::roll::Announced;
use crate::table::{Change, Refusal};
use core::convert::Infallible;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns whom a session is bound to, without touching it. `None` if it is bound to nobody, does not exist or has expired (it is removed then).
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
    pub fn principal(&self, id: &SessionId) -> Option<Principal> {
        let tick = || self.time.tick();
        let bound = self.table.read(id.as_bytes(), false, self.moment(&tick), |version| version.terms().principal);
        bound.ok().flatten().map(Principal::from_key)
    }

    /// Whom the session of this very id is bound to, or why it is not there.
    pub(super) fn bound_to(&self, id: &SessionId) -> Result<Option<Principal>, Refusal<()>> {
        let tick = || self.time.tick();
        let moment = self.moment(&tick);
        let mut principal = None;
        // Not by reading, which would follow an id that leads on, and end the session there if that has expired.
        self.table.update(id.as_bytes(), moment, |version, _| {
            principal = version.terms().principal;
            Ok(Change::Keep)
        })?;
        Ok(principal.map(Principal::from_key))
    }

    /// Returns the live sessions of a principal, oldest first, without touching them: the devices that a user is logged in on.
    ///
    /// All that were there from before the call until after it are in it. Lock-free; allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let laptop = store.new_session().principal(ada).create_with([("device", "laptop")])?;
    /// let phone = store.new_session().principal(ada).create_with([("device", "phone")])?;
    /// assert_eq!(store.sessions_of(&ada), [laptop, phone]);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn sessions_of(&self, principal: &Principal) -> Vec<SessionId> {
        let ids = self.rolls.ids(principal.key()).into_iter().map(SessionId::from_bytes);
        ids.filter(|id| self.exists(id)).collect()
    }

    /// Ends all sessions of a principal, and returns how many: "log out everywhere", a changed password, a closed account (ASVS 5 requirements
    /// 7.4.2, 7.4.3).
    ///
    /// No session that was there before this call is there after it, whatever was in flight: one that is rotated at the same time is ended
    /// under whichever id it has. A login that comes at the same time counts as before or as after.
    ///
    /// Lock-free; allocates. Takes effect for each session when its live version dies; those that count as there before are the ones that are on the principal's
    /// roll when it is replaced.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let id = store.new_session().principal(ada).create()?;
    /// store.new_session().principal(ada).create()?;
    /// assert_eq!(store.end_sessions_of(&ada), 2);
    /// assert!(!store.exists(&id));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn end_sessions_of(&self, principal: &Principal) -> usize {
        self.end_dismissed(principal, None)
    }

    /// Ends all sessions of a principal but one, and returns how many: "log out my other devices". If `kept` is not one of
    /// them, all are ended.
    ///
    /// As [`end_sessions_of`](Self::end_sessions_of) otherwise; the one that is kept may be rotated at the same time, and survives that.
    pub fn end_other_sessions_of(&self, principal: &Principal, kept: &SessionId) -> usize {
        self.end_dismissed(principal, Some(kept.as_bytes()))
    }

    fn end_dismissed(&self, principal: &Principal, kept: Option<&Key>) -> usize {
        // Read before the sessions are struck off: from then on nothing may go wrong.
        let now = self.time.tick();
        let dismissed = self.rolls.dismiss(principal.key(), kept);
        dismissed.iter().filter(|id| self.end_at(now, id, RemovalCause::Principal)).count()
    }

    /// Ends a session if it is live, without a further look at the clock, which might panic. (If it has expired by this reading, it is ended as well.)
    fn end_at(&self, now: Tick, id: &Key, cause: RemovalCause) -> bool {
        let ended = self.table.update(id, self.moment(&|| now), |_, _| Ok::<_, Infallible>(Change::End(cause)));
        ended.is_ok()
    }

    /// Puts a session on its principal's roll, if it has one, before it is in the table. `None` if the principal has as many as it may have.
    pub(super) fn announced(&self, principal: Option<Principal>, id: &SessionId, now: Tick) -> Option<Arrival<'_, T>> {
        let there = principal.is_none_or(|principal| self.announce(&principal, id));
        there.then_some(Arrival { store: self, principal, id: *id, now })
    }

    /// The same for a session that gets another id. `None` if it is not on its principal's roll any more.
    pub(super) fn announced_move(
        &self,
        principal: Option<Principal>,
        from: &SessionId,
        to: &SessionId,
        now: Tick,
    ) -> Option<Arrival<'_, T>> {
        let moves = |principal: Principal| {
            let (from, to) = (*from.as_bytes(), *to.as_bytes());
            self.rolls.announce(principal.key(), Some(from), to, 0) == Announced::Yes
        };
        principal.is_none_or(moves).then_some(Arrival { store: self, principal, id: *to, now })
    }

    fn announce(&self, principal: &Principal, id: &SessionId) -> bool {
        let limit = self.config.max_sessions_per_principal;
        loop {
            match self.rolls.announce(principal.key(), None, *id.as_bytes(), limit) {
                Announced::Yes => return true,
                Announced::NotThere => return false,
                // Each round one at least is struck off, or it gives up.
                Announced::Full if self.strike_off_ended(principal) => {}
                Announced::Full => match self.config.when_principal_full {
                    WhenPrincipalFull::Refuse => return false,
                    WhenPrincipalFull::EndIdlest if self.end_idlest(principal) => {}
                    WhenPrincipalFull::EndIdlest => return false,
                },
            }
        }
    }

    /// Strikes off what others have left, who may be suspended: sessions that have ended, and those that are leaving, once they are ended. True if there
    /// were such.
    fn strike_off_ended(&self, principal: &Principal) -> bool {
        let now = self.time.tick();
        let ends = |id: &&Key| self.end_at(now, id, RemovalCause::Principal);
        if self.rolls.leaving(principal.key()).iter().filter(ends).count() > 0 {
            return true;
        }
        let (before, stamps) = self.stamps_of(principal);
        before.iter().filter(|id| !stamps.iter().any(|(_, live)| live == *id)).fold(false, |_, id| {
            self.rolls.strike_off(principal.key(), id);
            true
        })
    }

    /// Ends the principal's session that has lain untouched for the longest time. False if none is left that can be ended.
    fn end_idlest(&self, principal: &Principal) -> bool {
        let (_, stamps) = self.stamps_of(principal);
        let idlest = stamps.into_iter().min_by_key(|(stamp, _)| *stamp);
        let Some((_, idlest)) = idlest else { return false };
        // Ended by somebody else meanwhile, it has left its place as well.
        self.end_at(self.time.tick(), &idlest, RemovalCause::Capacity);
        self.rolls.strike_off(principal.key(), &idlest);
        true
    }

    /// The sessions that are on the roll and not on their way, and those of them that are live, each with the tick of its last touch.
    fn stamps_of(&self, principal: &Principal) -> (Vec<Key>, Vec<(Tick, Key)>) {
        let tick = || self.time.tick();
        let ids = self.rolls.there(principal.key());
        let live = ids.iter().filter_map(|id| self.stamp(id, self.moment(&tick)).map(|stamp| (stamp, *id)));
        let live = live.collect();
        (ids, live)
    }

    fn stamp(&self, id: &Key, moment: Moment<'_>) -> Option<Tick> {
        loop {
            match self.table.read(id, false, moment, |version| version.life().load()) {
                Ok(Life::Live(stamp)) => return Some(stamp),
                Ok(Life::Superseded) => {}
                Ok(Life::Dead) | Err(_) => return None,
            }
        }
    }
}

impl<T: Replicate + ?Sized> SessionStore<T> {
    /// Binds a session to a principal, and gives it a new id: the login of a visitor who has a session already.
    ///
    /// There is no way to bind a session and keep its id, for an id from before the login must not serve after it (session fixation; ASVS 5 requirement
    /// 7.2.4). If the session was bound to another principal, it is not any more.
    ///
    /// Lock-free; allocates. Takes effect as [`rotate_id`](Self::rotate_id). If all sessions of the principal are ended at the same time, the
    /// id that is returned may be that of a session that has ended.
    ///
    /// # Errors
    ///
    /// [`BindError::PrincipalFull`] if the principal has
    /// [as many sessions as it may have](crate::SessionConfig::max_sessions_per_principal), and else as for [`rotate_id`](Self::rotate_id). The session
    /// is as it was then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// let ada = Principal::new("ada");
    /// let id = store.bind(&visitor, &ada)?;
    /// assert_eq!(store.get(&id, "basket").as_deref(), Some("3 apples"));
    /// assert_eq!(store.principal(&id), Some(ada));
    /// assert!(!store.exists(&visitor));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(&self, id: &SessionId, principal: &Principal) -> Result<SessionId, BindError> {
        self.rotation(id).bind(principal)
    }
}

/// A session that is on its principal's roll, if it has one, but not in the table yet. Struck off again when dropped, unless it arrives.
pub(super) struct Arrival<'s, T: Content + ?Sized> {
    store: &'s SessionStore<T>,
    principal: Option<Principal>,
    id: SessionId,
    now: Tick,
}

impl<T: Content + ?Sized> Arrival<'_, T> {
    /// The session is in the table. If it was dismissed meanwhile, it is ended.
    pub(super) fn arrive(mut self) {
        if let Some(principal) = self.principal.take()
            && !self.store.rolls.arrive(principal.key(), self.id.as_bytes())
        {
            self.store.end_at(self.now, self.id.as_bytes(), RemovalCause::Principal);
            self.store.rolls.strike_off(principal.key(), self.id.as_bytes());
        }
    }
}

impl<T: Content + ?Sized> Drop for Arrival<'_, T> {
    fn drop(&mut self) {
        if let Some(principal) = &self.principal {
            self.store.rolls.strike_off(principal.key(), self.id.as_bytes());
        }
    }
}

impl From<RotateError> for BindError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::NotFound => Self::NotFound,
            RotateError::Expired => Self::Expired,
            RotateError::Random(cause) => Self::Random(cause),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::attributes::Attributes;

    fn store(when_full: WhenPrincipalFull) -> SessionStore<Attributes> {
        let builder = SessionStore::builder().max_sessions_per_principal(2).when_principal_full(when_full);
        builder.build().expect("the settings are valid")
    }

    fn login(store: &SessionStore, principal: Principal) -> SessionId {
        store.new_session().principal(principal).create().expect("there is room")
    }

    /// As if whoever ends them all were suspended before the first has ended.
    #[test]
    fn who_finds_sessions_in_the_way_that_are_leaving_ends_them() {
        let store = store(WhenPrincipalFull::Refuse);
        let ada = Principal::new("ada");
        let ids = [login(&store, ada), login(&store, ada)];
        assert_eq!(store.rolls.dismiss(ada.key(), None).len(), 2);
        let new = login(&store, ada);
        assert!(ids.iter().all(|id| !store.exists(id)));
        assert_eq!(store.sessions_of(&ada), [new]);
    }
}
