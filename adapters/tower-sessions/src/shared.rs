//! The store over sessions that several servers share.

use std::fmt;
use std::time::Duration;

use cloakroom::{InsertError, Timeouts};
use cloakroom_redis::{ConnectError, Health, SharedError, SharedOptions, SharedStore};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::sessions::{Content, Data, key};
use crate::size;

/// The content of a session: a record without its id.
#[derive(Clone, Serialize, Deserialize)]
struct Held {
    data: Data,
    /// Nanoseconds since 1970.
    expires: i128,
}

/// A store for sessions that several servers share, in Redis or Valkey by way of [`cloakroom_redis`]. Feature `redis`.
///
/// It implements `SessionStore` and `ExpiredDeletion` of the tower-sessions versions that are turned on. Clones share
/// one store.
///
/// | operation | effect | round trips |
/// |---|---|---|
/// | `create` | Inserts a session. Draws another id as long as there is a session with the record's id. | one |
/// | `save` | Replaces the data and the expiry date of a live session. **If there is none, it does nothing and returns `Ok`**: a session that was deleted, on any server, stays deleted. | one |
/// | `load` | Clones the record of a live session. | none if the session is in the near cache, else one |
/// | `delete` | Ends the session, if there is one. This server finds it no more; others refuse it at the latest after the bound of staleness ([`SharedOptions::staleness`]). | one |
/// | `delete_expired` | Does nothing: the engine ends expired sessions by itself. | none |
///
/// If the engine is away, each of them fails with `Error::Backend`, for which the middleware responds with status 500.
/// That is never taken for a session that has ended: `load` does not return `None`, and the cookie stays. A `delete`
/// that fails has ended the session on this server, and is repeated until the engine confirms it.
///
/// tower-sessions sets the lifetime of each session; the timeouts of [`SharedOptions::near`] do not apply. Data beyond
/// its `max_session_bytes` is refused with `Error::Backend`.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "v0_15")] {
/// use cloakroom_redis::SharedOptions;
/// use cloakroom_tower_sessions::CloakroomSharedStore;
/// use tower_sessions::SessionManagerLayer;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = CloakroomSharedStore::connect(SharedOptions::new("redis://127.0.0.1:6379")).await?;
/// let sessions = SessionManagerLayer::new(store); // was: RedisStore::new(pool)
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CloakroomSharedStore(SharedStore<Held>);

impl CloakroomSharedStore {
    /// Connects to the engine. The key of a session is its id's SHA-256, so the engine has no id that a cookie holds.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(options: SharedOptions) -> Result<Self, ConnectError> {
        Ok(Self(SharedStore::connect_typed(options).await?))
    }

    /// Returns the figures of the near cache and the connection. Asks nobody.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health()
    }

    /// Refuses data that exceeds the size limit.
    pub(crate) fn check(&self, data: &Data) -> Result<(), InsertError> {
        size::check(data, self.0.config().max_session_bytes)
    }

    /// Inserts a record, unless there is a live one with its id: false. Does not store an expired record.
    pub(crate) async fn insert(&self, id: i128, data: &Data, expiry: OffsetDateTime) -> Result<bool, SharedError> {
        match until(expiry) {
            Some(left) => self.0.insert_with(&key(id), left, Held::of(data, expiry)).await,
            None => Ok(!self.0.fresh().exists(&key(id)).await?),
        }
    }

    /// Replaces the live record with this id, if there is one. An expired record ends the session.
    pub(crate) async fn replace(&self, id: i128, data: &Data, expiry: OffsetDateTime) -> Result<(), SharedError> {
        let replaced = match until(expiry) {
            Some(left) => self.0.replace_with(&key(id), left, Held::of(data, expiry)).await,
            None => self.delete(id).await,
        };
        match replaced {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }

    /// The live record with this id.
    pub(crate) async fn load(&self, id: i128) -> Result<Option<Content>, SharedError> {
        let now = OffsetDateTime::now_utc();
        match self.0.peek(&key(id), Held::content).await {
            // The engine counts in milliseconds, by its own clock; the expiry date is exact.
            Ok(content) => Ok(content.filter(|(_, expiry)| *expiry > now)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn delete(&self, id: i128) -> Result<(), SharedError> {
        self.0.delete(&key(id)).await.map(drop)
    }
}

impl Held {
    fn of(data: &Data, expiry: OffsetDateTime) -> Self {
        Self { data: data.clone(), expires: expiry.unix_timestamp_nanos() }
    }

    /// `None` if another program has written an expiry date that there is not.
    fn content(&self) -> Option<Content> {
        Some((self.data.clone(), OffsetDateTime::from_unix_timestamp_nanos(self.expires).ok()?))
    }
}

/// The timeouts of a session that lives until its expiry date, used or not. `None` if that has passed.
fn until(expiry: OffsetDateTime) -> Option<Timeouts> {
    let left = Duration::try_from(expiry - OffsetDateTime::now_utc()).ok().filter(|left| !left.is_zero())?;
    Some(Timeouts::default().idle(Duration::MAX).absolute(left))
}

/// Shows the figures only.
impl fmt::Debug for CloakroomSharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloakroomSharedStore").field("health", &self.health()).finish_non_exhaustive()
    }
}
