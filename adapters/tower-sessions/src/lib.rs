//! A store and a cache for [tower-sessions] on [`cloakroom`]: in memory and lock-free. A session that has been deleted
//! stays deleted.
//!
//! ```toml
//! [dependencies]
//! tower-sessions = { version = "0.15", default-features = false, features = ["axum-core"] }
//! cloakroom-tower-sessions = "0.1"
//! ```
//!
//! ```
//! use cloakroom_tower_sessions::CloakroomStore;
//! use tower_sessions::SessionManagerLayer;
//!
//! let sessions = SessionManagerLayer::new(CloakroomStore::default()); // was: MemoryStore::default()
//! ```
//!
//! Handlers, cookies and expiry stay those of tower-sessions. For axum-login, which depends on tower-sessions 0.14,
//! turn on the feature `v0_14`.
//!
//! | type | use | `save` |
//! |---|---|---|
//! | [`CloakroomStore`] | the only store of the sessions | changes a live session, and never restores one |
//! | [`CloakroomCache`] | the cache of a `CachingSessionStore` | changes a live session, or fills the cache after a `load` that missed |
//!
//! # Differences from `MemoryStore`
//!
//! * **Revocation wins.** `MemoryStore::save` inserts. If a request has loaded its session, and saves it after another
//!   request has logged the visitor out, the session is live again with all its data. [`CloakroomStore`] saves only to
//!   a live session. The late request gets its usual response, and its changes are dropped. The trait has no error for
//!   this case, so `save` returns `Ok` although nothing was stored, as tower-sessions' own store for Redis does.
//! * **Memory is freed.** `MemoryStore` never removes expired sessions. This store removes an expired session when an
//!   operation finds it, when a full store needs its place, and when `ExpiredDeletion::delete_expired` runs. Every
//!   server should call that about once a minute.
//! * **The number of sessions can be limited**: [`Settings::max_sessions`]. A `create` beyond the limit either fails
//!   with `Error::Backend`, for which the middleware responds with status 500, or ends another session
//!   ([`Settings::when_full`]).
//! * **The size of a session is limited**: [`Settings::max_session_bytes`], 64 KiB by default. The middleware responds
//!   with status 500 to a request that saves more, and the session stays as it was.
//! * **There is no lock.** Every operation is lock-free and completes when it is first polled, so none blocks the
//!   executor.
//! * `Debug` shows the number of sessions. `MemoryStore` prints all sessions, including their ids.
//!
//! # Cost of a call
//!
//! The trait uses owned records. `load` clones the session's map with all its values; `save` and `create` clone it into
//! the store. During the clone, no memory that any thread has retired is freed. A session of the usual size takes
//! microseconds; do not keep megabytes in one. Each call also allocates the boxed future of the trait.
//!
//! # Limitations
//!
//! * `Session::cycle_id` is a `delete` and, at the end of the request, a `create`. No store can see that the two belong
//!   together. If a request cycles the id while another one logs out, a new session with the old data is created. Where
//!   that matters, log out with [`delete_where`](CloakroomStore::delete_where), and check the user's record in the
//!   application's database in each request.
//! * Sessions end with the process.
//! * If two requests change a session at the same time, the later `save` wins, because tower-sessions saves the session
//!   as a whole.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `v0_15` (default) | the traits of tower-sessions 0.15 |
//! | `v0_14` | the traits of tower-sessions 0.14 (axum-login 0.18) |
//! | `deletion-task` | `ExpiredDeletion::continuously_delete_expired` |
//!
//! Both versions may be on, and one store may serve both. Their traits have the same text, but are different types
//! because the crates are.
//!
//! [tower-sessions]: https://docs.rs/tower-sessions

#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(feature = "v0_14", feature = "v0_15")),
    allow(dead_code, reason = "without a version, no trait uses the stores")
)]

mod sessions;
mod settings;
mod size;
mod stores;
#[cfg(any(feature = "v0_14", feature = "v0_15"))]
mod traits;
mod wall;

pub use sessions::Data;
pub use settings::Settings;
pub use stores::{CloakroomCache, CloakroomStore};

/// Compiles the program of the README as a test.
#[cfg(all(doctest, feature = "v0_15"))]
#[doc = include_str!("../README.md")]
struct Readme;
