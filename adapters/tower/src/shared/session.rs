//! The handle by which a handler uses the session of its request, over a store that servers share.

use super::state::{Change, SharedConfig, SharedState};
use super::work;
use crate::changes::{Node, Refused};
use crate::error::SessionError;
use cloakroom::{Attributes, SessionId, Timeouts};
use cloakroom_redis::{Shared, SharedError, SharedStore};
use core::fmt;
use core::ptr;
use std::sync::Arc;

/// Does `$look` with the current id, again if another handle of the request has changed the id meanwhile. `None` if
/// there is no session.
macro_rules! find {
    ($session:expr, $id:ident => $look:expr) => {{
        let state = &$session.0;
        let mut at = state.current();
        loop {
            let Some($id) = state.id_at(at).await? else { break Ok(None) };
            match $look.await {
                Ok(found) => break Ok(Some(found)),
                Err(error) if !error.is_missing() => break Err($crate::error::SessionError::from(error)),
                Err(_) => {}
            }
            let current = state.current();
            if ::core::ptr::eq(at, current) {
                break Ok(None);
            }
            at = current;
        }
    }};
}

/// Changes the session with the current id, again if another handle of the request has changed the id meanwhile.
/// `$otherwise` is done if the request has no session.
macro_rules! change {
    ($session:expr, $id:ident => $change:expr, else $otherwise:expr) => {{
        let state = &$session.0;
        loop {
            let at = state.current();
            let Some($id) = state.id_at(at).await? else {
                state.may_create(at)?;
                break $otherwise;
            };
            match $change.await {
                Err(error) if error.is_missing() && !::core::ptr::eq(at, state.current()) => {}
                result => break result.map_err($crate::error::SessionError::from),
            }
        }
    }};
}

pub(super) use {change, find};

/// The session of one request over a store that servers share. The [`SessionLayer`](crate::SessionLayer::shared) puts
/// this handle among the extensions of the request; with the feature `axum` it is an extractor.
///
/// It behaves as [`Session`](crate::Session) does over a store of one process: the first operation that stores
/// something creates a session, [`login`](Self::login) gives it a new id and binds it to a user,
/// [`logout`](Self::logout) ends it, and all clones of a handle name the same session.
///
/// **Revocation wins, on all servers.** If a session is ended here, no operation on this server finds it from then on.
/// Other servers refuse it when the engine tells them, at the latest after the
/// [bound of staleness](cloakroom_redis::SharedOptions::staleness). No operation in flight restores it.
///
/// Operations fail with [`SessionError::Away`] if the engine has to be asked and does not answer. That there is no
/// session is something else: `None`, `false`, or [`SessionError::Gone`].
///
/// # Dropping futures
///
/// A future that issues an id ([`login`](Self::login), [`rotate`](Self::rotate), the creation of a session) works to
/// its end in a task of its own, even if it is dropped. If its response is gone by then, the new session ends.
pub struct Session<T: Shared + ?Sized = Attributes>(pub(super) Arc<SharedState<T>>);

impl<T: Shared + ?Sized> Session<T> {
    pub(super) fn new(state: Arc<SharedState<T>>) -> Self {
        Self(state)
    }

    /// Whether this handle of a layer outside serves for a layer of this configuration.
    pub(super) fn serves(&self, config: &SharedConfig<T>) -> bool {
        let own = self.0.config();
        ptr::eq(own.store.config(), config.store.config())
            && own.settings.audience == config.settings.audience
            && own.carriers.agrees_with(&config.carriers)
            && !self.0.changes().is_closed()
    }

    /// Returns the store, for operations that this handle does not have. Wait-free.
    #[must_use]
    pub fn store(&self) -> &SharedStore<T> {
        self.0.store()
    }

