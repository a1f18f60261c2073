//! The handle by which a handler uses the session of its request.
//!
//! | file | contents |
//! |---|---|
//! | `mod` | operations on a session with any content: look, touch, rotate, set timeouts, log out |
//! | `keeping` | logout that keeps a visitor's own data |
//! | `principal` | operations on the user and the user's other sessions |
//! | `attributes` | operations on string attributes |
//! | `json` | operations on string attributes that hold values as JSON |
//! | `typed` | operations on a value of the application's own type |
//! | `retry` | how an operation follows a change of the session's id by another handle |

mod attributes;
#[cfg(feature = "json")]
mod json;
mod keeping;
mod principal;
mod retry;
mod typed;

use crate::changes::Refused;
use crate::config::LocalConfig;
use crate::error::SessionError;
use crate::request::{Change, RequestState};
use cloakroom::{Attributes, Content, Hold, Replicate, RotateError, SessionId, SessionStore, Timeouts};
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

/// The session of one request. The [`SessionLayer`](crate::SessionLayer) puts this handle among the extensions of the
/// request; with the feature `axum` it is an extractor.
///
/// The handle names the session that the request came with, or none. The first operation that stores something creates
/// a session. [`login`](Self::login) gives it a new id and binds it to a user; [`logout`](Self::logout) ends it. Each
/// operation changes the store at once, and other requests of the same session see the change; the cookie is sent with
/// the response. All clones of a handle name the same session, and several tasks may use them at the same time.
///
/// **Revocation wins.** If another request ends the session, it is gone for this request too: operations return
/// [`SessionError::Gone`], `None` or `false`, and create no session in its place. Only a handler that has itself called
/// [`logout`](Self::logout) can store something afterwards, in a new session.
///
/// Every operation is lock-free and takes effect when the operation of [`SessionStore`] that it calls takes effect.
/// None waits for another thread, so an `async` handler calls them directly.
///
/// A change of the id counts when the response is handed over ([`SessionLayer`](crate::SessionLayer)). Another request
/// that has changed the id meanwhile makes operations fail with [`SessionError::Replaced`].
///
/// Another handle of the same request may change the session's id at the same time. An operation that runs between the
/// two steps of such a change finds no session.
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
pub struct Session<T: Content + ?Sized = Attributes>(Arc<RequestState<T>>);

impl<T: Content + ?Sized> Session<T> {
    pub(crate) fn new(state: Arc<RequestState<T>>) -> Self {
        Self(state)
    }

    /// Whether this handle of a layer outside serves for a layer of this configuration: both find the same sessions by
    /// the same cookie, and the response is still to come.
    pub(crate) fn serves(&self, config: &LocalConfig<T>) -> bool {
        let own = self.0.config();
        Arc::ptr_eq(&own.store, &config.store)
            && own.settings.audience == config.settings.audience
            && own.carriers.agrees_with(&config.carriers)
            && !self.0.is_closed()
    }

    /// Returns the store, for operations that this handle does not have. Wait-free.
    #[must_use]
    pub fn store(&self) -> &Arc<SessionStore<T>> {
        &self.0.config().store
    }

