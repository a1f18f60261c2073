//! The handle by which a handler uses the session of its request.
//!
//! | file | the operations |
//! |---|---|
//! | `mod` | on a session whatever it holds: looking, ending, another id, the user's other sessions |
//! | `attributes` | on string attributes |
//! | `json` | on string attributes that hold values as JSON |
//! | `typed` | on a value |

mod attributes;
#[cfg(feature = "json")]
mod json;
mod typed;

use crate::error::SessionError;
use crate::visit::{Change, Station, Visit};
use cloakroom::{
    Attributes, BindError, Content, CreateError, NewSession, Principal, Replicate, RotateError, Rotation, SessionId,
    SessionStore, Timeouts,
};
use core::fmt;
use core::ptr;
use core::time::Duration;
use std::sync::Arc;

/// The session of one request: a handle that the [`SessionLayer`](crate::SessionLayer) puts among the request's extensions, where axum's
/// handlers find it by naming it as an argument (feature
/// `axum`).
///
/// It names the session that the request came with, or none. The first thing that is stored creates one; [`login`](Self::login) gives it another
/// id and a user, [`logout`](Self::logout) ends it. Whatever it does is done in the store at once, and seen by other requests of the same
/// session; the cookie goes with the response. Clones name the same session, across tasks, and may be used at the same time.
///
/// **Revocation wins.** A session that another request ends is gone for this one: operations answer [`SessionError::Gone`], `None` or
/// `false`, and nothing is created in its place. Only a handler that has itself ended the session ([`logout`](Self::logout)) may store
/// something again, in a new one.
///
/// Every operation is lock-free, as those of the [`SessionStore`] are that it calls, and takes effect when they do. None waits, so an
/// `async` handler calls them directly.
///
/// Another handle of the same request may be giving the session another id at the same time. An operation that meets it in the middle of
/// that finds no session.
///
/// # Examples
///
/// ```
/// use cloakroom_tower::{Session, SessionError};
///
/// async fn put_into_basket(session: Session, item: &str) -> Result<usize, SessionError> {
///     // Creates a session if there is none.
///     session.update(|draft| {
///         let basket = format!("{}{item},", draft.get("basket").unwrap_or_default());
///         draft.set("basket", &basket);
///         basket.matches(',').count()
///     })
/// }
/// ```
pub struct Session<T: Content + ?Sized = Attributes>(Arc<Visit<T>>);

impl<T: Content + ?Sized> Session<T> {
    pub(crate) fn of(visit: Arc<Visit<T>>) -> Self {
        Self(visit)
    }

    /// The store, for what is not offered here.
    pub fn store(&self) -> &Arc<SessionStore<T>> {
        &self.0.shared().store
    }

    /// Returns the session's id: a secret, by which the whole session can be had. `None` if the request has no session.
    ///
    /// The session was there when the request came, or when it was created; whether it still is, [`exists`](Self::exists) tells. Wait-free.
    pub fn id(&self) -> Option<SessionId> {
        self.0.now().id().copied()
    }

    /// Tells whether there is a session, without touching it.
    pub fn exists(&self) -> bool {
        self.find(|id| self.store().exists(id).then_some(())).is_some()
    }

    /// Lets the session's idle timeout begin anew; false if there is no session.
    pub fn touch(&self) -> bool {
        self.find(|id| self.store().touch(id).then_some(())).is_some()
    }

