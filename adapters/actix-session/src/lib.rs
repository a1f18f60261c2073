//! A store for [actix-session] on [`cloakroom`]: in memory, lock-free and shared by all workers. A session that has
//! been purged stays purged.
//!
//! ```toml
//! [dependencies]
//! actix-session = "0.11"
//! cloakroom-actix-session = "0.1"
//! ```
//!
//! ```no_run
//! use actix_session::SessionMiddleware;
//! use actix_web::{App, HttpServer, cookie::Key};
//! use cloakroom_actix_session::CloakroomSessionStore;
//!
//! # #[actix_web::main]
//! # async fn main() -> std::io::Result<()> {
//! let key = Key::generate();
//! // Make it outside the closure, because each worker calls the closure. The clones share one store.
//! let store = CloakroomSessionStore::default();
//! HttpServer::new(move || App::new().wrap(SessionMiddleware::new(store.clone(), key.clone())))
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await
//! # }
//! ```
//!
//! Handlers, cookies and the lifecycle of sessions stay those of actix-session.
//!
//! # Guarantees
//!
//! * **Revocation wins.** After a session has been purged, a request that was in flight does not restore it, because an
//!   update of a session that has ended stores nothing
//!   ([details](CloakroomSessionStore#updates-of-a-session-that-has-ended)). actix-session's store for Redis saves the
//!   late state as a new session, so a visitor with a slow request stays logged in after a logout.
//! * **Memory is freed.** An expired session is removed when an operation finds it, when a full store needs its place,
//!   and by a [`Sweeper`](cloakroom::Sweeper). Every server should start one.
//! * **Limits** on the number and the size of sessions are those of the underlying store.
//! * **No operation blocks.** Every operation is lock-free and completes when it is first polled.
//!
//! # Limitations
//!
//! * `Session::renew` is a `delete` and a `save`. No store can see that the two belong together. If a request renews
//!   the session while another one purges it, a new session with the old state is created. Where that matters, end all
//!   sessions of the user with [`delete_where`](cloakroom::SessionStore::delete_where).
//! * A request that arrives with a key that was purged or renewed, and stores something, gets a session of its own:
//!   `load` finds none, and actix-session saves a new one. If its response arrives after that of a login, its cookie
//!   displaces the login's. A `purge` that arrives late removes the cookie of a later login. actix-session asks the
//!   store about neither. The layer of [`cloakroom-tower`](https://docs.rs/cloakroom-tower) has neither gap.
//! * Sessions end with the process, unless they are
//!   [kept on disk](CloakroomSessionStore#sessions-that-outlive-the-process), or several servers share them
//!   (`CloakroomSharedSessionStore`, feature `redis`).
//! * If two requests change a session at the same time, the later one wins, because actix-session stores the state as a
//!   whole.
//!
//! [actix-session]: https://docs.rs/actix-session

#![forbid(unsafe_code)]

#[cfg(feature = "redis")]
mod shared;

#[cfg(feature = "redis")]
pub use shared::CloakroomSharedSessionStore;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use cloakroom::{MissingError, SessionId, SetError, Timeouts};

/// A session store for actix-session in a [`cloakroom::SessionStore`].
///
/// Clones share one store. Each session has the time to live that actix-session gives it ([`session_ttl`]). It counts
/// from the last change of the session's state, or from the last request with `TtlExtensionPolicy::OnEveryRequest`. The
/// store's own `ttl` and `absolute_timeout` do not apply. A session's key is the 64 hex digits of a [`SessionId`],
/// which is 256 random bits from the operating system. A key of any other form names no session.
///
/// Every operation is lock-free and completes when its future is first polled.
///
/// | operation | effect |
/// |---|---|
/// | `load` | Copies the state of a live session. Takes effect when the session is touched. |
/// | `save` | Creates a session with a new id. `SaveError::Other` with a [`CreateError`](cloakroom::CreateError) if the store is full, the state is too large, or the operating system provides no random bytes. Takes effect when the session's entry is put into its slot. |
/// | `update` | Replaces the state and the time to live of a live session. `UpdateError::Other` if the state is too large. **If there is no session, see below.** Takes effect when the session's previous version is superseded. |
/// | `update_ttl` | Sets the time to live of a live session, counted from now. Stores nothing if there is no session (see below). Copies the state, as every change does. |
/// | `delete` | Ends the session, if there is one, and remembers that its key was deleted. When it has returned, no operation on that key finds the session, even if it was in flight. |
///
/// # Updates of a session that has ended
///
/// `update` then stores nothing. Saving the state under a new key, as actix-session's store for Redis does, would undo
/// the logout.
///
/// * If a request has deleted the session a short while ago (`Session::purge` or `Session::renew`; see
///   [`remember_replaced`](cloakroom::SessionConfig#structfield.remember_replaced)), `update` and `update_ttl` return
///   **an error**, and the late request gets status 500. actix-session sends a cookie with every other result, and that
///   cookie would displace the one of a login that has followed the logout: the user would be logged out again.
/// * Otherwise the session has expired, or `delete_where` has ended it. `update` returns **a new key that names no
///   session**. The request gets its usual response, with a cookie that names no session, and the next request starts
///   with an empty session. A caller can tell from the different key that nothing was stored.
///
/// # Examples
///
/// Limits are set on the underlying store. "Log out everywhere" visits all sessions. Attributes hold JSON, so strings
/// are in quotes:
///
/// ```
/// use cloakroom::SessionStore;
/// use cloakroom_actix_session::CloakroomSessionStore;
/// use std::sync::Arc;
///
/// let sessions = Arc::new(SessionStore::builder().max_sessions(100_000).max_session_bytes(4_096).build()?);
/// let store = CloakroomSessionStore::new(Arc::clone(&sessions));
/// // ...
/// let ended = sessions.delete_where(|session| session.content().get("user") == Some(r#""ada""#));
/// # assert_eq!((ended, store.sessions().count()), (0, 0));
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
///
/// # Sessions that outlive the process
///
/// [`cloakroom-persist`](https://docs.rs/cloakroom-persist) keeps the sessions of the underlying store on disk. Its
/// `Settler`, in a middleware around the `SessionMiddleware`, holds back each response until the sessions that its
/// request has ended are on disk, so that a logout holds and no thread blocks:
///
/// ```
/// use actix_session::SessionMiddleware;
/// use actix_web::body::MessageBody;
/// use actix_web::dev::{ServiceRequest, ServiceResponse};
/// use actix_web::middleware::{Next, from_fn};
/// use actix_web::{App, Error, cookie::Key, error::ErrorServiceUnavailable, web::Data};
/// use cloakroom_actix_session::CloakroomSessionStore;
/// use cloakroom_persist::{Options, Persistence, Settler};
///
/// async fn settled(
///     request: ServiceRequest,
///     next: Next<impl MessageBody>,
/// ) -> Result<ServiceResponse<impl MessageBody>, Error> {
///     let settler = request.app_data::<Data<Settler>>().expect("it is added below").clone();
///     let (response, on_disk) = settler.run(next.call(request)).await;
///     on_disk.map_err(ErrorServiceUnavailable)?;
///     response
/// }
///
/// # let tmp = tempfile::tempdir()?;
/// # let dir = tmp.path().join("sessions");
/// let sessions = Persistence::open(&dir, Options::new())?;
/// let store = CloakroomSessionStore::new(sessions.store().clone());
/// // The key must be the same after a restart.
/// let key = Key::generate();
/// let app = App::new()
///     .wrap(SessionMiddleware::new(store, key))
///     .wrap(from_fn(settled))
///     .app_data(Data::new(sessions.settler()));
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`session_ttl`]: actix_session::config::PersistentSession::session_ttl
#[derive(Clone, Default)]
pub struct CloakroomSessionStore(Arc<cloakroom::SessionStore>);

