//! An in-memory session store for servers, on a lock-free hash table.
//!
//! A web server hands each visitor a random session id in a cookie, and keeps what belongs to the id. [`SessionStore`]
//! is where it keeps it: string attributes for each session, which expires when it has not been used for a while. No
//! operation waits for another thread, so an `async` handler calls the store directly.
//!
//! ```
//! use cloakroom::{SessionId, SessionStore};
//! use std::time::Duration;
//!
//! let store = SessionStore::builder().ttl(Duration::from_secs(30 * 60)).max_sessions(100_000).build()?;
//!
//! // Login: a new session, whose id goes into the cookie.
//! let id = store.create_with([("user", "ada"), ("role", "admin")])?;
//! let cookie = format!("{}={id}; Path=/; HttpOnly; Secure; SameSite=Lax", store.cookie_name());
//!
//! // A request: the id is parsed, because a cookie can hold anything.
//! let sent = cookie.split(['=', ';']).nth(1).unwrap_or_default();
//! let id: SessionId = sent.parse()?;
//! assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
//! let is_admin = store.read(&id, |session| session.get("role") == Some("admin"));
//! assert_eq!(is_admin, Some(true));
//!
//! // Logout: from here on nothing succeeds under this id.
//! assert!(store.delete(&id));
//! assert_eq!(store.get(&id, "user"), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to find what
//!
//! | | |
//! |---|---|
//! | Make a store | [`SessionStore::builder`], [`SessionConfig`]; [`SessionStore::typed`] for values in place of attributes |
//! | Sessions | [`create_with`], [`new_session`], [`exists`], [`delete`], [`lookup`], [`peek`], [`count`] |
//! | Attributes | [`get`], [`read`], [`set`], [`set_each`], [`take`], [`increment`], [`update`], [`set_if`], [`snapshot`] |
//! | Timeouts | [`SessionConfig::ttl`], [`SessionConfig::absolute_timeout`], [`set_timeouts`], [`touch`], [`expires_in`] |
//! | A login, with a new id | [`login`], [`login_with`], [`bind`] |
//! | A new id at other times | [`rotate_id`], [`rotation`] with a grace |
//! | Sessions of a user | [`Principal`], [`sessions_of`], [`end_sessions_of`], [`end_other_sessions_of`] |
//! | A full store | [`WhenFull`], [`WhenPrincipalFull`] |
//! | Ids of your own | [`insert_with`], [`replace_with`] |
//! | All sessions | [`for_each`], [`retain`], [`delete_where`], [`evict_expired`], [`Sweeper`] |
//! | Figures and logs | [`stats`], [`fingerprint`], [`on_removal`](SessionStoreBuilder::on_removal) |
//! | The process | [`Memory`]: where the memory of sessions comes from |
//! | Tests | [`ManualClock`] |
//!
//! # Which adapter for which server
//!
//! The adapters read and send the cookie. They are crates of their own, which follow the versions of their frameworks.
//!
//! * **axum, hyper and other tower services**: [`cloakroom-tower`]. A `SessionLayer` around the routes, a `Session` in
//!   the handler; two allocations a request.
//! * **tower-sessions 0.15**, and 0.14 for axum-login: [`cloakroom-tower-sessions`]. `CloakroomStore` is a store,
//!   `CloakroomCache` a cache in front of a database. Each call boxes a future and clones the session's data. Of two
//!   requests that save a session, the later one wins as a whole.
//! * **actix-session 0.11**: [`cloakroom-actix-session`]. Each load and each update copies the session's state.
//! * **Anything else**: this crate. You parse the cookie ([`SessionId`]), send it ([`SessionStore::cookie_name`]), and
//!   send another one after each login ([`login`]).
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `serde` | [`SessionId`] as its hex digits |
//! | `json` | `SessionStore::set_json` and `get_json`: attributes that hold values of any type that serde knows |
//! | `metrics` | `SessionStore::export_metrics`: the store's [`Stats`] through the `metrics` facade |
//! | `tracing` | events with the target `cloakroom`, in which sessions are named by their [`fingerprint`] |
//!
//! The events are sweeps, and sessions that ended to make room (`DEBUG`); creations, rotations and ends (`TRACE`).
//!
//! # Read on
//!
//! The [recipes] answer common questions, the [promises] say what the store guarantees, and the [design] page
//! explains the protocols.
//! Coming from tower-sessions or actix-session, the [migration page] has the lines that change.
//!
//! [`cloakroom-tower`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/tower
//! [`cloakroom-tower-sessions`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/tower-sessions
//! [`cloakroom-actix-session`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/actix-session
//! [recipes]: https://github.com/cloakroom-rs/cloakroom/blob/main/docs/recipes.md
//! [promises]: https://github.com/cloakroom-rs/cloakroom/blob/main/docs/promises.md
//! [migration page]: https://github.com/cloakroom-rs/cloakroom/blob/main/docs/migration.md
//! [`create_with`]: SessionStore#method.create_with
//! [`new_session`]: SessionStore::new_session
//! [`exists`]: SessionStore::exists
//! [`delete`]: SessionStore::delete
//! [`lookup`]: SessionStore::lookup
//! [`peek`]: SessionStore::peek
//! [`count`]: SessionStore::count
//! [`get`]: SessionStore#method.get
//! [`read`]: SessionStore::read
//! [`set`]: SessionStore#method.set
//! [`set_each`]: SessionStore#method.set_each
//! [`take`]: SessionStore#method.take
//! [`increment`]: SessionStore#method.increment
//! [`update`]: SessionStore#method.update
//! [`set_if`]: SessionStore#method.set_if
//! [`snapshot`]: SessionStore#method.snapshot
//! [`set_timeouts`]: SessionStore::set_timeouts
//! [`touch`]: SessionStore::touch
//! [`expires_in`]: SessionStore::expires_in
//! [`login`]: SessionStore#method.login
//! [`login_with`]: SessionStore#method.login_with
//! [`bind`]: SessionStore::bind
//! [`rotate_id`]: SessionStore::rotate_id
//! [`rotation`]: SessionStore::rotation
//! [`sessions_of`]: SessionStore::sessions_of
//! [`end_sessions_of`]: SessionStore::end_sessions_of
//! [`end_other_sessions_of`]: SessionStore::end_other_sessions_of
//! [`insert_with`]: SessionStore#method.insert_with
//! [`replace_with`]: SessionStore#method.replace_with
//! [`for_each`]: SessionStore::for_each
//! [`retain`]: SessionStore::retain
//! [`delete_where`]: SessionStore::delete_where
//! [`evict_expired`]: SessionStore::evict_expired
//! [`stats`]: SessionStore::stats
//! [`fingerprint`]: SessionStore::fingerprint

