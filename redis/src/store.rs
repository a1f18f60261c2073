//! The store: reading, creating and ending sessions.

use crate::error::{ConnectError, EngineError, SharedError};
use crate::health::Health;
use crate::inner::Inner;
use crate::link::{Command, Request};
use crate::near::{Held, Micros, until};
use crate::options::SharedOptions;
use crate::scripts::Script;
use crate::{Shared, arguments, names};
use cloakroom::{Attributes, Audience, Principal, SessionConfig, SessionId, Timeouts};
use core::borrow::Borrow;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

/// Stores sessions that several servers share, in an engine, and keeps those in use near.
///
/// A read of a session that is near is served on the calling thread, lock-free, and asks nobody. Everything else is one
/// message or more to the thread of the connection, and awaits the answers. A future that is dropped meanwhile gives up
/// the answer only: what it has asked for already happens all the same.
///
/// Clones are the same store. Its connection ends when the last of them is dropped.
pub struct SharedStore<T: Shared + ?Sized = Attributes> {
    pub(crate) inner: Arc<Inner<T>>,
}

impl<T: Shared + ?Sized> Clone for SharedStore<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Shared + ?Sized> fmt::Debug for SharedStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStore").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl SharedStore {
    /// Connects to the engine, for sessions with string attributes.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], if the settings are wrong, or the engine cannot be reached in time or will not do.
    pub async fn connect(options: SharedOptions) -> Result<Self, ConnectError> {
        Self::open(options).await
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> SharedStore<T> {
    /// Connects to the engine, for sessions that hold a value: see [`connect`](SharedStore::connect).
    ///
    /// # Errors
    ///
    /// As for [`connect`](SharedStore::connect).
    pub async fn connect_typed(options: SharedOptions) -> Result<Self, ConnectError> {
        Self::open(options).await
    }
}

impl<T: Shared + ?Sized> SharedStore<T> {
    async fn open(options: SharedOptions) -> Result<Self, ConnectError> {
        Ok(Self { inner: Arc::new(Inner::open(options).await?) })
    }

    /// Returns the settings of sessions.
    pub fn config(&self) -> &SessionConfig {
        &self.inner.config
    }

    /// Shows the content of a session of the near cache to a closure, and touches the session. Asks nobody.
    pub fn cached<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.inner.hit(id, true, |held| f(held.content.borrow()))
    }

    /// Shows the content of a session to a closure, and touches the session.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn read<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        self.inner.show(id, true, |held| f(held.content.borrow())).await
    }

    /// Shows the content of a session to a closure, without touching the session.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn peek<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        self.inner.show(id, false, |held| f(held.content.borrow())).await
    }

    /// Returns the principal to which a session is bound.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn principal(&self, id: &SessionId) -> Result<Option<Principal>, SharedError> {
        self.inner.show(id, false, |held| held.terms.principal).await
    }

    /// Returns whether there is such a session, without touching it.
    ///
    /// # Errors
    ///
    /// [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses.
    pub async fn exists(&self, id: &SessionId) -> Result<bool, SharedError> {
        found(self.inner.show(id, false, |_| ()).await)
    }

    /// Touches a session, or tells why there is none: `Missing(Replaced)` and `Missing(LoggedOut)` for a minute.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn lookup(&self, id: &SessionId) -> Result<(), SharedError> {
        self.inner.show(id, true, |_| ()).await
    }

    /// Touches a session. Returns false if there is none.
    ///
    /// # Errors
    ///
    /// [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses.
    pub async fn touch(&self, id: &SessionId) -> Result<bool, SharedError> {
        found(self.lookup(id).await)
    }

    /// Returns the time after which a session expires if it is not used, without touching it.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn expires_in(&self, id: &SessionId) -> Result<Duration, SharedError> {
        let inner = &self.inner;
        if let Some(Some(left)) = inner.hit(id, false, |_| inner.near.table.expires_in(id)) {
            return Ok(left);
        }
        let held = inner.fetch(id, false, false).await?;
        Ok(held.left(inner.near.now()))
    }

    /// Returns which application accepts the session's id, and the lifetime that its cookie should have.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn ticket(&self, id: &SessionId) -> Result<SharedTicket, SharedError> {
        let now = self.inner.near.now();
        self.inner.show(id, false, |held| SharedTicket::of(held, now)).await
    }

    /// Changes the given timeouts of a session from now on, and touches the session.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet.
    pub async fn set_timeouts(&self, id: &SessionId, timeouts: Timeouts) -> Result<(), SharedError> {
        self.inner.replace(id, None, timeouts, None).await.map(|_| ())
    }

    /// Makes reads that ask the engine, whatever is near.
    pub fn fresh(&self) -> Fresh<'_, T> {
        Fresh { store: self }
    }

    /// Returns a builder for a session with its own timeouts or a principal.
    pub fn new_session(&self) -> NewShared<'_, T> {
        NewShared { store: self, timeouts: Timeouts::default(), principal: None, audience: None }
    }

    /// Ends a session. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`Unconfirmed`](SharedError::Unconfirmed) if the engine has not confirmed it in time. It is in effect on this
    /// server, and the engine is told until it confirms. [`Away`](SharedError::Away) if 65,536 ends wait to be
    /// confirmed already. Nothing has changed then.
    pub async fn delete(&self, id: &SessionId) -> Result<bool, SharedError> {
        self.end(id, Duration::ZERO).await
    }

    /// Does the same as `delete`, and remembers for a minute that the id was logged out (`lookup`).
    ///
    /// # Errors
    ///
    /// As for [`delete`](Self::delete).
    pub async fn log_out(&self, id: &SessionId) -> Result<bool, SharedError> {
        self.end(id, self.inner.config.remember_replaced).await
    }

    async fn end(&self, id: &SessionId, remember: Duration) -> Result<bool, SharedError> {
        // Dead here at once, and so is what is under way. The link ends it once more when it takes the request.
        self.inner.near.table.delete(id);
        let (hash, id, remember) = (names::of_session(id), Some(*id), remember.as_millis().min(MOST_MS) as u64);
        self.inner.link.ask(|to| Request::End { hash, id, owner: None, remember, to }).await
    }

    /// Counts the sessions in the engine, by looking at all of its keys.
    ///
    /// # Errors
    ///
    /// [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses.
    pub async fn count(&self) -> Result<u64, SharedError> {
        let pattern = [&escaped(self.inner.prefix()), b":s:*".as_slice()].concat();
        let (mut cursor, mut sessions) = (b"0".to_vec(), 0);
        loop {
            let words = [b"SCAN", cursor.as_slice(), b"MATCH", &pattern, b"COUNT", b"1000"];
            let values = self.inner.query(Command::Plain(words.map(<[u8]>::to_vec).to_vec())).await?;
            let [next, keys] = values.as_slice() else { return Err(SharedError::Engine(EngineError::Other)) };
            sessions += keys.list().unwrap_or_default().len() as u64;
            cursor = next.bytes().unwrap_or(b"0").to_vec();
            if cursor == b"0" {
                return Ok(sessions);
            }
        }
    }

    /// Returns the figures of the store. Asks nobody.
    pub fn health(&self) -> Health {
        self.inner.near.health(self.inner.staleness)
    }
}

