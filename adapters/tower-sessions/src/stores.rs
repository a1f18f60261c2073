//! The two kinds of store.

use std::fmt;
use std::sync::Arc;

use crate::sessions::{Data, Held, Sessions};
use crate::settings::Settings;

/// A store for the sessions of a server. Unlike with `MemoryStore`, a deleted session stays deleted.
///
/// It implements `SessionStore` and `ExpiredDeletion` of the tower-sessions versions that are turned on. Clones share
/// one store. Every operation is lock-free, allocates, and completes when its future is first polled, except
/// `delete_expired`, which yields to other tasks every half millisecond.
///
/// | operation | effect |
/// |---|---|
/// | `create` | Inserts a session. Draws another id as long as a live session has the record's id. `Error::Backend` beyond [`Settings::max_sessions`] or [`Settings::max_session_bytes`]. Takes effect when the session's entry is put into its slot. |
/// | `save` | Replaces the data and the expiry date of a live session. **If there is none, it does nothing and returns `Ok`.** `Error::Backend` beyond [`Settings::max_session_bytes`]; the session stays as it was. Takes effect when the session's previous version is superseded. |
/// | `load` | Clones the record of a live session. Takes effect when the session is touched. |
/// | `delete` | Ends the session, if there is one. When it has returned, no `save` and no `load` of that id finds the session, even if they were in flight. |
/// | `delete_expired` | Ends all sessions that have expired when it is called. |
///
/// A `create` with an expiry date in the past stores nothing; a `save` with one ends the session. An expired session
/// stays expired, even for a request that has loaded it before.
///
/// # Examples
///
/// A logout while another request is in flight:
///
/// ```
/// # #[cfg(feature = "v0_15")] {
/// use cloakroom_tower_sessions::CloakroomStore;
/// use std::sync::Arc;
/// use tower_sessions::Session;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = Arc::new(CloakroomStore::default());
/// let login = Session::new(None, store.clone(), None);
/// login.insert("user", "ada").await?;
/// login.save().await?;
///
/// // Two requests of the same visitor. One loads the session.
/// let slow = Session::new(login.id(), store.clone(), None);
/// slow.insert("seen", true).await?;
/// // The other one logs out.
/// Session::new(login.id(), store.clone(), None).flush().await?;
/// // The first one saves the session. With `MemoryStore`, ada would be logged in again.
/// slow.save().await?;
/// assert_eq!(Session::new(login.id(), store, None).get::<String>("user").await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CloakroomStore(pub(crate) Arc<Sessions>);

/// A cache in front of another store, for a `CachingSessionStore`.
///
/// It differs from [`CloakroomStore`] in `save`, which **inserts** the record if there is no session with its id,
/// because `CachingSessionStore` fills the cache with `save`. If the cache is full, `save` fails with `Error::Backend`,
/// or ends another session if [`Settings::when_full`] says so, which is the better policy for a cache. A record that
/// exceeds [`Settings::max_session_bytes`] is not kept, and read from the store behind it each time. `create` draws
/// another id if the cache has a session with the record's id, as other caches do. The store behind the cache has
/// already drawn an unused id, so this happens only if two random ids are equal or if the cache is stale.
///
/// # A cache can lose a logout
///
/// `CachingSessionStore::load` looks in the cache, then in the store behind it, and saves the record from there to the
/// cache. If the session is deleted from both between the last two steps, the late copy stays live in the cache until
/// its expiry date or the next `delete`. A cache cannot detect this. A `save` that is in flight during a `delete` has
/// the same effect. Where revocation must win, use a [`CloakroomStore`] as the only store.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "v0_15")] {
/// use cloakroom::WhenFull;
/// use cloakroom_tower_sessions::{CloakroomCache, Settings};
/// use tower_sessions::{CachingSessionStore, MemoryStore, SessionManagerLayer};
///
/// let cache = CloakroomCache::with(Settings::new().max_sessions(10_000).when_full(WhenFull::EndIdlest));
/// let behind = MemoryStore::default(); // in practice, a database
/// let sessions = SessionManagerLayer::new(CachingSessionStore::new(cache, behind));
/// # }
/// ```
#[derive(Clone)]
pub struct CloakroomCache(pub(crate) Arc<Sessions>);

macro_rules! kind {
    ($kind:ident) => {
        impl $kind {
            /// Makes one with these settings. May block while another thread makes the process's first store.
            #[must_use]
            pub fn with(settings: Settings) -> Self {
                Self(Arc::new(Sessions::new(&settings)))
            }

            /// Returns the number of sessions, including expired ones that have not been removed yet. Wait-free.
            #[must_use]
            pub fn count(&self) -> usize {
                self.0.count()
            }

            /// Ends every session for whose data the closure returns `true`, and returns the number of ended sessions.
            /// For "log out everywhere".
            ///
            /// Visits all sessions, at about a hundred nanoseconds each, so use it only for rare events such as a
            /// changed password or a lost phone. It is atomic for each session: a session ends only in the state that
            /// the closure has seen, and the closure is called again if the state has changed. Every session that is
            /// live throughout the call, and for which the closure returns `true`, has ended when this returns. A
            /// session that is created during the call may or may not end. Lock-free; keep the closure short.
            pub fn delete_where(&self, f: impl FnMut(&Data) -> bool) -> usize {
                self.0.delete_where(f)
            }
        }

        /// Makes one with the settings of [`Settings::new`].
        impl Default for $kind {
            fn default() -> Self {
                Self::with(Settings::new())
            }
        }

        /// Shows only the number of sessions.
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($kind)).field("count", &self.count()).finish_non_exhaustive()
            }
        }
    };
}

kind!(CloakroomStore);
kind!(CloakroomCache);

impl CloakroomStore {
    /// Makes one over a store that other code has made, with [`Settings::store`]: for sessions that `cloakroom-persist`
    /// keeps on disk (feature `serde`). Of these settings, the size limit and the clock count. Wait-free; allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "serde")] {
    /// use cloakroom_persist::{Options, Persistence};
    /// use cloakroom_tower_sessions::{CloakroomStore, Held, Settings};
    ///
    /// # let tmp = tempfile::tempdir()?;
    /// # let dir = tmp.path().join("sessions");
    /// let settings = Settings::new().max_sessions(100_000);
    /// let sessions = Persistence::<Held>::open_typed(&dir, Options::new().store(settings.store()))?;
    /// let store = CloakroomStore::over(sessions.store().clone(), &settings);
    /// # assert_eq!(store.count(), 0);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn over(store: Arc<cloakroom::SessionStore<Held>>, settings: &Settings) -> Self {
        Self(Arc::new(Sessions::over(store, settings)))
    }
}
