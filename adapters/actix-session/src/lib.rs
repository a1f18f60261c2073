//! [actix-session] on [`cloakroom`]: the sessions of an actix-web server in memory, shared by all its workers, without
//! a lock, and with a logout that stays one.
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
//! // Once, outside of the closure, which each worker calls: the clones are one store.
//! let store = CloakroomSessionStore::default();
//! HttpServer::new(move || App::new().wrap(SessionMiddleware::new(store.clone(), key.clone())))
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await
//! # }
//! ```
//!
//! Nothing else changes: handlers, cookies and the lifecycle of sessions are actix-session's.
//!
//! # What it promises
//!
//! * **Revocation wins.** When a session has been purged, no request that was under way brings it back: an update of a
//!   session that is gone stores nothing (see [there](CloakroomSessionStore#an-update-of-a-session-that-is-gone)).
//!   actix-session's store for Redis saves the late state as a new session there, so a logout and a slow request of the
//!   same visitor leave the visitor logged in.
//! * **Memory comes back**: an expired session goes when somebody meets it, when a full store needs its place, and by a
//!   [`Sweeper`](cloakroom::Sweeper), of which every server should start one.
//! * **Limits**: those of the store that it is made with, on the number of sessions and on the size of each.
//! * **Nothing blocks.** Every operation is lock-free and done when it is first polled.
//!
//! # What it does not
//!
//! * `Session::renew` is a `delete` and a `save`, between which no store can see a connection: a request that renews
//!   the session while another one purges it still makes a new one of the old state. End all of the user's sessions by
//!   [`delete_where`](cloakroom::SessionStore::delete_where) where that matters.
//! * Sessions are gone when the process ends.
//! * Of two requests that change a session at a time, the later one wins: actix-session stores the state as a whole.
//!
//! [actix-session]: https://docs.rs/actix-session

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use cloakroom::{MissingError, SessionId, SetError, Timeouts};

/// Keeps the sessions of all workers in a [`cloakroom::SessionStore`].
///
/// Clones are the same store. Each session has the time to live that actix-session gives it ([`session_ttl`]), counted
/// from the last change of its state, or from the last request with `TtlExtensionPolicy::OnEveryRequest`; the store's
/// own `ttl` and `absolute_timeout` do not apply. A session's key is the 64 hex digits of a [`SessionId`], 256 bits
/// from the operating system; what is no such key is that of no session.
///
/// | | |
/// |---|---|
/// | `load` | copies the state of a live session. Takes effect when the session is touched |
/// | `save` | creates a session under a new id. Takes effect when its entry is put into its slot. `SaveError::Other` with a [`CreateError`](cloakroom::CreateError) in it if there are too many, if the state is too large, or if the system has no randomness |
/// | `update` | replaces state and time to live of a live session, at the instant at which its previous version is superseded. **There being none, see below.** `UpdateError::Other` if the state is too large |
/// | `update_ttl` | lets a live session live for so long from now on. There being none, it does nothing. Copies the state, as every change does |
/// | `delete` | ends the session, if there is one. Once it has returned, no operation on that key finds it, whatever was in flight |
///
/// # An update of a session that is gone
///
/// It stores nothing, and returns **another key, which is that of no session**. The request that comes late is answered
/// as usual, with a cookie that leads nowhere; the next one begins with an empty session. To return an error would
/// answer it with status 500, and to save the state under a new key, as actix-session's own store for Redis does, would
/// undo the logout. That the key is another one tells a caller that nothing was stored.
///
/// # Examples
///
/// Settings are those of the store. "Log out everywhere" goes through all sessions; values are JSON, so strings are in
/// quotes:
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
/// [`session_ttl`]: actix_session::config::PersistentSession::session_ttl
#[derive(Clone, Default)]
pub struct CloakroomSessionStore(Arc<cloakroom::SessionStore>);

impl CloakroomSessionStore {
    /// Keeps sessions in this store. `CloakroomSessionStore::default()` makes one with the default settings.
    #[must_use]
    pub fn new(sessions: Arc<cloakroom::SessionStore>) -> Self {
        Self(sessions)
    }

    /// Returns the store that the sessions are in: to count, sweep, enumerate and end them.
    #[must_use]
    pub fn sessions(&self) -> &Arc<cloakroom::SessionStore> {
        &self.0
    }
}

/// Shows how many sessions there are, and nothing of them.
impl fmt::Debug for CloakroomSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloakroomSessionStore").field("count", &self.0.count()).finish_non_exhaustive()
    }
}

/// Of what is no key of ours there is no session.
fn id_of(key: &SessionKey) -> Option<SessionId> {
    key.as_ref().parse().ok()
}

fn key_of(id: &SessionId) -> SessionKey {
    id.to_string().try_into().expect("64 digits are no more than a key may have")
}

/// So long from now on, used or not. What is below zero is none.
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
            // The session stays ended, whatever the request has made of it.
            Err(SetError::Missing(_)) => {
                let nobodys = SessionId::random().map_err(|error| UpdateError::Other(error.into()))?;
                Ok(key_of(&nobodys))
            }
            Err(error) => Err(UpdateError::Other(error.into())),
        }
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &time::Duration) -> Result<(), anyhow::Error> {
        if let Some(id) = id_of(key) {
            // Gone meanwhile, it needs no time.
            let _ = self.0.set_timeouts(&id, lives(ttl));
        }
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        if let Some(id) = id_of(key) {
            self.0.delete(&id);
        }
        Ok(())
    }
}

/// Compiles what the README shows, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