/// Reads that ask the engine, whatever is near: made by [`SharedStore::fresh`].
pub struct Fresh<'s, T: Shared + ?Sized = Attributes> {
    store: &'s SharedStore<T>,
}

impl<T: Shared + ?Sized> fmt::Debug for Fresh<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("store", self.store).finish_non_exhaustive()
    }
}

impl<T: Shared + ?Sized> Fresh<'_, T> {
    /// Shows the content of a session to a closure, and touches the session.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn read<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        Ok(f(self.store.inner.fetch(id, true, true).await?.content.borrow()))
    }

    /// Returns the principal to which a session is bound.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session. [`Away`](SharedError::Away) if the engine is not
    /// there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    pub async fn principal(&self, id: &SessionId) -> Result<Option<Principal>, SharedError> {
        Ok(self.store.inner.fetch(id, false, true).await?.terms.principal)
    }

    /// Returns whether there is such a session, without touching it.
    ///
    /// # Errors
    ///
    /// [`Away`](SharedError::Away) if the engine is not there or does not answer in time,
    /// [`Engine`](SharedError::Engine) if it refuses.
    pub async fn exists(&self, id: &SessionId) -> Result<bool, SharedError> {
        found(self.store.inner.fetch(id, false, true).await.map(|_| ()))
    }
}

/// What [`SessionTicket`](cloakroom::SessionTicket) is for a session of a [`SharedStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedTicket {
    /// The application that accepts the id.
    pub audience: Option<Audience>,
    /// The lifetime that a cookie that is sent now should have. `None` if the session does not say it.
    pub max_age: Option<Duration>,
}

impl SharedTicket {
    pub(crate) fn of<O>(held: &Held<O>, now: Micros) -> Self {
        let terms = &held.terms;
        let max_age = terms.cookie.map(|life| terms.ends_at.map_or(life, |end| life.min(until(end, now))));
        Self { audience: terms.audience, max_age }
    }
}

/// Creates a session with its own timeouts, a principal or an audience: made by [`SharedStore::new_session`].
#[must_use = "no session is created before one of the `create` methods is called"]
pub struct NewShared<'s, T: Shared + ?Sized = Attributes> {
    pub(crate) store: &'s SharedStore<T>,
    pub(crate) timeouts: Timeouts,
    pub(crate) principal: Option<Principal>,
    pub(crate) audience: Option<Audience>,
}

impl<T: Shared + ?Sized> fmt::Debug for NewShared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewShared")
            .field("timeouts", &self.timeouts)
            .field("bound", &self.principal.is_some())
            .finish_non_exhaustive()
    }
}

impl<T: Shared + ?Sized> NewShared<'_, T> {
    /// Binds the session to a principal.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Sets which of several applications on the store accepts the session's id.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audience = Some(audience);
        self
    }

    /// Sets the timeouts of this session, and how long the browser is to keep its cookie.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = self.timeouts.and(timeouts);
        self
    }

    /// Creates the session with content in bytes.
    pub(crate) async fn create_written(self, content: Vec<u8>) -> Result<SessionId, SharedError> {
        let inner = &self.store.inner;
        let id = SessionId::random()?;
        let (owner, principal) = match self.principal {
            Some(principal) => (names::of_principal(&principal).to_vec(), principal.to_bytes().to_vec()),
            None => (Vec::new(), Vec::new()),
        };
        let [idle, absolute, cookie] = arguments::timeouts(inner.default_timeouts().cookie(None).and(self.timeouts));
        let [most, policy] = inner.limit();
        let hash = names::of_session(&id).to_vec();
        let audience = arguments::audience(self.audience);
        let arguments = vec![hash, idle, absolute, cookie, audience, owner, principal, most, policy, content];
        inner.run(Script::Create, arguments, None).await?;
        Ok(id)
    }
}

/// The longest time for which an ended id is remembered, a day.
const MOST_MS: u128 = 24 * 60 * 60 * 1_000;

/// Whether there is a session, unless the engine could not be asked.
fn found(result: Result<(), SharedError>) -> Result<bool, SharedError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The text as a pattern that matches only itself.
fn escaped(text: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| br"*?[]^-\".contains(byte);
    text.iter().flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}
