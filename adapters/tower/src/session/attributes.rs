//! Operations on a session's string attributes. Those that store something create the session if there is none.

use super::Session;
use crate::error::SessionError;
use cloakroom::{Draft, Principal, SessionId, Snapshot};

impl Session {
    /// Returns the value of an attribute, and touches the session. `None` if there is no such attribute, or no session.
    ///
    /// Allocates the value; [`read`](Self::read) does not.
    pub fn get(&self, key: &str) -> Option<String> {
        self.read(|attributes| attributes.get(key).map(str::to_owned)).flatten()
    }

    /// Returns the values of several attributes, all of one version. `None` if there is no session.
    pub fn get_each<const N: usize>(&self, keys: [&str; N]) -> Option<[Option<String>; N]> {
        self.read(|attributes| keys.map(|key| attributes.get(key).map(str::to_owned)))
    }

    /// Tells whether there is such an attribute, and touches the session.
    pub fn contains(&self, key: &str) -> bool {
        self.read(|attributes| attributes.contains(key)).unwrap_or(false)
    }

    /// Returns a copy of all attributes, to be kept across an `.await`, and touches the session. `None` if there is no session.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.find(|id| self.store().snapshot(id))
    }

    /// Sets an attribute; creates the session if there is none.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if the session has ended by other means than this request,
    /// [`SessionError::TooManyAttributes`],
    /// [`SessionError::TooLarge`]; and where there is none yet,
    /// [`SessionError::Full`], [`SessionError::Random`], [`SessionError::Answered`], [`SessionError::TooManyChanges`].
    pub fn set(&self, key: &str, value: &str) -> Result<(), SessionError> {
        self.set_each([(key, value)])
    }

    /// Sets several attributes at once; creates the session, with these, if there is none.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn set_each<I, K, V>(&self, attributes: I) -> Result<(), SessionError>
    where
        I: IntoIterator<Item = (K, V)> + Clone,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        self.store_something(
            |id| self.store().set_each(id, attributes.clone()),
            || Ok((self.0.shared().new_session().create_with(attributes.clone())?, ())),
        )
    }

    /// Changes attributes as `f` says, all in one step, and returns what `f` returned; creates the session if there is none. Of
    /// `f` holds what [`SessionStore::update`](cloakroom::SessionStore::update) says: it may be called several times.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn update<R>(&self, mut f: impl FnMut(&mut Draft<'_>) -> R) -> Result<R, SessionError> {
        // One closure for both: only one of them runs at a time.
        let f = core::cell::RefCell::new(&mut f);
        let update = |id: &SessionId| self.store().update(id, |draft| (f.borrow_mut())(draft));
        self.store_something(update, || self.created_and(update))
    }

    /// Adds a number to an attribute that holds one, and returns the sum; creates the session if there is none
    /// ([`SessionStore::increment`](cloakroom::SessionStore::increment)).
    ///
    /// # Errors
    ///
    /// [`SessionError::NotANumber`], and those of [`set`](Self::set).
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, SessionError> {
        let increment = |id: &SessionId| self.store().increment(id, key, by);
        self.store_something(increment, || self.created_and(increment))
    }

    /// Removes an attribute; says whether it was there.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if the session has ended by other means than this request. It is no error that there is none yet.
    pub fn remove(&self, key: &str) -> Result<bool, SessionError> {
        if self.id().is_none() {
            return Ok(false);
        }
        self.change(|id| self.store().remove(id, key))
    }

    /// Removes an attribute and returns its value: for what is to be shown once. Of several requests that take it at once, one gets it. `None`
    /// if there is no such attribute, or no session.
    pub fn take(&self, key: &str) -> Option<String> {
        self.find(|id| self.store().take(id, key))
    }

    /// Removes all attributes; the session lives on, and who is logged in stays so.
    ///
    /// # Errors
    ///
    /// As for [`remove`](Self::remove).
    pub fn clear(&self) -> Result<(), SessionError> {
        if self.id().is_none() {
            return Ok(());
        }
        self.change(|id| self.store().clear(id))
    }

    /// Logs a user in: binds the session to them and gives it a new id, or starts one that is bound to them. To be
    /// called when they have proved who they are, and for each of their logins.
    ///
    /// The id from before the login is dead when this returns, so an id that was planted or learnt is worth nothing
    /// (session fixation; [OWASP][owasp], ASVS 5 requirement 7.2.4). What the visitor has stored before (a basket)
    /// stays in the session. A session that is bound to another user ends, and one without attributes begins in its
    /// place ([`SessionStore::login`](cloakroom::SessionStore#method.login)). Other live sessions that the request
    /// named are ended. The session's absolute timeout begins anew, if the
    /// [layer](crate::SessionLayer::absolute_timeout) or the store has one.
    ///
    /// Lock-free; allocates. All of it takes effect at one instant, when the version under the old id dies, or when the
    /// new session's entry is put into its slot; but for the sessions that the request named besides, which end
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`SessionError::PrincipalFull`], [`SessionError::Full`], [`SessionError::Random`], [`SessionError::Answered`],
    /// [`SessionError::TooManyChanges`]. The session is as it was then; but if the response came first only in the
    /// course of the call ([`Answered`](SessionError::Answered)), it has ended.
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
        self.log_in(principal, |session| session.login(principal), |new| new.create())
    }

    /// Creates a session and does something to it. If that fails, the session is ended.
    pub(super) fn created_and<R, E: Into<SessionError>>(
        &self,
        change: impl FnOnce(&SessionId) -> Result<R, E>,
    ) -> Result<(SessionId, R), SessionError> {
        let id = self.0.shared().new_session().create()?;
        match change(&id) {
            Ok(result) => Ok((id, result)),
            Err(error) => {
                self.store().delete(&id);
                Err(error.into())
            }
        }
    }
}
