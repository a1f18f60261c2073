//! Operations on a session that holds a value of the application's own type.

use super::Session;
use crate::error::SessionError;
use crate::visit::Change;
use cloakroom::Principal;
use core::cell::RefCell;

impl<T: Send + Sync + 'static> Session<T> {
    /// Starts a session with this value, in place of the one there is, which is ended as [`logout`](Self::logout) does.
    ///
    /// # Errors
    ///
    /// [`SessionError::Full`], [`SessionError::Random`], [`SessionError::Answered`], [`SessionError::TooManyChanges`].
    /// The session before has ended then, except for the last two.
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
        self.may_change(self.0.now())?;
        // Before the new one is created, so that it may take its place in a full store.
        if self.id().is_some() {
            self.logout();
        }
        let new = self.0.shared().new_session().create_with(value)?;
        loop {
            let at = self.0.now();
            match self.0.go_on(at, Some(new)) {
                Change::Made => break,
                Change::Overtaken => {}
                Change::TooLate => {
                    self.store().delete(&new);
                    return Err(SessionError::Answered);
                }
            }
            // Of two handles that start one, the last wins.
        }
        self.end_others();
        Ok(())
    }

    /// Logs a user in, and gives their session a new id and the value that `f` makes. To be called when they have
    /// proved who they are, and for each of their logins.
    ///
    /// `f` is shown the value of the session that there is, if that is bound to nobody or to this user: so a basket may
    /// be kept. It is shown `None` where there is no session, and where there is one of another user, which ends. `f`
    /// may be called several times; a value that can be made only once is kept in an [`Arc`](std::sync::Arc). The rest
    /// is as for [`login`](Session#method.login) of string attributes
    /// ([`SessionStore::login_with`](cloakroom::SessionStore::login_with)).
    ///
    /// # Errors
    ///
    /// As for [`login`](Session#method.login).
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
        // One closure for both: only one of them runs at a time.
        let f = RefCell::new(f);
        self.log_in(
            principal,
            |session| session.login_with(principal, |before| (f.borrow_mut())(before)),
            |new| new.create_with((f.borrow_mut())(None)),
        )
    }

    /// Replaces the session's value by what `f` makes of it
    /// ([`SessionStore::update`](cloakroom::SessionStore::update)): `f` may be called several times.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session.
    pub fn update(&self, mut f: impl FnMut(&T) -> T) -> Result<(), SessionError> {
        self.change(|id| self.store().update(id, &mut f))
    }
}
