//! Operations on a session that holds a value of the application's own type.

use super::Session;
use crate::changes::Refused;
use crate::error::SessionError;
use crate::login::Login;
use crate::request::Change;
use cloakroom::Principal;
use core::cell::RefCell;

impl<T: Send + Sync + 'static> Session<T> {
    /// Starts a session with this value. If there is a session, it ends first, as with [`logout`](Self::logout).
    ///
    /// Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Replaced`] if another request has changed the id with which this request came, or
    ///   [`SessionError::Gone`] if it has logged out.
    /// * [`SessionError::Full`] if the store has as many sessions as allowed.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    /// * [`SessionError::Answered`] if the response has already been made.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    ///
    /// With `Full` and `Random`, the previous session has ended. With the others, it lives on, with one exception: if
    /// the response is made during the call ([`Answered`](SessionError::Answered)), it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_tower::{Session, SessionError};
    ///
    /// struct Visitor {
    ///     clicks: u32,
    /// }
    ///
    /// fn click(session: &Session<Visitor>) -> Result<(), SessionError> {
    ///     match session.update(|visitor| Visitor { clicks: visitor.clicks + 1 }) {
    ///         Err(SessionError::Gone) if session.id().is_none() => session.create_with(Visitor { clicks: 1 }),
    ///         result => result,
    ///     }
    /// }
    /// ```
    pub fn create_with(&self, value: T) -> Result<(), SessionError> {
        let at = self.0.current();
        self.may_change(at)?;
        self.0.may_create(at)?;
        // The previous session ends first, so that the new one can take its place in a full store.
        if self.id().is_some() {
            self.logout();
        }
        let new = self.0.config().new_session().create_with(value)?;
        // If two handles start a session at the same time, the last one wins, and ends the session of the first one.
        loop {
            let at = self.0.current();
            match self.0.append(at, Some(new), Change::Created) {
                Ok(()) => {
                    if let Some(before) = at.id() {
                        self.store().log_out(before);
                    }
                    break;
                }
                Err(Refused::Overtaken(_)) => {}
                Err(Refused::TooLate(node)) => {
                    node.undo(self.0.config());
                    return Err(SessionError::Answered);
                }
            }
        }
        self.end_others();
        Ok(())
    }

    /// Logs a user in: gives the session a new id and the value that `f` returns, and binds it to the user. Call it
    /// each time that the user has authenticated.
    ///
    /// If there is a session that is bound to no user or to this user, `f` receives its value, so a basket can be kept.
    /// If there is no session, or one of another user, which ends, `f` receives `None`. `f` may be called several
    /// times; a value that can be made only once can be kept in an [`Arc`](std::sync::Arc). Everything else is as with
    /// [`login`](Session#method.login) for string attributes
    /// ([`SessionStore::login_with`](cloakroom::SessionStore::login_with)). Lock-free, if `f` is; allocates.
    ///
    /// # Errors
    ///
    /// The errors of [`login`](Session#method.login).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Principal;
    /// use cloakroom_tower::{Session, SessionError};
    ///
    /// struct Visitor {
    ///     name: Option<String>,
    ///     basket: Vec<u32>,
    /// }
    ///
    /// fn log_in(session: &Session<Visitor>, user: &str) -> Result<(), SessionError> {
    ///     session.login_with(&Principal::new(user), |before| Visitor {
    ///         name: Some(user.to_owned()),
    ///         basket: before.map(|visitor| visitor.basket.clone()).unwrap_or_default(),
    ///     })
    /// }
    /// ```
    pub fn login_with(&self, principal: &Principal, f: impl FnMut(Option<&T>) -> T) -> Result<(), SessionError> {
        self.login_lasting(principal, Login::new(), f)
    }

    /// Does the same as [`login_with`](Self::login_with), and says how long the login lasts: "remember me".
    ///
    /// The layer does not note when it has sent the cookie of a session with a value. If the [`Login`] allows for a
    /// renewal, it sends the cookie again with each use, once an eighth of the time has passed. Lock-free, if `f` is;
    /// allocates.
    ///
    /// # Errors
    ///
    /// The errors of [`login_with`](Self::login_with).
    pub fn login_lasting(
        &self,
        principal: &Principal,
        login: Login,
        f: impl FnMut(Option<&T>) -> T,
    ) -> Result<(), SessionError> {
        // Both closures below need `f`, and only one of them runs at a time.
        let f = RefCell::new(f);
        self.log_in(
            principal,
            login,
            |session| session.login_with(principal, |before| (f.borrow_mut())(before)),
            |new| new.create_with((f.borrow_mut())(None)),
        )
    }

    /// Replaces the session's value by the value that `f` returns
    /// ([`SessionStore::update`](cloakroom::SessionStore::update)). `f` may be called several times. Lock-free, if `f`
    /// is; allocates.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session.
    pub fn update(&self, mut f: impl FnMut(&T) -> T) -> Result<(), SessionError> {
        self.change(|id| self.store().update(id, &mut f))
    }
}
