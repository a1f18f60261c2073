//! Operations on the user that the session is bound to, and on the user's other sessions.

use super::Session;
use super::retry::Moved;
use crate::error::SessionError;
use crate::login::Login;
use crate::request::Change;
use cloakroom::{BindError, Content, CreateError, NewSession, Principal, Replicate, Rotation, SessionId};

impl<T: Content + ?Sized> Session<T> {
    /// Returns the user that is logged in, without touching the session. `None` if no user is logged in, or if there is
    /// no session. Lock-free; allocates nothing.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        self.find(|id| self.store().principal(id))
    }

    /// Returns the live sessions of the user that is logged in, including this one, oldest first: the user's devices
    /// (ASVS 5 requirement 7.5.2). Empty if no user is logged in.
    ///
    /// The ids are secrets. A page that lists the devices must name them by something else, because a script on the
    /// page could send the ids elsewhere. Read the content with [`SessionStore::peek`](cloakroom::SessionStore::peek),
    /// which does not touch a session; [`SessionStore::read`](cloakroom::SessionStore::read) would keep all of them
    /// alive for as long as the user watches the list. Lock-free; allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::Session;
    /// fn browsers(session: &Session) -> Vec<String> {
    ///     let browser = |id| session.store().peek(&id, |device| device.get("browser").map(str::to_owned)).flatten();
    ///     session.devices().into_iter().filter_map(browser).collect()
    /// }
    /// ```
    #[must_use]
    pub fn devices(&self) -> Vec<SessionId> {
        self.principal().map(|principal| self.store().sessions_of(&principal)).unwrap_or_default()
    }

    /// Ends a session of the user that is logged in: another one, or this one. Returns whether it was live. A session
    /// of another user is left alone.
    ///
    /// ASVS 5 requirement 7.5.2 asks the user to authenticate again first. Lock-free; allocates.
    pub fn end_device(&self, id: &SessionId) -> bool {
        let own = self.principal().is_some_and(|principal| self.store().principal(id) == Some(principal));
        own && if self.id().as_ref() == Some(id) { self.logout() } else { self.store().delete(id) }
    }

    /// Ends all sessions of the user that is logged in, including this one, and returns how many it has ended. For a
    /// changed password, a closed account or a lost phone (ASVS 5 requirements 7.4.2, 7.4.3).
    ///
    /// The sessions end at one instant, whatever other requests are doing
    /// ([`SessionStore::end_sessions_of`](cloakroom::SessionStore::end_sessions_of)). Then this does what
    /// [`logout`](Self::logout) does: the response removes the cookie, and other live sessions that the request named
    /// end; those are not counted. Operations of this handle that store something afterwards do so in a new session.
    ///
    /// Lock-free; allocates. Takes effect when the store ends the user's sessions.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if there is no session.
    /// * [`SessionError::NotLoggedIn`] if no user is logged in to it.
    ///
    /// No session has ended then, not even this one, because the user is unknown. To end this one, call
    /// [`logout`](Self::logout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::{Session, SessionError};
    /// async fn close_account(session: Session) -> Result<(), SessionError> {
    ///     // Disable the account first, so that no login can follow.
    ///     session.logout_all_devices()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn logout_all_devices(&self) -> Result<usize, SessionError> {
        let (principal, _) = self.principal_and_id()?;
        let ended = self.store().end_sessions_of(&principal);
        self.logout();
        Ok(ended)
    }

    /// Ends all sessions of the user that is logged in except this one, and returns how many it has ended. Offer it
    /// after a change of the password or of a second factor (ASVS 5 requirement 7.4.3).
    ///
    /// The sessions end at one instant, whatever other requests are doing
    /// ([`SessionStore::end_other_sessions_of`](cloakroom::SessionStore::end_other_sessions_of)). This session keeps
    /// its id; [`rotate`](Self::rotate) changes it. If another request ends this session or changes its id at the same
    /// time, this session may end with the others. No session of the user that this request does not know stays live.
    ///
    /// Lock-free; allocates. Takes effect when the store ends the user's sessions.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if there is no session.
    /// * [`SessionError::NotLoggedIn`] if no user is logged in to it.
    ///
    /// No session has ended then, because the user is unknown. Do not tell the user that sessions have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::{Session, SessionError};
    /// async fn password_changed(session: Session) -> Result<String, SessionError> {
    ///     session.rotate()?;
    ///     Ok(format!("You have been logged out on {} other devices.", session.logout_other_devices()?))
    /// }
    /// ```
    pub fn logout_other_devices(&self) -> Result<usize, SessionError> {
        let (principal, id) = self.principal_and_id()?;
        Ok(self.store().end_other_sessions_of(&principal, &id))
    }

    /// The user that is logged in, and the id of the session.
    fn principal_and_id(&self) -> Result<(Principal, SessionId), SessionError> {
        match self.find(|id| self.store().principal(id).map(|principal| (principal, *id))) {
            Some(found) => Ok(found),
            None if self.exists() => Err(SessionError::NotLoggedIn),
            None => Err(SessionError::Gone),
        }
    }

    /// Logs a user in. If there is a session, `enter` receives its rotation. If there is none, `begin` receives a new
    /// session that is already bound to the user.
    pub(super) fn log_in(
        &self,
        principal: &Principal,
        login: Login,
        mut enter: impl FnMut(Rotation<'_, T>) -> Result<SessionId, BindError>,
        mut begin: impl FnMut(NewSession<'_, T>) -> Result<SessionId, CreateError>,
    ) -> Result<(), SessionError> {
        let timeouts = self.0.config().timeouts_of(login);
        loop {
            let at = self.0.current();
            self.may_change(at)?;
            let mut undo = None;
            let entered = at.id().map(|id| enter(self.store().rotation(id).timeouts(timeouts).undo(&mut undo)));
            let (new, change) = match entered {
                Some(Ok(new)) => (new, Change::Moved(undo)),
                // Another request has ended or rotated the session. The user has just authenticated, and gets a new
                // one.
                None | Some(Err(BindError::Missing(_))) => {
                    (begin(self.0.config().new_session().principal(*principal).timeouts(timeouts))?, Change::Created)
                }
                Some(Err(error)) => return Err(error.into()),
            };
            if let Moved::Yes = self.move_to(at, new, change)? {
                self.end_others();
                if let Some(stale) = self.0.stale() {
                    self.store().remember_replaced(stale);
                }
                return Ok(());
            }
        }
    }
}

impl<T: Replicate + ?Sized> Session<T> {
    /// Binds the session to a user and gives it a new id ([`SessionStore::bind`](cloakroom::SessionStore::bind)). The
    /// session keeps its content and its timeouts.
    ///
    /// [`login`](Session::login) does more: it starts a session if there is none or if the session belongs to another
    /// user, and restarts the absolute timeout. Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// * [`SessionError::OtherPrincipal`] if the session is bound to another user.
    /// * [`SessionError::PrincipalFull`] if the user has as many sessions as allowed.
    /// * The errors of [`rotate`](Self::rotate).
    pub fn bind(&self, principal: &Principal) -> Result<(), SessionError> {
        self.move_by(|id, undo| {
            self.store().rotation(id).undo(undo).bind(principal).map_err(|error: BindError| error.into())
        })
    }
}
