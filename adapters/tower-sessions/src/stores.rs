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
/// It differs from [`CloakroomStore`] in these operations:
///
/// | operation | effect |
/// |---|---|
/// | `load` | If it finds no session, it reserves the id for ten seconds, because `CachingSessionStore` asks the store behind the cache next. Takes effect when the reservation is put into its slot. |
/// | `save` | Replaces a live session, or puts the record in place of the reservation of its id. **If there is neither, it does nothing and returns `Ok`.** If the cache is full, it fails with `Error::Backend`, or ends another session if [`Settings::when_full`] says so, which is the better policy for a cache. A record that exceeds [`Settings::max_session_bytes`] is not kept, and read from the store behind the cache each time. |
/// | `delete` | Ends the session and the reservation of its id, and for a minute takes no copy of the session from the store behind it. |
/// | `create` | Draws another id if the cache has a session with the record's id, as other caches do. The store behind the cache has already drawn an unused id, so this happens only if two random ids are equal or if the cache is stale. |
///
/// # A logout wins
///
/// `CachingSessionStore::load` looks in the cache, then in the store behind it, and saves the record from there to the
/// cache. If the session is deleted between two of these steps, other caches keep the late copy, and the visitor stays
/// logged in. Here the deletion has ended the reservation, so the late copy is not kept. The same holds for the late
/// `save` of a request that had loaded the session before it was deleted.
///
/// `CachingSessionStore::delete` deletes from the cache and from the store at the same time. So a request may find
/// nothing in the cache, and may still load the session from the store. Because of that the cache takes no copy for a
/// minute after a `delete`. The trait does not say when the store has deleted the session, so **a call of the store
/// behind the cache must take no longer than half a minute**: give its client a timeout.
///
/// What remains:
///
/// * The store behind the cache has to keep deleted sessions deleted itself. Most stores insert in `save`.
/// * A request that changes a session saves it to the cache and the store at the same time. If another request loads
///   the session from the store just before and fills the cache just afterwards, the cache has the earlier data until
///   the next `save`. No session is restored by that.
/// * A `load` of an id that the store does not know leaves a reservation, of about 200 bytes, for ten seconds. There
///   are no more of them than [`Settings::max_sessions`], or 262,144 if it is not set. While there are as many, misses
///   are not cached.
/// * A `delete` of any id, also of one that no session has, takes about 200 bytes for a minute. It is never refused,
///   because a logout that is not noted could be undone. Limit the rate of such requests, as for logins.
/// * [`delete_where`](CloakroomCache::delete_where) ends sessions and reservations of the cache, and bars nothing.
///   Delete the sessions from the store behind it first.
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
