//! Operations on a session's string attributes. Those that store something create the session if there is none.

use super::Session;
use crate::error::SessionError;
use crate::login::Login;
use cloakroom::{Draft, Principal, SessionId, SessionStore, Snapshot};
use core::mem;

impl Session {
    /// Returns the value of an attribute, and touches the session. `None` if there is no such attribute or no session.
    ///
    /// Lock-free; allocates the value. [`read`](Self::read) allocates nothing.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.read(|attributes| attributes.get(key).map(str::to_owned)).flatten()
    }

    /// Returns the values of several attributes at one instant, and touches the session. `None` if there is no session.
    ///
    /// Lock-free; allocates the values.
    #[must_use]
    pub fn get_each<const N: usize>(&self, keys: [&str; N]) -> Option<[Option<String>; N]> {
        self.read(|attributes| keys.map(|key| attributes.get(key).map(str::to_owned)))
    }

    /// Returns whether the session has this attribute, and touches the session. Lock-free; allocates nothing.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.read(|attributes| attributes.contains(key)).unwrap_or(false)
    }

    /// Returns a copy of all attributes, and touches the session. `None` if there is no session.
    ///
    /// A copy may be held across an `.await`. Lock-free; a single allocation, or none for few attributes.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let read_only = self.0.config().touches_at_the_response();
        self.find(|id| if read_only { self.store().peek_snapshot(id) } else { self.store().snapshot(id) })
    }

    /// Sets an attribute. Creates the session if there is none. Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if another request or a timeout has ended the session.
    /// * [`SessionError::Replaced`] if another request has changed the session's id meanwhile.
    /// * [`SessionError::TooManyAttributes`] or [`SessionError::TooLarge`] if the attributes exceed a limit of the
    ///   store.
    ///
    /// And if the session has to be created:
    ///
    /// * [`SessionError::Full`] if the store has as many sessions as allowed.
    /// * [`SessionError::Answered`] if the response has already been made.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    pub fn set(&self, key: &str, value: &str) -> Result<(), SessionError> {
        self.set_each([(key, value)])
    }

    /// Sets several attributes in one step. Creates the session, with these attributes, if there is none. Lock-free;
    /// allocates.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub fn set_each<I, K, V>(&self, attributes: I) -> Result<(), SessionError>
    where
        I: IntoIterator<Item = (K, V)> + Clone,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        self.change_or_create(
            |id| self.store().set_each(id, attributes.clone()),
            || Ok((self.0.config().new_session().create_with(attributes.clone())?, ())),
        )
    }

    /// Changes attributes by a closure, all in one step, and returns the closure's result. Creates the session if there
    /// is none.
    ///
    /// The closure may be called several times ([`SessionStore::update`](cloakroom::SessionStore::update)). Lock-free,
    /// if the closure is; allocates.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub fn update<R>(&self, mut f: impl FnMut(&mut Draft<'_>) -> R) -> Result<R, SessionError> {
        // Both closures below need `f`, and only one of them runs at a time.
        let f = core::cell::RefCell::new(&mut f);
        let update = |id: &SessionId| self.store().update(id, |draft| (f.borrow_mut())(draft));
        self.change_or_create(update, || self.created_and(update))
    }

    /// Adds to an attribute that holds a number, and returns the sum
    /// ([`SessionStore::increment`](cloakroom::SessionStore::increment)). Creates the session if there is none.
    /// Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// * [`SessionError::NotANumber`] if the attribute is not a number, or if the sum does not fit in 64 bits.
    /// * The errors of [`set`](Self::set).
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, SessionError> {
        let increment = |id: &SessionId| self.store().increment(id, key, by);
        self.change_or_create(increment, || self.created_and(increment))
    }

    /// Removes an attribute, and returns whether it was there. Returns `false` if the request has no session yet.
    /// Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if another request or a timeout has ended the session.
    pub fn remove(&self, key: &str) -> Result<bool, SessionError> {
        if self.id().is_none() {
            return Ok(false);
        }
        self.change(|id| self.store().remove(id, key))
    }

    /// Removes an attribute and returns its value, for a message that is shown once. If several requests take it at the
    /// same time, one of them gets it. `None` if there is no such attribute or no session. Lock-free; allocates.
    pub fn take(&self, key: &str) -> Option<String> {
        self.find(|id| self.store().take(id, key))
    }

    /// Removes all attributes. The session stays live, and its user stays logged in. Does nothing if the request has no
    /// session yet. Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// The error of [`remove`](Self::remove).
    pub fn clear(&self) -> Result<(), SessionError> {
        if self.id().is_none() {
            return Ok(());
        }
        self.change(|id| self.store().clear(id))
    }

    /// Logs a user in: binds the session to the user and gives it a new id, or starts a session that is bound to the
    /// user. Call it each time that the user has authenticated.
    ///
    /// When this returns, the old id is dead, so an id that an attacker has planted or learnt is worthless (session
    /// fixation; [OWASP][owasp], ASVS 5 requirement 7.2.4). Attributes that the visitor has stored before the login,
    /// such as a basket, stay. If the session is bound to another user, it ends, and a session without attributes takes
    /// its place ([`SessionStore::login`](cloakroom::SessionStore#method.login)). Other live sessions that the request
    /// named end. The session gets the timeouts of the [layer](crate::SessionLayer::absolute_timeout), or else of the
    /// store, and its absolute timeout restarts. [`login_with`](Self::login_with) sets others.
    ///
    /// Lock-free; allocates. Takes effect at one instant: when the version under the old id dies, or when the new
    /// session's entry is put into its slot. Other sessions that the request named end after that.
    ///
    /// # Errors
    ///
    /// * [`SessionError::PrincipalFull`] if the user has as many sessions as allowed.
    /// * [`SessionError::Full`] if a session has to be created and the store has as many as allowed.
    /// * [`SessionError::Answered`] if the response has already been made.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    ///
    /// The session is then unchanged. So it is if the response is never handed over: see
    /// [`SessionLayer`](crate::SessionLayer).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Principal;
    /// use cloakroom_tower::{Session, SessionError};
    ///
    /// fn log_in(session: &Session, user: &str) -> Result<(), SessionError> {
    ///     session.login(&Principal::new(user))?;
    ///     session.set("name", user)
    /// }
    /// ```
    ///
    /// [owasp]:
    /// https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change
    pub fn login(&self, principal: &Principal) -> Result<(), SessionError> {
        self.login_with(principal, Login::new())
    }

    /// Does the same as [`login`](Self::login), and says how long the login lasts: "remember me". The session's
    /// timeouts and the lifetime of its cookie are set in the same step.
    ///
    /// Lock-free; allocates. Takes effect as [`login`](Self::login) does.
    ///
    /// # Errors
    ///
    /// The errors of [`login`](Self::login).
    ///
    /// # Examples
    ///
    /// See [`Login`].
    pub fn login_with(&self, principal: &Principal, login: Login) -> Result<(), SessionError> {
        self.log_in(principal, login, |session| session.login(principal), |new| new.create())
    }

    /// Creates a session and applies a change to it. If the change fails, the session is ended.
    pub(super) fn created_and<R, E: Into<SessionError>>(
        &self,
        change: impl FnOnce(&SessionId) -> Result<R, E>,
    ) -> Result<(SessionId, R), SessionError> {
        let created = Created { store: self.store(), id: self.0.config().new_session().create()? };
        let result = change(&created.id).map_err(Into::into)?;
        let id = created.id;
        mem::forget(created);
        Ok((id, result))
    }
}

/// A session that no other task knows yet. Dropping this ends it: a change of it has failed, or its closure has
/// panicked.
struct Created<'s> {
    store: &'s SessionStore,
    id: SessionId,
}

impl Drop for Created<'_> {
    fn drop(&mut self) {
        self.store.delete(&self.id);
    }
}