impl CloakroomSessionStore {
    /// Keeps sessions in this store. `CloakroomSessionStore::default()` makes a store with the default settings.
    /// Wait-free; allocates nothing.
    #[must_use]
    pub fn new(sessions: Arc<cloakroom::SessionStore>) -> Self {
        Self(sessions)
    }

    /// Returns the underlying store, to count, sweep, enumerate and end sessions. Wait-free; allocates nothing.
    #[must_use]
    pub fn sessions(&self) -> &Arc<cloakroom::SessionStore> {
        &self.0
    }
}

impl CloakroomSessionStore {
    /// An error if a request has deleted the session of this key a short while ago, at a logout or a renewal.
    fn check_key(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        match id_of(key).map(|id| self.0.lookup(&id, |_| ())) {
            Some(Err(error @ (MissingError::LoggedOut | MissingError::Replaced))) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Shows only the number of sessions.
impl fmt::Debug for CloakroomSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloakroomSessionStore").field("count", &self.0.count()).finish_non_exhaustive()
    }
}

/// A key that names no session, for an update that has stored nothing.
fn unused_key() -> Result<SessionKey, UpdateError> {
    let unused = SessionId::random().map_err(|error| UpdateError::Other(error.into()))?;
    Ok(key_of(&unused))
}

/// The id in a key, or `None` if the key is not one of this store.
fn id_of(key: &SessionKey) -> Option<SessionId> {
    key.as_ref().parse().ok()
}

fn key_of(id: &SessionId) -> SessionKey {
    id.to_string().try_into().expect("a key may have 64 digits")
}

/// The timeouts of a session that lives for `ttl` from now on, used or not. A negative `ttl` counts as zero.
fn lives(ttl: &time::Duration) -> Timeouts {
    Timeouts::default().idle(Duration::MAX).absolute(span(ttl))
}

fn span(ttl: &time::Duration) -> Duration {
    Duration::try_from(*ttl).unwrap_or_default()
}

impl SessionStore for CloakroomSessionStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Ok(id_of(key).and_then(|id| self.0.read(&id, |state| state.iter().map(owned).collect())))
    }

    async fn save(&self, state: HashMap<String, String>, ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        let new = self.0.new_session().idle_timeout(Duration::MAX).absolute_timeout(span(ttl));
        let id = new.create_with(&state).map_err(|error| SaveError::Other(error.into()))?;
        Ok(key_of(&id))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: HashMap<String, String>,
        ttl: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        let replace = |id| self.0.replace_with(&id, lives(ttl), &state);
        let updated = id_of(&key).map_or(Err(MissingError::NotFound.into()), replace);
        match updated {
            Ok(()) => Ok(key),
            // The session stays ended, and the late state is dropped.
            Err(SetError::Missing(_)) => {
                self.check_key(&key).map_err(UpdateError::Other)?;
                unused_key()
            }
            Err(error) => Err(UpdateError::Other(error.into())),
        }
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &time::Duration) -> Result<(), anyhow::Error> {
        match id_of(key).map(|id| self.0.set_timeouts(&id, lives(ttl))) {
            // That the session has expired or been deleted otherwise is no error for the caller.
            Some(Err(_)) => self.check_key(key),
            None | Some(Ok(())) => Ok(()),
        }
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        if let Some(id) = id_of(key) {
            self.0.log_out(&id);
        }
        Ok(())
    }
}

/// Compiles the program of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