#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attributes;
mod block;
mod clock;
mod config;
mod content;
/// Why the sources are as they are: the page `docs/design.md`. It exists in the documentation only.
#[cfg(doc)]
#[doc = include_str!("../docs/design.md")]
pub mod design {}
mod entry;
mod error;
mod events;
mod expiry;
mod fingerprint;
mod hash;
mod id;
mod principal;
mod reclaim;
mod removal;
#[cfg(cloakroom_count_writes)]
#[doc(hidden)]
pub mod shared_writes;
mod store;
mod sweeper;
mod sync;
mod table;
mod trace;

pub use attributes::{Attributes, AttributesIter, Draft, Snapshot, Version};
pub use block::Memory;
pub use clock::{Clock, CoarseClock, ManualClock};
pub use config::{CookieName, SessionConfig, SessionStoreBuilder, WhenFull};
pub use content::{Content, Replicate};
pub use error::{
    BindError, ConfigError, CookieNameError, CreateError, IncrementError, InsertError, ParseIdError, RandomError,
    RotateError, SetError, SetIfError, TryUpdateError, UpdateError,
};
#[cfg(feature = "json")]
pub use error::{GetJsonError, SetJsonError};
pub use events::Removal;
pub use fingerprint::Fingerprint;
pub use id::{HexId, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
pub use principal::{Principal, WhenPrincipalFull};
pub use removal::RemovalCause;
pub use store::{Eviction, Lookup, NewSession, Rotation, SessionStore, SessionView, Stats, Timeouts};
pub use sweeper::Sweeper;
