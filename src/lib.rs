//! An in-memory session store for servers, on a lock-free hash table.
//!
//! A web server gives each visitor a random session id in a cookie, and stores data under that id. [`SessionStore`] is
//! that store: it holds string attributes for each session, and ends a session that has been idle for too long. No
//! operation waits for another thread ([what that leaves out](SessionStore#progress)), so an `async` handler calls the
//! store directly.
//!
//! ```
//! use cloakroom::{SessionCookie, SessionStore};
//! use std::time::Duration;
//!
//! let store = SessionStore::builder().ttl(Duration::from_secs(30 * 60)).max_sessions(100_000).build()?;
//! let cookie = SessionCookie::of_this_host(&store.config().cookie_name);
//!
//! // Login: a new session. Its id goes into the header `Set-Cookie` of the response.
//! let id = store.create_with([("user", "ada"), ("role", "admin")])?;
//! let set_cookie = cookie.issue(&id);
//! assert!(set_cookie.as_str().ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"));
//!
//! // A request with this header `Cookie`, which can contain anything.
//! let header = format!("theme=dark; __Host-session_id={id}");
//! let id = cookie.id([header]).ok_or("no id")?;
//! assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
//! let is_admin = store.read(&id, |session| session.get("role") == Some("admin"));
//! assert_eq!(is_admin, Some(true));
//!
//! // Logout: from now on no operation on this id succeeds. The response gets `cookie.removal()`.
//! assert!(store.delete(&id));
//! assert_eq!(store.get(&id, "user"), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to find what
//!
//! | | |
//! |---|---|
//! | Making a store | [`SessionStore::builder`], [`SessionConfig`]; [`SessionStore::typed`] for values in place of attributes |
//! | Sessions | [`create_with`], [`new_session`], [`exists`], [`delete`], [`lookup`], [`peek`], [`count`] |
//! | Attributes | [`get`], [`read`], [`set`], [`set_each`], [`take`], [`increment`], [`update`], [`set_if`], [`snapshot`] |
//! | Timeouts | [`ttl`](SessionConfig#structfield.ttl), [`absolute_timeout`](SessionConfig#structfield.absolute_timeout), [`set_timeouts`], [`touch`], [`expires_in`] |
//! | Login, with a new id | [`login`], [`login_with`], [`bind`] |
//! | Logout that keeps a basket | [`unbind`], [`unbind_with`] |
//! | A new id at other times | [`rotate_id`], [`rotation`] with a grace |
//! | Sessions of a user | [`Principal`], [`sessions_of`], [`end_sessions_of`], [`end_other_sessions_of`] |
//! | A full store | [`WhenFull`], [`WhenPrincipalFull`] |
//! | Ids of your own | [`insert_with`], [`replace_with`] |
//! | A cache in front of another store | [`reserve`], [`Reservation`], [`delete_and_bar`], [`end_all`] |
//! | All sessions | [`for_each`], [`delete_where`], [`evict_expired`], [`Sweeper`] |
//! | The cookie, without an adapter | [`SessionCookie`]; its lifetime: [`ticket`], [`renew_cookie`] |
//! | Several applications on one store | [`Audience`] |
//! | Figures and logs | [`stats`], [`fingerprint`], [`on_removal`](SessionStoreBuilder::on_removal), [`on_removal_with`](SessionStoreBuilder::on_removal_with) |
//! | On disk, or in another store | [`Journal`], [`export`](SessionStore::export), [`import_with`](SessionStore#method.import_with) |
//! | The process | [`Memory`]: where the memory of sessions comes from |
//! | Tests | [`ManualClock`] |
//!
//! # Which adapter for which framework
//!
//! The adapters read and send the cookie. They are separate crates, versioned with their frameworks.
//!
//! * **axum, hyper and other tower services**: [`cloakroom-tower`]. A `SessionLayer` around the routes, a `Session` in
//!   the handler; two allocations a request.
//! * **tower-sessions 0.15**, and 0.14 for axum-login: [`cloakroom-tower-sessions`]. `CloakroomStore` is a store,
//!   `CloakroomCache` a cache in front of a database. Each call boxes a future and clones the session's data. If
//!   two requests save a session, the second overwrites the whole of the first.
//! * **actix-session 0.11**: [`cloakroom-actix-session`]. Each load and each update copies the session's state.
//! * **Browsers with a key for the session** (DBSC): [`cloakroom-dbsc`], beside the first of these or without it.
//! * **Others**: this crate. [`SessionCookie`] finds the id among a request's headers and makes the `Set-Cookie`. Send
//!   a new one after each login ([`login`]).
//!
//! [`cloakroom-persist`] keeps the sessions on disk, so that a restart logs nobody out. [`cloakroom-redis`] shares them
//! among servers.
//!
//! # Features
//!
//! No feature is enabled by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `serde` | [`SessionId`] as its hex digits |
//! | `json` | `SessionStore::set_json` and `get_json`: attributes that hold serde values |
//! | `metrics` | `SessionStore::export_metrics`: the store's [`Stats`] through the `metrics` facade |
//! | `tracing` | events with the target `cloakroom`, which name sessions by their [`fingerprint`] |
//!
//! Sweeps, and the ends of sessions that made room, are `DEBUG` events. Creations, rotations and other ends are `TRACE`
//! events.
//!
//! # Read on
//!
//! The [recipes] answer common questions, the [promises] list the store's guarantees, and the [design] page explains
//! the protocols. The [migration page] shows the lines that change for users of tower-sessions or actix-session.
//!
//! [`cloakroom-tower`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/tower
//! [`cloakroom-tower-sessions`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/tower-sessions
//! [`cloakroom-actix-session`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/actix-session
//! [`cloakroom-dbsc`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/dbsc
//! [`cloakroom-persist`]: https://github.com/cloakroom-rs/cloakroom/tree/main/persist
//! [`cloakroom-redis`]: https://github.com/cloakroom-rs/cloakroom/tree/main/redis
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
//! [`ticket`]: SessionStore::ticket
//! [`renew_cookie`]: SessionStore::renew_cookie
//! [`touch`]: SessionStore::touch
//! [`expires_in`]: SessionStore::expires_in
//! [`login`]: SessionStore#method.login
//! [`login_with`]: SessionStore#method.login_with
//! [`bind`]: SessionStore::bind
//! [`unbind`]: SessionStore#method.unbind
//! [`unbind_with`]: SessionStore::unbind_with
//! [`rotate_id`]: SessionStore::rotate_id
//! [`rotation`]: SessionStore::rotation
//! [`sessions_of`]: SessionStore::sessions_of
//! [`end_sessions_of`]: SessionStore::end_sessions_of
//! [`end_other_sessions_of`]: SessionStore::end_other_sessions_of
//! [`insert_with`]: SessionStore#method.insert_with
//! [`replace_with`]: SessionStore#method.replace_with
//! [`reserve`]: SessionStore::reserve
//! [`delete_and_bar`]: SessionStore::delete_and_bar
//! [`end_all`]: SessionStore::end_all
//! [`for_each`]: SessionStore::for_each
//! [`delete_where`]: SessionStore::delete_where
//! [`evict_expired`]: SessionStore::evict_expired
//! [`stats`]: SessionStore::stats
//! [`fingerprint`]: SessionStore::fingerprint