    /// Returns the session's id, or `None` if the request has no session. The id is a secret: it gives access to the
    /// whole session.
    ///
    /// The session was live when the request came or when the handler created it. [`exists`](Self::exists) tells
    /// whether it still is. Wait-free; allocates nothing.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.0.current().id().copied()
    }

    /// Returns whether the request came by a token in a header ([`SessionLayer::token`](crate::SessionLayer::token)),
    /// or has asked for one. Another site cannot make a browser send such a request, so it needs no check for forged
    /// requests. Wait-free; allocates nothing.
    #[must_use]
    pub fn is_by_token(&self) -> bool {
        self.0.brought().carrier.is_token()
    }

    /// Returns whether there is a live session, without touching it. Lock-free; allocates nothing.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.find(|id| self.store().exists(id).then_some(())).is_some()
    }

    /// Restarts the session's idle timeout. Returns `false` if there is no session. Lock-free; allocates nothing.
    pub fn touch(&self) -> bool {
        self.find(|id| self.store().touch(id).then_some(())).is_some()
    }

    /// Touches the session, unless the layer does so when the response is ready. Returns `false` if there is no
    /// session.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "the extractors call it"))]
    pub(crate) fn note_use(&self) -> bool {
        if self.0.config().touches_at_the_response() { self.exists() } else { self.touch() }
    }

    /// Passes the session's content to a closure, and touches the session. Returns `None` if there is no session.
    ///
    /// Nothing is copied. While the closure runs, no memory that any thread retires is freed, so keep it short. It
    /// delays no other operation ([`SessionStore::read`]). It cannot contain an `.await`. Lock-free, if the closure is;
    /// allocates nothing.
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
        let read_only = self.0.config().touches_at_the_response();
        self.find(|id| {
            let once = |content: &T| f.take().map(|f| f(content));
            if read_only { self.store().peek(id, once) } else { self.store().read(id, once) }.flatten()
        })
    }

    /// Returns the time until the session expires if it is not used, without touching it. `None` if there is no
    /// session. See [`SessionStore::expires_in`]. Lock-free; allocates nothing.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.find(|id| self.store().expires_in(id))
    }

    /// Holds the session in use: as long as the hold exists, the session does not expire for being idle. `None` if
    /// there is no session.
    ///
    /// For a request or a stream that runs for longer than the idle timeout. The absolute timeout and each revocation
    /// end the session all the same ([`Hold`]). The hold names the present id, so take it after a login. Lock-free;
    /// allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::{Session, SessionError};
    /// # async fn store_upload() {}
    /// async fn upload(session: Session) -> Result<(), SessionError> {
    ///     let _hold = session.hold().ok_or(SessionError::Gone)?;
    ///     store_upload().await; // may take an hour
    ///     session.set("uploaded", "yes")
    /// }
    /// ```
    #[must_use = "dropping the hold ends it"]
    pub fn hold(&self) -> Option<Hold<Arc<SessionStore<T>>, T>> {
        self.find(|id| Hold::new(Arc::clone(self.store()), id))
    }

    /// Ends the session, and makes the response remove the cookie. Returns whether there was a session.
    ///
    /// When this returns, no other request can use or restore the session, even a request that was in flight before
    /// ([`SessionStore::delete`]; ASVS 5 requirement 7.4.1). Other live sessions that the request named end too, so
    /// that no id that the browser may still send is live. One exception: if another request gives the session a new id
    /// at the same time (a login), that request may win, and the session lives on under the new id.
    ///
    /// Operations of this handle that store something afterwards do so in a new session. Lock-free; allocates.
    pub fn logout(&self) -> bool {
        let mut ended = self.end_others() > 0;
        // The session may be about to get this id back, because the response with its new one is lost.
        ended |= self.0.overtaken().is_some_and(|id| self.store().delete(id));
        loop {
            let at = self.0.current();
            ended |= at.id().is_some_and(|id| self.store().log_out(id));
            // A second logout in a row adds no node. A logout that is too late for the cookie has still ended the
            // session.
            if at.is_logout() || !matches!(self.0.append(at, None, Change::Ended), Err(Refused::Overtaken(_))) {
                return ended;
            }
        }
    }

    fn end_others(&self) -> usize {
        self.0.others().iter().filter(|id| self.store().log_out(id)).count()
    }
}

impl<T: Replicate + ?Sized> Session<T> {
    /// Gives the session a new id, and ends the old one ([`SessionStore::rotate_id`]). Call it whenever the session's
    /// privileges change (ASVS 5 requirement 7.2.4). [`login`](Session::login) does so itself.
    ///
    /// Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// * [`SessionError::Gone`] if there is no session.
    /// * [`SessionError::Replaced`] if another request has changed the id meanwhile.
    /// * [`SessionError::Answered`] if the response has already been made. If it is made during the call, the session
    ///   keeps its id.
    /// * [`SessionError::TooManyChanges`] if this request has already changed the id a hundred times.
    /// * [`SessionError::Random`] if the operating system provides no random bytes.
    pub fn rotate(&self) -> Result<(), SessionError> {
        self.move_by(|id, undo| {
            self.store().rotation(id).undo(undo).rotate().map_err(|error: RotateError| error.into())
        })
    }

    /// Sets the session's timeouts from now on ([`SessionStore::set_timeouts`]). Lock-free; allocates.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if there is no session.
    pub fn set_timeouts(&self, timeouts: Timeouts) -> Result<(), SessionError> {
        self.change(|id| self.store().set_timeouts(id, timeouts))
    }
}

impl<T: Content + ?Sized> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Shows neither the id nor the content.
impl<T: Content + ?Sized> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
