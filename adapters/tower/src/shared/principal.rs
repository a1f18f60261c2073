//! Operations on the user that a shared session is bound to, and on the user's other sessions.

use super::session::{Session, find};
use super::work;
use crate::error::SessionError;
use crate::login::Login;
use cloakroom::{Principal, SessionId};
use cloakroom_redis::{Device, Shared};

impl<T: Shared + ?Sized> Session<T> {
    /// Returns the user that is logged in, without touching the session. `None` if no user is logged in, or if there is
    /// no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn principal(&self) -> Result<Option<Principal>, SessionError> {
        let found: Result<_, SessionError> = find!(self, id => self.store().principal(id));
        Ok(found?.flatten())
    }

    /// Returns the live sessions of the user that is logged in, on all servers, including this one: the user's devices.
    /// Empty if no user is logged in. The engine knows only hashes of ids, so a [`Device`] names no id. Asks the
    /// engine.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn devices(&self) -> Result<Vec<Device>, SessionError> {
        match self.principal().await? {
            Some(principal) => Ok(self.store().sessions_of(&principal).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Ends a session of the user that is logged in: another one, or this one. Returns whether it was live. A session
    /// of another user is left alone.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`]; [`SessionError::Unconfirmed`], as for [`logout`](Self::logout).
    pub async fn end_device(&self, device: &Device) -> Result<bool, SessionError> {
        let Some((principal, id)) = self.principal_and_id().await? else { return Ok(false) };
        if device.is(&id) {
            return self.logout().await;
        }
        Ok(self.store().end_device(&principal, device).await?)
    }

    /// Ends all sessions of the user that is logged in, on all servers, including this one, and returns how many it has
    /// ended. Then this does what [`logout`](Self::logout) does.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if there is no session, and [`SessionError::NotLoggedIn`] if no user is logged in to
    ///   it. No session has ended then.
    /// * [`SessionError::Away`]: it is not known who the user is, and no session has ended.
    /// * [`SessionError::Unconfirmed`]: this session is dead on this server, and its cookie is removed. The engine is
    ///   told to end all until it confirms.
    pub async fn logout_all_devices(&self) -> Result<u64, SessionError> {
        let principal = self.user().await?.0;
        let session = self.clone();
        work::to_the_end(async move {
            let ended = session.store().end_sessions_of(&principal).await;
            session.logout().await?;
            Ok(ended?)
        })
        .await
    }

    /// Ends all sessions of the user that is logged in except this one, on all servers, and returns how many it has
    /// ended.
    ///
    /// # Errors
    ///
    /// As for [`logout_all_devices`](Self::logout_all_devices).
    pub async fn logout_other_devices(&self) -> Result<u64, SessionError> {
        let id = self.user().await?.1;
        Ok(self.store().end_other_sessions(&id).await?)
    }

    /// The user that is logged in, and the id of the session.
    async fn user(&self) -> Result<(Principal, SessionId), SessionError> {
        match self.principal_and_id().await? {
            Some(found) => Ok(found),
            None if self.exists().await? => Err(SessionError::NotLoggedIn),
            None => Err(SessionError::Gone),
        }
    }

    async fn principal_and_id(&self) -> Result<Option<(Principal, SessionId)>, SessionError> {
        let found: Result<_, SessionError> = find!(self, id => async {
            Ok::<_, cloakroom_redis::SharedError>(self.store().principal(id).await?.map(|principal| (principal, *id)))
        });
        Ok(found?.flatten())
    }

    /// Binds the session to a user and gives it a new id. The session keeps its content and its timeouts.
    /// [`login`](Session::login) does more.
    ///
    /// # Errors
    ///
    /// * [`SessionError::OtherPrincipal`] if the session is bound to another user.
    /// * [`SessionError::PrincipalFull`] if the user has as many sessions as allowed.
    /// * The errors of [`rotate`](Self::rotate).
    pub async fn bind(&self, principal: &Principal) -> Result<(), SessionError> {
        let (session, principal) = (self.clone(), *principal);
        work::to_the_end(async move {
            loop {
                let at = session.0.current();
                let id = session.live_id(at).await?;
                let bound = session.store().rotation(id).bind(&principal).await;
                if session.moved(at, bound, true).await? {
                    return Ok(());
                }
            }
        })
        .await
    }
}

impl Session {
    /// Logs a user in: binds the session to the user and gives it a new id, or starts a session that is bound to the
    /// user. Call it each time that the user has authenticated.
    ///
    /// When this returns, the old id is dead on this server and in the engine, and at the latest after the bound of
    /// staleness on all servers. Attributes that the visitor has stored before the login stay. If the session is bound
    /// to another user, it ends, and a session without attributes takes its place. Other sessions that the request
    /// named end. The session gets the timeouts of the [layer](crate::SessionLayer::absolute_timeout), or else of the
    /// store.
    ///
    /// # Errors
    ///
    /// * [`SessionError::PrincipalFull`] if the user has as many sessions as allowed.
    /// * [`SessionError::Answered`] if the response has already been made.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    /// * [`SessionError::Away`]: nothing has changed. [`SessionError::Unknown`]: the session may have ended.
    pub async fn login(&self, principal: &Principal) -> Result<(), SessionError> {
        self.login_with(principal, Login::new()).await
    }

    /// Does the same as [`login`](Self::login), and says how long the login lasts: "remember me".
    ///
    /// # Errors
    ///
    /// The errors of [`login`](Self::login).
    pub async fn login_with(&self, principal: &Principal, login: Login) -> Result<(), SessionError> {
        let (session, principal) = (self.clone(), *principal);
        work::to_the_end(async move {
            let timeouts = session.0.config().timeouts_of(login);
            loop {
                let at = session.0.current();
                session.may_change(at)?;
                let before = session.0.id_at(at).await?.copied();
                let entered = match &before {
                    Some(id) => Some(session.store().rotation(id).timeouts(timeouts).login(&principal).await),
                    None => None,
                };
                let new = match entered {
                    Some(Ok(new)) => new,
                    Some(Err(error)) if !error.is_missing() => return Err(error.into()),
                    // Another request has ended or rotated the session. The user has just authenticated, and gets a
                    // new one.
                    _ => session.0.config().new_session().principal(principal).timeouts(timeouts).create().await?,
                };
                if session.issue(at, new, true).await? {
                    session.end_others(before).await;
                    return Ok(());
                }
            }
        })
        .await
    }

    /// Logs the user out and keeps what the visitor may keep: ends the session as [`logout`](Self::logout) does, and
    /// begins one in its place that is bound to no user and holds the attributes whose key `keep` accepts.
    ///
    /// # Errors
    ///
    /// The errors of [`rotate`](Self::rotate). **The user may still be logged in then**: call [`logout`](Self::logout).
    pub async fn logout_keeping(
        &self,
        mut keep: impl FnMut(&str) -> bool + Send + 'static,
    ) -> Result<(), SessionError> {
        let session = self.clone();
        work::to_the_end(async move {
            let timeouts = session.0.config().timeouts_of(Login::default());
            loop {
                let at = session.0.current();
                let id = session.live_id(at).await?;
                let left = session.store().rotation(id).timeouts(timeouts).unbind(&mut keep).await;
                if session.moved(at, left, false).await? {
                    session.end_others(Some(*id)).await;
                    return Ok(());
                }
            }
        })
        .await
    }
}
