//! The store over sessions that several servers share.

use std::collections::HashMap;
use std::fmt;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use cloakroom::MissingError;
use cloakroom_redis::{SharedError, SharedStore};

use crate::{id_of, key_of, lives, unused_key};

/// A session store for actix-session in a [`SharedStore`]: several servers share the sessions, in Redis or Valkey.
/// Feature `redis`.
///
/// What is said of [`CloakroomSessionStore`](crate::CloakroomSessionStore) holds here, for all servers: **a session
/// that was purged on one of them is restored by none.** The server that has purged it does not find it any more;
/// others refuse it at the latest after the bound of staleness
/// ([`staleness`](cloakroom_redis::SharedOptions::staleness)).
///
/// | operation | round trips |
/// |---|---|
/// | `load` | none if the session is in the near cache, else one |
/// | `save`, `update`, `update_ttl`, `delete` | one |
///
/// If the engine is away, each of them fails, and actix-session answers with status 500. That is never taken for a
/// session that has ended, so the cookie stays. A `delete` that fails has ended the session on this server, and is
/// repeated until the engine confirms it.
///
/// # Examples
///
/// ```no_run
/// use actix_session::SessionMiddleware;
/// use actix_web::{App, HttpServer, cookie::Key};
/// use cloakroom_actix_session::CloakroomSharedSessionStore;
/// use cloakroom_redis::{SharedOptions, SharedStore};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = Key::generate(); // the same for all servers
/// let sessions = SharedStore::connect(SharedOptions::new("redis://127.0.0.1:6379")).await?;
/// let store = CloakroomSharedSessionStore::new(sessions);
/// HttpServer::new(move || App::new().wrap(SessionMiddleware::new(store.clone(), key.clone())))
///     .bind(("127.0.0.1", 8080))?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CloakroomSharedSessionStore(SharedStore);

impl CloakroomSharedSessionStore {
    /// Keeps sessions in this store. Wait-free; allocates nothing.
    #[must_use]
    pub fn new(sessions: SharedStore) -> Self {
        Self(sessions)
    }

    /// Returns the underlying store. Wait-free; allocates nothing.
    #[must_use]
    pub fn sessions(&self) -> &SharedStore {
        &self.0
    }
}

/// Why an update has stored nothing. An error if the engine is away, or if a request has deleted the session a short
/// while ago, at a logout or a renewal.
fn check(error: SharedError) -> Result<(), anyhow::Error> {
    match error {
        SharedError::Missing(missing @ (MissingError::LoggedOut | MissingError::Replaced)) => Err(missing.into()),
        error if error.is_missing() => Ok(()),
        error => Err(error.into()),
    }
}

/// Shows the figures only.
impl fmt::Debug for CloakroomSharedSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloakroomSharedSessionStore").field("health", &self.0.health()).finish_non_exhaustive()
    }
}

impl SessionStore for CloakroomSharedSessionStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let Some(id) = id_of(key) else { return Ok(None) };
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        match self.0.peek(&id, |state| state.iter().map(owned).collect()).await {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(LoadError::Other(error.into())),
        }
    }

    async fn save(&self, state: HashMap<String, String>, ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        let created = self.0.new_session().timeouts(lives(ttl)).create_with(&state).await;
        created.map(|id| key_of(&id)).map_err(|error| SaveError::Other(error.into()))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: HashMap<String, String>,
        ttl: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        let updated = match id_of(&key) {
            Some(id) => self.0.replace_with(&id, lives(ttl), &state).await,
            None => Err(MissingError::NotFound.into()),
        };
        let Err(error) = updated else { return Ok(key) };
        // The session stays ended, and the late state is dropped.
        check(error).map_err(UpdateError::Other)?;
        unused_key()
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &time::Duration) -> Result<(), anyhow::Error> {
        let Some(id) = id_of(key) else { return Ok(()) };
        match self.0.set_timeouts(&id, lives(ttl)).await {
            Ok(()) => Ok(()),
            Err(error) => check(error),
        }
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        match id_of(key) {
            Some(id) => Ok(self.0.log_out(&id).await.map(drop)?),
            None => Ok(()),
        }
    }
}
