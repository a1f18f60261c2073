//! Creating sessions, and making room for them.

use super::SessionStore;
use super::timeouts::Timeouts;
use crate::attributes::{Attributes, pack};
use crate::config::WhenFull;
use crate::content::{Content, packed_entry, typed_entry};
use crate::entry::{Head, Overrides, Owned};
use crate::error::{CreateError, RandomError};
use crate::expiry::Moment;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::table::{Place, Room, Whose};
use core::time::Duration;

/// How many entries `create` looks at to find an expired one, when the store is full.
const ENTRIES_SEARCHED_WHEN_FULL: usize = 512;

/// At how many it looks to find an unbound one, before a bound one makes room for a newcomer that is bound itself.
const ENTRIES_SEARCHED_FOR_THE_BOUND: usize = 8_192;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Begins a session with terms of its own; nothing happens before one of the builder's `create` methods is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::default();
    /// // "Remember me": two weeks without a visit, three months at most.
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let id = store.new_session().idle_timeout(14 * day).absolute_timeout(90 * day).create_with([("user", "ada")])?;
    /// assert!(store.expires_in(&id).unwrap() > 13 * day);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn new_session(&self) -> NewSession<'_, T> {
        NewSession { store: self, timeouts: Timeouts::default(), principal: None }
    }

    /// Puts a session into the table under an id that is drawn for it, with the content that `build` writes.
    pub(super) fn create_entry(
        &self,
        timeouts: Timeouts,
        principal: Option<Principal>,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<SessionId, CreateError> {
        let id = self.try_create(timeouts, principal, build).map_err(|error| self.refused(error))?;
        self.tracer.created(id.as_bytes());
        Ok(id)
    }

    /// Counts a refused creation, and returns why.
    #[cold]
    pub(super) fn refused(&self, error: CreateError) -> CreateError {
        self.rejections.note(error);
        self.tracer.refused(error);
        error
    }

    fn try_create(
        &self,
        timeouts: Timeouts,
        principal: Option<Principal>,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<SessionId, CreateError> {
        let moment = self.moment();
        let id = SessionId::random().map_err(CreateError::Random)?;
        // The principal's limit comes first: a newcomer that is refused for it must not end anybody else's session for room.
        let mut joined = principal.map(|principal| self.join(&principal, &id, moment)).transpose()?;
        let place = match joined.as_mut().and_then(|joined| joined.place.take()) {
            Some(place) => place,
            None => self.enter(&id, principal.is_some(), moment)?,
        };
        let binding = joined.as_ref().map(|joined| joined.joining.binding);
        let overrides = Overrides { limits: self.limits(moment.now(), timeouts), binding, ..Overrides::NONE };
        let new = build(Head::first(*id.as_bytes(), moment.now(), &overrides));
        // 256 random bits that are in use already are not drawn. If they are, they are not random.
        self.table.insert(place, new, moment).map_err(|_| CreateError::Random(RandomError::REPEATED))?;
        if let Some(joined) = joined {
            self.arrive(joined.joining, &id, moment.now());
        }
        Ok(id)
    }

    /// A place for a session, which is bound to a principal or not: one that is free, or that of a session which ends for it.
    pub(super) fn enter(&self, id: &SessionId, bound: bool, moment: Moment<'_>) -> Result<Place<'_>, CreateError> {
        if let Some(place) = self.table.enter(id.as_bytes()) {
            return Ok(place);
        }
        self.table.sweep_some(ENTRIES_SEARCHED_WHEN_FULL, moment);
        loop {
            if let Some(place) = self.table.enter(id.as_bytes()) {
                return Ok(place);
            }
            let (whose, among) = match (self.config.when_full, bound) {
                (WhenFull::Refuse, _) => return Err(CreateError::Full),
                (WhenFull::EndIdlest, _) => (Whose::Anyones, usize::MAX),
                (WhenFull::EndUnbound, false) => (Whose::Unbound, ENTRIES_SEARCHED_WHEN_FULL),
                (WhenFull::EndUnbound, true) => (Whose::UnboundFirst, ENTRIES_SEARCHED_FOR_THE_BOUND),
            };
            match self.table.make_room(id.as_bytes(), whose, among, moment) {
                Room::Place(place) => return Ok(place),
                // Somebody else has got on: with that session, or with another one.
                Room::Again => {}
                Room::None => return Err(CreateError::Full),
            }
        }
    }
}

/// Creates a session with terms of its own. Made by [`SessionStore::new_session`].
#[must_use = "no session is created before one of the `create` methods is called"]
pub struct NewSession<'s, T: Content + ?Sized = Attributes> {
    store: &'s SessionStore<T>,
    timeouts: Timeouts,
    principal: Option<Principal>,
}

impl<T: Content + ?Sized> NewSession<'_, T> {
    /// Binds the session to a principal.
    ///
    /// Creating it may fail with [`CreateError::PrincipalFull`] then, or end another of the principal's sessions:
    /// [`max_sessions_per_principal`](crate::SessionConfig::max_sessions_per_principal). If all sessions of the principal are ended at the
    /// same time, the id that is returned may be that of a session that has ended.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Lets the session lie idle for so long, rather than for the store's [`ttl`](crate::SessionConfig::ttl).
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts = self.timeouts.idle(timeout);
        self
    }

    /// Ends the session so long after its creation, used or not, rather than after the store's
    /// [`absolute_timeout`](crate::SessionConfig::absolute_timeout). [`Duration::MAX`] is never.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts = self.timeouts.absolute(timeout);
        self
    }
}

impl NewSession<'_> {
    /// Creates the session without attributes.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::create`].
    pub fn create(self) -> Result<SessionId, CreateError> {
        self.create_packed("")
    }

    /// Creates the session with these attributes, in one step.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::create_with`].
    pub fn create_with<I, K, V>(self, attributes: I) -> Result<SessionId, CreateError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let limits = self.store.config.limits();
        let packed = pack(attributes, limits).map_err(|excess| self.store.refused(excess.into()))?;
        self.create_packed(&packed)
    }

    fn create_packed(self, packed: &str) -> Result<SessionId, CreateError> {
        self.store.create_entry(self.timeouts, self.principal, |head| packed_entry(head, packed))
    }
}

impl<T: Send + Sync + 'static> NewSession<'_, T> {
    /// Creates the session with this value.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::create`]; the value is dropped then.
    pub fn create_with(self, value: T) -> Result<SessionId, CreateError> {
        self.store.create_entry(self.timeouts, self.principal, |head| typed_entry(head, value))
    }
}
