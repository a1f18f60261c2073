//! The two kinds of store.

use std::fmt;
use std::sync::Arc;

use crate::sessions::{Data, Sessions};
use crate::settings::Settings;

/// Keeps the sessions of a server: what `MemoryStore` does, but that a logout stays one.
///
/// It implements `SessionStore` and `ExpiredDeletion` of tower-sessions, in the versions that are turned on. Clones are
/// the same store. Every operation is lock-free, allocates, and is done when its future is first polled, but for
/// `delete_expired`, which lets other tasks run every half millisecond.
///
/// | | |
/// |---|---|
/// | `create` | draws another id as long as the record's is that of a live session. Beyond [`Settings::max_sessions`], `Error::Backend`. Takes effect when the session's entry is put into its slot |
/// | `save` | replaces the data and the expiry date of a live session, at the instant at which its previous version is superseded. **There being none, it does nothing, and returns `Ok`** |
/// | `load` | clones the record of a live session: one whose expiry date has not come. Takes effect when the session is touched |
/// | `delete` | ends the session, if there is one. Once it has returned, no `save` and no `load` of that id finds it, whatever was in flight |
/// | `delete_expired` | ends all sessions that have expired when it is called |
///
/// A `create` with an expiry date that has come stores nothing; a `save` with one ends the session. A session that has
/// expired stays so, even for a request that has loaded it before.
///
/// # Examples
///
/// The lost logout, step by step:
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
/// // Two requests of the same visitor. One loads the session ...
/// let slow = Session::new(login.id(), store.clone(), None);
/// slow.insert("seen", true).await?;
/// // ... the other one logs out ...
/// Session::new(login.id(), store.clone(), None).flush().await?;
/// // ... and the first one is done at last. With `MemoryStore`, ada would be logged in again.
/// slow.save().await?;
/// assert_eq!(Session::new(login.id(), store, None).get::<String>("user").await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CloakroomStore(pub(crate) Arc<Sessions>);

/// Keeps copies of sessions in front of another store: the cache of a `CachingSessionStore`.
///
/// It does what [`CloakroomStore`] does, but that `save` **fills**: where there is no session of the record's id, it
/// puts one in, for that is how `CachingSessionStore` brings a session from the store behind into the cache. A `save`
/// that finds the cache full fails with `Error::Backend` unless [`Settings::when_full`] has another session end for it,
/// which in a cache it had better. A `create` draws another id where there is a session of the record's in the cache,
/// as other caches do; the store behind has drawn it before, so that happens once in 2^128 times, or when the cache is
/// stale.
///
/// # A logout may be lost in a cache
///
/// `CachingSessionStore::load` looks into the cache, then into the store behind, then saves what it has found there
/// into the cache. If the session is deleted between the last two steps, in both, the copy that comes late stays in the
/// cache, live, until its expiry date or until it is deleted once more. No cache can know that it comes late. Likewise
/// a `save` that is in flight during a `delete` fills, as far as the cache is concerned. Where revocation has to win,
/// let a [`CloakroomStore`] be the only store.
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
/// let behind = MemoryStore::default(); // a database, rather
/// let sessions = SessionManagerLayer::new(CachingSessionStore::new(cache, behind));
/// # }
/// ```
#[derive(Clone)]
pub struct CloakroomCache(pub(crate) Arc<Sessions>);

macro_rules! kind {
    ($kind:ident) => {
        impl $kind {
            /// Makes one with these settings. May wait for another thread that is making its first store.
            #[must_use]
            pub fn with(settings: Settings) -> Self {
                Self(Arc::new(Sessions::new(&settings)))
            }

            /// Returns the number of sessions, including expired ones that nobody has met or deleted yet. Wait-free.
            #[must_use]
            pub fn count(&self) -> usize {
                self.0.count()
            }

            /// Ends every session for whose data the closure says so, and returns how many: "log out everywhere".
            ///
            /// Goes through all sessions, which takes about a hundred nanoseconds for each: for the rare moments in
            /// which somebody changes a password or has lost a phone. For each session it is atomic: what ends is the
            /// very state that the closure has seen, and the closure may be asked again. A session that is there
            /// throughout, and for which it says yes, has ended when this returns; a login at the same time may be met
            /// or not. Lock-free; the closure should be short.
            pub fn delete_where(&self, f: impl FnMut(&Data) -> bool) -> usize {
                self.0.delete_where(f)
            }
        }

        /// With the settings of [`Settings::new`].
        impl Default for $kind {
            fn default() -> Self {
                Self::with(Settings::new())
            }
        }

        /// Shows how many sessions there are, and nothing of them.
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($kind)).field("count", &self.count()).finish_non_exhaustive()
            }
        }
    };
}

kind!(CloakroomStore);
kind!(CloakroomCache);
