//! Operations on a session that holds a value of the application's own type.

use super::Session;
use crate::error::SessionError;
use crate::visit::Change;
use cloakroom::{NewSession, Principal};

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
        self.start(value, |session| session)
    }

    /// Logs a user in: starts a session with this value that is bound to them, in place of the one there is, which is ended. To be called
    /// when they have proved who they are.
    ///
    /// # Errors
    ///
    /// [`SessionError::PrincipalFull`], and those of [`create_with`](Self::create_with).
    pub fn login(&self, principal: &Principal, value: T) -> Result<(), SessionError> {
        self.start(value, |session| session.principal(*principal))
    }

    /// Replaces the session's value by what `f` makes of it ([`SessionStore::update`](cloakroom::SessionStore::update)): `f` may be called
    /// several times.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session.
    pub fn update(&self, mut f: impl FnMut(&T) -> T) -> Result<(), SessionError> {
        self.change(|id| self.store().update(id, &mut f))
    }

    fn start(&self, value: T, terms: impl FnOnce(NewSession<'_, T>) -> NewSession<'_, T>) -> Result<(), SessionError> {
        self.may_change(self.0.now())?;
        // Before the new one is created, so that it may take its place in a full store.
        if self.id().is_some() {
            self.logout();
        }
        let new = terms(self.0.shared().new_session()).create_with(value)?;
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
}
