//! The store: reading, creating and ending sessions.

use crate::Shared;
use crate::error::{ConnectError, SharedError};
use crate::health::Health;
use crate::options::SharedOptions;
use crate::rotation::SharedRotation;
use cloakroom::{Attributes, Audience, Principal, SessionConfig, SessionId, Timeouts};
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

/// Stores sessions that several servers share, in an engine, and keeps those in use near.
pub struct SharedStore<T: Shared + ?Sized = Attributes> {
    inner: Arc<Inner<T>>,
}

pub(crate) struct Inner<T: Shared + ?Sized> {
    config: SessionConfig,
    content: core::marker::PhantomData<T>,
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
    pub async fn connect(options: SharedOptions) -> Result<Self, ConnectError> {
        Self::open(options).await
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> SharedStore<T> {
    /// Connects to the engine, for sessions that hold a value: see [`connect`](SharedStore::connect).
    pub async fn connect_typed(options: SharedOptions) -> Result<Self, ConnectError> {
        Self::open(options).await
    }
}

impl<T: Shared + ?Sized> SharedStore<T> {
    async fn open(options: SharedOptions) -> Result<Self, ConnectError> {
        let config = options.near.build()?.config().clone();
        Ok(Self { inner: Arc::new(Inner { config, content: core::marker::PhantomData }) })
    }

    /// Returns the settings of sessions.
    pub fn config(&self) -> &SessionConfig {
        &self.inner.config
    }

    /// Shows the content of a session of the near cache to a closure, and touches the session. Asks nobody.
    pub fn cached<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Option<R> {
        let _ = (id, f);
        None
    }

    /// Shows the content of a session to a closure, and touches the session.
    pub async fn read<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        let _ = (id, f);
        Err(SharedError::Away)
    }

    /// Shows the content of a session to a closure, without touching the session.
    pub async fn peek<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        let _ = (id, f);
        Err(SharedError::Away)
    }

    /// Returns the principal to which a session is bound.
    pub async fn principal(&self, id: &SessionId) -> Result<Option<Principal>, SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Returns whether there is such a session, without touching it.
    pub async fn exists(&self, id: &SessionId) -> Result<bool, SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Touches a session, or tells why there is none: `Missing(Replaced)` and `Missing(LoggedOut)` for a minute.
    pub async fn lookup(&self, id: &SessionId) -> Result<(), SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Touches a session. Returns false if there is none.
    pub async fn touch(&self, id: &SessionId) -> Result<bool, SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Returns the time after which a session expires if it is not used, without touching it.
    pub async fn expires_in(&self, id: &SessionId) -> Result<Duration, SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Returns which application accepts the session's id, and the lifetime that its cookie should have.
    pub async fn ticket(&self, id: &SessionId) -> Result<SharedTicket, SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Changes the given timeouts of a session from now on, and touches the session.
    pub async fn set_timeouts(&self, id: &SessionId, timeouts: Timeouts) -> Result<(), SharedError> {
        let _ = (id, timeouts);
        Err(SharedError::Away)
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
    /// `Err(Unconfirmed)`: the session is dead on this server, and the engine is told until it confirms.
    pub async fn delete(&self, id: &SessionId) -> Result<bool, SharedError> {
        let _ = id;
        Err(SharedError::Unconfirmed)
    }

    /// Does the same as `delete`, and remembers for a minute that the id was logged out (`lookup`).
    pub async fn log_out(&self, id: &SessionId) -> Result<bool, SharedError> {
        let _ = id;
        Err(SharedError::Unconfirmed)
    }

    /// Gives a session a new id. The old one is dead.
    pub async fn rotate(&self, id: &SessionId) -> Result<SessionId, SharedError> {
        self.rotation(id).rotate().await
    }

    /// Begins a rotation with a grace, other timeouts or a login.
    pub fn rotation<'s>(&'s self, id: &'s SessionId) -> SharedRotation<'s, T> {
        SharedRotation::new(self, id)
    }

    /// Counts the sessions in the engine, by looking at all of its keys.
    pub async fn count(&self) -> Result<u64, SharedError> {
        Err(SharedError::Away)
    }

    /// Returns the figures of the store. Asks nobody.
    pub fn health(&self) -> Health {
        Health::default()
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
    pub async fn read<R>(&self, id: &SessionId, f: impl FnOnce(&T) -> R) -> Result<R, SharedError> {
        let _ = (id, f);
        Err(SharedError::Away)
    }

    /// Returns the principal to which a session is bound.
    pub async fn principal(&self, id: &SessionId) -> Result<Option<Principal>, SharedError> {
        let _ = id;
        Err(SharedError::Away)
    }

    /// Returns whether there is such a session, without touching it.
    pub async fn exists(&self, id: &SessionId) -> Result<bool, SharedError> {
        let _ = id;
        Err(SharedError::Away)
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
        self.timeouts = timeouts;
        self
    }
}