    /// Returns the session's id, or `None` if the request has no session. The id is a secret: it gives access to the
    /// whole session. Asks the engine if this is the first operation of the request and the near cache does not have
    /// the session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn id(&self) -> Result<Option<SessionId>, SessionError> {
        Ok(self.0.id_at(self.0.current()).await?.copied())
    }

    /// Returns whether the request came by a token in a header ([`SessionLayer::token`](crate::SessionLayer::token)),
    /// or has asked for one. Wait-free; allocates nothing.
    #[must_use]
    pub fn is_by_token(&self) -> bool {
        self.0.carrier().is_token()
    }

    /// Returns whether there is a live session, without touching it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn exists(&self) -> Result<bool, SessionError> {
        let found: Result<_, SessionError> = find!(self, id => self.store().exists(id));
        Ok(found? == Some(true))
    }

    /// Restarts the session's idle timeout. Returns `false` if there is no session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn touch(&self) -> Result<bool, SessionError> {
        let found: Result<_, SessionError> = find!(self, id => self.store().touch(id));
        Ok(found? == Some(true))
    }

    /// Passes the session's content to a closure, and touches the session. Returns `None` if there is no session.
    ///
    /// A session in the near cache is read where it is: nothing is copied, and nobody is asked. The closure cannot
    /// contain an `.await`. While it runs, no memory that any thread retires is freed, so keep it short.
    ///
    /// # Errors
    ///
    /// [`SessionError::Away`].
    pub async fn read<R>(&self, f: impl FnOnce(&T) -> R) -> Result<Option<R>, SessionError> {
        let mut f = Some(f);
        let read_only = self.0.config().touches_at_the_response();
        self.0.current();
        let first = self.0.show_first(!read_only, |content| f.take().map(|f| f(content))).await?;
        if let Some(read) = first {
            return Ok(read);
        }
        let found: Result<_, SessionError> = find!(self, id => async {
            let once = |content: &T| f.take().map(|f| f(content));
            if read_only { self.store().peek(id, once).await } else { self.store().read(id, once).await }
        });
        Ok(found?.flatten())
    }

    /// Ends the session, and makes the response remove the cookie. Returns whether there was a session.
    ///
    /// When this returns, no request on this server finds the session, and the engine has ended it: no operation in
    /// flight restores it, on any server. All other sessions that the request named end too.
    ///
    /// Operations of this handle that store something afterwards do so in a new session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Unconfirmed`] if the engine has not confirmed the end: the session is dead on this server, and
    /// the response removes the cookie all the same. **Other servers may still serve the session.** The store repeats
    /// the end until the engine confirms it. Tell the user; with the feature `axum` the error is a response with status
    /// 503.
    pub async fn logout(&self) -> Result<bool, SessionError> {
        let state = Arc::clone(&self.0);
        work::to_the_end(async move { log_out(&state).await }).await
    }

    /// Gives the session a new id, and ends the old one. Call it whenever the session's privileges change.
    /// [`login`](Self::login) does so itself.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if there is no session.
    /// * [`SessionError::Replaced`] if another request has changed the id meanwhile.
    /// * [`SessionError::Answered`] if the response has already been made. If it is made during the call, the session
    ///   ends.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    /// * [`SessionError::Away`]; [`SessionError::Unknown`], after which the session may have ended.
    pub async fn rotate(&self) -> Result<(), SessionError> {
        let session = self.clone();
        work::to_the_end(async move {
            loop {
                let at = session.0.current();
                let id = session.live_id(at).await?;
                let is_user = session.store().principal(id).await?.is_some();
                let rotated = session.store().rotate(id).await;
                if session.moved(at, rotated, is_user).await? {
                    return Ok(());
                }
            }
        })
        .await
    }

    /// Sets the session's timeouts from now on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session; [`SessionError::Away`]; [`SessionError::Unknown`].
    pub async fn set_timeouts(&self, timeouts: Timeouts) -> Result<(), SessionError> {
        change!(self, id => self.store().set_timeouts(id, timeouts), else Err(SessionError::Gone))
    }

    /// Touches the session, unless the layer does so when the response is ready. False if there is no session.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "the extractors call it"))]
    pub(super) async fn note_use(&self) -> Result<bool, SessionError> {
        if self.0.config().touches_at_the_response() {
            return self.exists().await;
        }
        Ok(self.read(|_| ()).await?.is_some())
    }

    /// The id of a node that may be changed.
    pub(super) async fn live_id<'a>(&'a self, at: &'a Node<Change>) -> Result<&'a SessionId, SessionError> {
        self.may_change(at)?;
        match self.0.id_at(at).await? {
            Some(id) => Ok(id),
            None => Err(self.0.may_create(at).err().unwrap_or(SessionError::Gone)),
        }
    }

    /// Checks whether the id may change, before the engine is asked for anything.
    pub(super) fn may_change(&self, at: &Node<Change>) -> Result<(), SessionError> {
        match () {
            () if self.0.changes().is_closed() => Err(SessionError::Answered),
            () if at.is_last_allowed() => Err(SessionError::TooManyChanges),
            () => Ok(()),
        }
    }

    /// Makes the id that the store has given the session its id in this request. False if another handle has changed
    /// the id first.
    pub(super) async fn moved(
        &self,
        at: &Node<Change>,
        given: Result<SessionId, SharedError>,
        is_user: bool,
    ) -> Result<bool, SessionError> {
        match given {
            Ok(new) => self.issue(at, new, is_user).await,
            Err(error) if error.is_missing() && !ptr::eq(at, self.0.current()) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes `id`, which no other task knows yet, the session's id. False if another handle has changed the id first:
    /// the session of `id` has ended then.
    pub(super) async fn issue(&self, at: &Node<Change>, id: SessionId, is_user: bool) -> Result<bool, SessionError> {
        let refused = match self.0.changes().append(at, Some(id), Change::Issued { is_user }) {
            Ok(()) => return Ok(true),
            Err(Refused::Overtaken(_)) => Ok(false),
            Err(Refused::TooLate(_)) => Err(SessionError::Answered),
        };
        // An end that the engine has not confirmed is repeated by the store.
        let _ = self.store().delete(&id).await;
        refused
    }

    /// Ends the other sessions that the request has named, after a login.
    pub(super) async fn end_others(&self, but: Option<SessionId>) {
        for id in self.0.ids().filter(|id| Some(**id) != but) {
            if self.0.may_end(id).await {
                let _ = self.store().log_out(id).await;
            }
        }
    }
}

/// Ends every session that the request has brought or got.
async fn log_out<T: Shared + ?Sized>(state: &SharedState<T>) -> Result<bool, SessionError> {
    let (mut ended, mut failed) = (false, None);
    let mut note = |result: Result<bool, SharedError>| match result {
        Ok(was_live) => ended |= was_live,
        Err(error) if error.is_missing() => {}
        Err(error) => failed = failed.or(Some(error)),
    };
    for id in state.ids() {
        if state.may_end(id).await {
            note(state.store().log_out(id).await);
        }
    }
    loop {
        let at = state.current();
        if let Some(id) = at.id() {
            note(state.store().log_out(id).await);
        }
        // A second logout in a row adds no node. A logout that is too late for the cookie has still ended the session.
        let is_logout = matches!(at.change(), Change::Ended);
        if is_logout || !matches!(state.changes().append(at, None, Change::Ended), Err(Refused::Overtaken(_))) {
            break;
        }
    }
    match failed {
        None => Ok(ended),
        Some(_) => Err(SessionError::Unconfirmed),
    }
}

impl<T: Shared + ?Sized> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Shows neither the id nor the content.
impl<T: Shared + ?Sized> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