#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attributes;
mod audience;
mod clock;
mod config;
mod content;
mod cookie;
/// The design of the crate: the page `docs/design.md`. This module exists in the documentation only.
#[cfg(doc)]
#[doc = include_str!("../docs/design.md")]
pub mod design {}
#[allow(unsafe_code, reason = "entries are raw memory with a tail of variable length")]
mod entry;
mod error;
mod events;
mod expiry;
mod fingerprint;
mod hash;
mod id;
#[allow(unsafe_code, reason = "it allocates, retires and frees raw memory")]
mod memory;
mod principal;
mod registry;
#[cfg(cloakroom_count_writes)]
#[doc(hidden)]
pub mod shared_writes;
mod store;
mod sweeper;
mod sync;
mod table;

pub use attributes::{Attributes, AttributesIter, Draft, Snapshot, Version};
pub use audience::Audience;
pub use clock::{Clock, CoarseClock, ManualClock};
pub use config::{CookieName, SessionConfig, WhenFull};
pub use content::{Content, Replicate};
pub use cookie::{SameSite, SessionCookie, SessionCookieBuilder, SessionIds, SetCookie};
pub use error::{
    BindError, ConfigError, CookieNameError, CreateError, FulfilError, ImportError, IncrementError, InsertError,
    MissingError, ParseIdError, RandomError, ReserveError, RotateError, SessionCookieError, SetError, SetIfError,
    TryUpdateError,
};
#[cfg(feature = "json")]
pub use error::{GetJsonError, SetJsonError};
pub use events::{Journal, Removal, RemovalCause};
pub use fingerprint::Fingerprint;
pub use id::{HexId, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
pub use memory::Memory;
pub use principal::{Principal, WhenPrincipalFull};
pub use store::{
    Carried, Eviction, Hold, NewSession, Reservation, Rotation, SessionStore, SessionStoreBuilder, SessionTicket,
    SessionView, Stats, Timeouts, Undo,
};
pub use sweeper::Sweeper;
