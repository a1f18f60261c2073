//! Creating sessions.

use super::SessionStore;
use super::timeouts::Timeouts;
use crate::attributes::{Attributes, pack};
use crate::content::{Content, packed_entry, typed_entry};
use crate::entry::{Head, Overrides, Owned};
use crate::error::{CreateError, RandomError};
use crate::id::SessionId;
use crate::principal::Principal;
use core::fmt;
use core::time::Duration;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns a builder for a session with its own timeouts or a principal. One of its `create` methods creates the
    /// session.
    ///
    /// Wait-free; allocates nothing.
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

    /// Puts a session with the content that `build` writes, of which `text_len` bytes are text, into the table, under a
    /// new id.
    pub(super) fn create_entry(
        &self,
        timeouts: Timeouts,
        principal: Option<Principal>,
        text_len: usize,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<SessionId, CreateError> {
        let id = self.try_create(timeouts, principal, text_len, build).map_err(|error| self.refused(error))?;
        self.tracer.created(id.as_bytes());
        Ok(id)
    }

    /// Counts a refused creation, and returns the error.
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
        text_len: usize,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<SessionId, CreateError> {
        let bytes = self.bytes_of_new(principal.is_some(), false, text_len)?;
        let moment = self.moment();
        let id = SessionId::draw(self.config.batch_ids)?;
        // The principal's limit comes first, because a creation that it refuses must not end another principal's
        // session.
        let mut joined = principal.map(|principal| self.join(&principal, &id, moment)).transpose()?;
        let held = joined.as_mut().and_then(|joined| joined.place.take());
        let place = self.enter(held, &id, principal.is_some(), bytes, moment)?;
        let binding = joined.as_ref().map(|joined| joined.joining.binding);
        let overrides = Overrides { limits: self.limits(moment.now(), timeouts), binding, ..Overrides::NONE };
        let new = build(Head::first(*id.as_bytes(), moment.now(), &overrides));
        // Random 256 bits never repeat, so an id that is taken was not random.
        self.table.insert(place, new, moment).map_err(|_| CreateError::Random(RandomError::REPEATED))?;
        if let Some(joined) = joined {
            self.arrive(joined.joining, &id, moment.now());
        }
        Ok(id)
    }
}

/// Creates a session with its own timeouts or a principal. Made by [`SessionStore::new_session`].
///
/// The setters are wait-free and allocate nothing. `Debug` shows the timeouts, and whether there is a principal.
#[must_use = "no session is created before one of the `create` methods is called"]
pub struct NewSession<'s, T: Content + ?Sized = Attributes> {
    store: &'s SessionStore<T>,
    timeouts: Timeouts,
    principal: Option<Principal>,
}

/// Shows neither the store nor the principal.
impl<T: Content + ?Sized> fmt::Debug for NewSession<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("timeouts", &self.timeouts)
            .field("bound", &self.principal.is_some())
            .finish_non_exhaustive()
    }
}

impl<T: Content + ?Sized> NewSession<'_, T> {
    /// Binds the session to a principal.
    ///
    /// At [`max_sessions_per_principal`](crate::SessionConfig#structfield.max_sessions_per_principal) the creation
    /// fails with [`CreateError::PrincipalFull`] or ends another session of the principal. If all sessions of the
    /// principal are ended at the same time, the new session may have ended when the creation returns its id.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let id = store.new_session().principal(ada).create()?;
    /// assert_eq!(store.sessions_of(&ada), [id]);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Sets the idle timeout of this session, in place of the store's
    /// [`ttl`](crate::SessionConfig#structfield.ttl).
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts = self.timeouts.idle(timeout);
        self
    }

    /// Sets the absolute timeout of this session, from its creation on, in place of the store's
    /// [`absolute_timeout`](crate::SessionConfig#structfield.absolute_timeout). [`Duration::MAX`] means none.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts = self.timeouts.absolute(timeout);
        self
    }
}

impl NewSession<'_> {
    /// Creates the session without attributes.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::create`], and [`CreateError::PrincipalFull`].
    pub fn create(self) -> Result<SessionId, CreateError> {
        self.create_packed("")
    }

    /// Creates the session with these attributes, in one step.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::create_with`], and [`CreateError::PrincipalFull`].
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
        self.store.create_entry(self.timeouts, self.principal, packed.len(), |head| packed_entry(head, packed))
    }
}

impl<T: Send + Sync + 'static> NewSession<'_, T> {
    /// Creates the session with this value.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// As for [`SessionStore::create`], and [`CreateError::PrincipalFull`]. The value is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore};
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::<u32>::typed(SessionConfig::default());
    /// let id = store.new_session().idle_timeout(Duration::from_secs(60)).create_with(7)?;
    /// assert_eq!(store.read(&id, |seven| *seven), Some(7));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn create_with(self, value: T) -> Result<SessionId, CreateError> {
        self.store.create_entry(self.timeouts, self.principal, 0, |head| typed_entry(head, value))
    }
}
