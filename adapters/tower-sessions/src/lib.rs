//! [tower-sessions] on [`cloakroom`]: the sessions of an axum or tower server in memory, without a lock, and with a
//! logout that stays one.
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
//! Nothing else changes: handlers, cookies and expiry are tower-sessions'. With axum-login, which is on tower-sessions
//! 0.14, turn the feature `v0_14` on.
//!
//! | | for | `save` |
//! |---|---|---|
//! | [`CloakroomStore`] | the only place where sessions are | changes a session that is there, and never brings one back |
//! | [`CloakroomCache`] | the front of a `CachingSessionStore` | fills: a session that is not there is put in |
//!
//! # What is different from `MemoryStore`
//!
//! * **Revocation wins.** `MemoryStore::save` inserts. A request that has loaded its session, and saves it after
//!   another request has logged the visitor out, brings the session back, with everything in it, under the id that was
//!   to be dead. [`CloakroomStore`] saves only what is still there. The late request is answered as usual; what it has
//!   changed is gone with the session. (The trait has no word for that: its `save` returns `Ok` and nothing has been
//!   stored, as tower-sessions' own store for Redis does it.)
//! * **Memory comes back.** `MemoryStore` keeps expired sessions for good. Here the session's `expiry_date` is its
//!   limit in the table: an expired session goes when somebody meets it, when a full store needs its place, and when
//!   `ExpiredDeletion::delete_expired` is called, which every server should do once a minute or so.
//! * **A limit**, if wanted: [`Settings::max_sessions`]. A `create` beyond it fails with `Error::Backend`, which the
//!   middleware answers with status 500, or ends another session, as [`Settings::when_full`] says.
//! * **No lock.** Every operation is lock-free and done when it is first polled; none waits, so none blocks the
//!   executor.
//! * `Debug` shows how many sessions there are. `MemoryStore` prints all of them, ids included.
//!
//! # What a call costs
//!
//! The trait wants an owned record, so a `load` clones the session's map with all its values, and a `save` or a
//! `create` clones it in. The clone is made while the thread keeps the store's memory from being freed, which is a
//! matter of microseconds for a session of the usual size and no place for megabytes. Each call allocates the boxed
//! future of the trait.
//!
//! # What it does not do
//!
//! * `Session::cycle_id` is a `delete` and, at the end of the request, a `create`, between which no store can see a
//!   connection. A request that cycles the id while another one logs out still makes a new session with the old data.
//!   Log out by [`delete_where`](CloakroomStore::delete_where) where that matters, and look at the user's own record
//!   for what must not outlive it.
//! * Sessions are gone when the process ends.
//! * Changes of two requests at a time: tower-sessions saves the session as a whole, so the later `save` wins. Nothing
//!   that a store could mend.
//!
//! # Features
//!
//! | | |
//! |---|---|
//! | `v0_15` (default) | the traits of tower-sessions 0.15 |
//! | `v0_14` | those of 0.14 (axum-login 0.18); both may be on, and one store may serve both |
//! | `deletion-task` | `ExpiredDeletion::continuously_delete_expired` |
//!
//! Between the two versions the traits are the same in every word; they are different types to the compiler only
//! because the crates are.
//!
//! [tower-sessions]: https://docs.rs/tower-sessions

#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(feature = "v0_14", feature = "v0_15")),
    allow(dead_code, reason = "without a version there is no trait, and the stores have nothing to serve")
)]

mod sessions;
mod settings;
mod stores;
#[cfg(any(feature = "v0_14", feature = "v0_15"))]
mod traits;
mod wall;

pub use sessions::Data;
pub use settings::Settings;
pub use stores::{CloakroomCache, CloakroomStore};

/// Compiles what the README shows, as a test.
#[cfg(all(doctest, feature = "v0_15"))]
#[doc = include_str!("../README.md")]
struct Readme;