    /// Shows what the session holds to a closure, and touches the session. `None` if there is no session.
    ///
    /// Nothing is copied. While the closure runs, no memory is freed that any thread retires from the store, so keep it short; it holds up
    /// no operation ([`SessionStore::read`]). It cannot contain an `.await`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::Session;
    /// fn is_admin(session: &Session) -> bool {
    ///     session.read(|attributes| attributes.get("role") == Some("admin")) == Some(true)
    /// }
    /// ```
    pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let mut f = Some(f);
        self.find(|id| self.store().read(id, |content| f.take().map(|f| f(content))).flatten())
    }

    /// Returns how long the session has to live if nobody uses it, without touching it. `None` if there is no session; see
    /// [`SessionStore::expires_in`].
    pub fn expires_in(&self) -> Option<Duration> {
        self.find(|id| self.store().expires_in(id))
    }

    /// Returns who is logged in, without touching the session. `None` if nobody is, or there is no session.
    pub fn principal(&self) -> Option<Principal> {
        self.find(|id| self.store().principal(id))
    }

    /// Returns the live sessions of the user who is logged in, oldest first, this one among them: their devices (ASVS 5
    /// requirement 7.5.2).
    /// Empty if nobody is logged in.
    ///
    /// The ids are secrets: a page that shows the devices to their owner names them by something else, for its scripts could take the ids
    /// away. Neither this touches the sessions nor [`SessionStore::peek`], by which to see what is in them; [`SessionStore::read`] does, and
    /// would keep them alive as long as their owner looks at the list. Allocates.
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
    pub fn devices(&self) -> Vec<SessionId> {
        self.principal().map(|principal| self.store().sessions_of(&principal)).unwrap_or_default()
    }

    /// Ends another session of the user who is logged in, or this one; says whether it was there. A session that is not
    /// theirs is left alone. (ASVS 5 requirement 7.5.2, which wants them to prove who they are once more before.)
    pub fn end_device(&self, id: &SessionId) -> bool {
        let own = self.principal().is_some_and(|principal| self.store().principal(id) == Some(principal));
        own && if self.id().as_ref() == Some(id) { self.logout() } else { self.store().delete(id) }
    }

    /// Ends the session, and has the browser forget the cookie, if it has one; says whether there was a session.
    ///
    /// When this returns, no other request can use the session any more, nor bring it back, even one that was under way before
    /// ([`SessionStore::delete`]; ASVS 5 requirement 7.4.1). Other live sessions that the request named are ended with it, so that none of
    /// what the browser goes on sending is alive. If another request gives the session a new id at the very same time (a login), that one
    /// may win, and lives on.
    ///
    /// What is stored by this handle afterwards is stored in a new session.
    pub fn logout(&self) -> bool {
        let mut ended = self.end_others() > 0;
        loop {
            let at = self.0.now();
            ended |= at.id().is_some_and(|id| self.store().delete(id));
            // A second logout in a row has nothing to add. Too late for the cookie, the session has ended all the same.
            if at.is_end() || !matches!(self.0.go_on(at, None), Change::Overtaken) {
                return ended;
            }
        }
    }

    /// Ends all sessions of the user who is logged in, this one included, and returns how many of theirs it has ended.
    /// For a changed password, a closed account, a lost phone (ASVS 5 requirements 7.4.2, 7.4.3).
    ///
    /// They end at one instant, whatever other requests are doing ([`SessionStore::end_sessions_of`]). Then it does
    /// what [`logout`](Self::logout) does: the browser is to forget the cookie, and other live sessions that the
    /// request named are ended, which are not in the number. What is stored by this handle afterwards is stored in a
    /// new session.
    ///
    /// Lock-free; allocates. Takes effect when the store ends the user's sessions.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session, [`SessionError::NotLoggedIn`] if nobody is logged in to it. Whose
    /// sessions to end is unknown then, and none has ended, this one neither: that is what [`logout`](Self::logout) is
    /// for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::{Session, SessionError};
    /// async fn close_account(session: Session) -> Result<(), SessionError> {
    ///     // First of all, no login must succeed any more.
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

    /// Ends all sessions of the user who is logged in but this one, and returns how many: what to offer when a password
    /// or a second factor has been changed (ASVS 5 requirement 7.4.3).
    ///
    /// They end at one instant, whatever other requests are doing ([`SessionStore::end_other_sessions_of`]). This
    /// session goes on under its id; [`rotate`](Self::rotate) gives it another one. If another request gives it another
    /// id or ends it at the same time, it may end with the others: no session of the user is left then that this
    /// request knows nothing of.
    ///
    /// Lock-free; allocates. Takes effect when the store ends the user's sessions.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session, [`SessionError::NotLoggedIn`] if nobody is logged in to it. Whose
    /// sessions to end is unknown then, and none has ended: do not tell the user that they have.
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

    /// Which user is logged in, and under which id.
    fn principal_and_id(&self) -> Result<(Principal, SessionId), SessionError> {
        match self.find(|id| self.store().principal(id).map(|principal| (principal, *id))) {
            Some(found) => Ok(found),
            None if self.exists() => Err(SessionError::NotLoggedIn),
            None => Err(SessionError::Gone),
        }
    }

    /// Logs a user in: by `enter`, which is given the rotation of the session that there is, or by `begin`, which is
    /// given one that is bound to the user already.
    fn log_in(
        &self,
        principal: &Principal,
        mut enter: impl FnMut(Rotation<'_, T>) -> Result<SessionId, BindError>,
        mut begin: impl FnMut(NewSession<'_, T>) -> Result<SessionId, CreateError>,
    ) -> Result<(), SessionError> {
        let timeouts = self.0.shared().timeouts_from_login();
        loop {
            let at = self.0.now();
            self.may_change(at)?;
            let entered = at.id().map(|id| enter(self.store().rotation(id).timeouts(timeouts)));
            let new = match entered {
                Some(Ok(new)) => new,
                // Ended or moved by others. The user has just proved who they are, and gets a session all the same.
                None | Some(Err(BindError::Missing(_))) => begin(self.0.shared().new_session().principal(*principal))?,
                Some(Err(error)) => return Err(error.into()),
            };
            if let Moved::Yes = self.move_to(at, new)? {
                self.end_others();
                return Ok(());
            }
        }
    }

    fn end_others(&self) -> usize {
        self.0.others().iter().filter(|id| self.store().delete(id)).count()
    }

    /// What `look` finds in the session; it looks again where the session has got another id by way of another handle meanwhile.
    fn find<R>(&self, mut look: impl FnMut(&SessionId) -> Option<R>) -> Option<R> {
        let mut at = self.0.now();
        loop {
            let found = look(at.id()?);
            if found.is_some() {
                return found;
            }
            let now = self.0.now();
            if ptr::eq(at, now) {
                return None;
            }
            at = now;
        }
    }

    /// Changes the session, or creates one if there is none yet.
    fn store_something<R, E: Into<SessionError>>(
        &self,
        mut change: impl FnMut(&SessionId) -> Result<R, E>,
        mut create: impl FnMut() -> Result<(SessionId, R), SessionError>,
    ) -> Result<R, SessionError> {
        loop {
            let at = self.0.now();
            let Some(id) = at.id() else {
                self.may_change(at)?;
                let (id, result) = create()?;
                if let Moved::Yes = self.move_to(at, id)? {
                    return Ok(result);
                }
                continue;
            };
            match change(id).map_err(Into::into) {
                Err(SessionError::Gone) if !ptr::eq(at, self.0.now()) => {}
                result => return result,
            }
        }
    }

    /// Changes the session if there is one.
    fn change<R, E: Into<SessionError>>(
        &self,
        mut change: impl FnMut(&SessionId) -> Result<R, E>,
    ) -> Result<R, SessionError> {
        loop {
            let at = self.0.now();
            let id = at.id().ok_or(SessionError::Gone)?;
            match change(id).map_err(Into::into) {
                Err(SessionError::Gone) if !ptr::eq(at, self.0.now()) => {}
                result => return result,
            }
        }
    }

    fn may_change(&self, at: &Station) -> Result<(), SessionError> {
        match () {
            () if self.0.is_answered() => Err(SessionError::Answered),
            () if at.is_last_allowed() => Err(SessionError::TooManyChanges),
            () => Ok(()),
        }
    }

    /// Goes on with a session that nobody else knows yet, and which is ended if that cannot be.
    fn move_to(&self, at: &Station, id: SessionId) -> Result<Moved, SessionError> {
        match self.0.go_on(at, Some(id)) {
            Change::Made => Ok(Moved::Yes),
            Change::Overtaken => {
                self.store().delete(&id);
                Ok(Moved::Overtaken)
            }
            Change::TooLate => {
                self.store().delete(&id);
                Err(SessionError::Answered)
            }
        }
    }
}

enum Moved {
    Yes,
    Overtaken,
}

impl<T: Replicate + ?Sized> Session<T> {
    /// Gives the session a new id, and ends the old one: what is to be done whenever its rights change ([`SessionStore::rotate_id`]; ASVS
    /// 5 requirement 7.2.4). At a login, [`login`](Session::login) does it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session, [`SessionError::Answered`] when the response is on its way: if that came first only
    /// in the course of the call, the session has ended. [`SessionError::Random`], [`SessionError::TooManyChanges`].
    pub fn rotate(&self) -> Result<(), SessionError> {
        self.move_by(|id| self.store().rotate_id(id).map_err(|error: RotateError| error.into()))
    }

    /// Binds the session to a user and gives it a new id, keeping what it holds ([`SessionStore::bind`]).
    /// [`login`](Session::login) does more: it starts a session if there is none, or if the one there is belongs to
    /// another user, and lets the absolute timeout begin anew.
    ///
    /// # Errors
    ///
    /// [`SessionError::OtherPrincipal`] if it is bound to another user, [`SessionError::PrincipalFull`], and those of
    /// [`rotate`](Self::rotate).
    pub fn bind(&self, principal: &Principal) -> Result<(), SessionError> {
        self.move_by(|id| self.store().bind(id, principal).map_err(|error: BindError| error.into()))
    }

    /// Gives the session other timeouts from now on ([`SessionStore::set_timeouts`]).
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session.
    pub fn set_timeouts(&self, timeouts: Timeouts) -> Result<(), SessionError> {
        self.change(|id| self.store().set_timeouts(id, timeouts))
    }

    fn move_by(
        &self,
        mut rotate: impl FnMut(&SessionId) -> Result<SessionId, SessionError>,
    ) -> Result<(), SessionError> {
        loop {
            let at = self.0.now();
            let id = at.id().ok_or(SessionError::Gone)?;
            self.may_change(at)?;
            match rotate(id) {
                Ok(new) => {
                    if let Moved::Yes = self.move_to(at, new)? {
                        return Ok(());
                    }
                }
                Err(SessionError::Gone) if !ptr::eq(at, self.0.now()) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<T: Content + ?Sized> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Shows neither id nor content.
impl<T: Content + ?Sized> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
