//! An in-memory session store for servers, on a lock-free hash table.
//!
//! A web server hands each visitor a ticket, a random session id in a cookie, and keeps what belongs to the ticket. [`SessionStore`]
//! is where it keeps it: string attributes by session, which expire when they have not been used for a while.
//!
//! # Which face for which server
//!
//! Nothing here waits, so whatever the server is made of, its handlers call the store directly. Who reads and writes the cookie is what differs:
//!
//! | your server | take | what it costs | what it cannot do |
//! |---|---|---|---|
//! | whatever has no face below, or handles its cookies itself | the calls of [`SessionStore`] | nothing more | The cookie is yours: to parse ([`SessionId`]), to send ([`SessionStore::cookie_name`]), and to send anew after each login ([`bind`](SessionStore::bind)) |
//! | axum, or other tower services, **without sessions yet** | [`cloakroom-tower`]: `SessionLayer`, and `Session` in the handler | two allocations a request; a `Set-Cookie` where the id changes | to keep its sessions elsewhere than here |
//! | hyper | the same, by way of `TowerToHyperService`; without the feature `axum` | the same | the same |
//! | handlers written for tower-sessions 0.15; axum-login, which is on 0.14 | [`cloakroom-tower-sessions`]: `CloakroomStore`, with the feature `v0_14` for the latter | a boxed future a call; all of the session's data is cloned out by each load and in by each save | Of two requests that save a session, the later one wins as a whole. Its `cycle_id` at a login is an end and a new session, which a logout at the same time does not find. It knows no principals: "log out everywhere" looks at all sessions |
//! | the same, with sessions that are in a database | [`cloakroom-tower-sessions`]: `CloakroomCache`, in front of it in a `CachingSessionStore` | what the database costs, for all but loads that hit | Besides: a late save fills it again, so a logout does not win |
//! | actix-web | [`cloakroom-actix-session`]: `CloakroomSessionStore` | the session's state is copied out as a map by each load and in by each update, strings as JSON | As the store of tower-sessions, with `renew` for `cycle_id`. The cookie is actix-session's, which encrypts or signs the key |
//!
//! Coming from tower-sessions or actix-session, the [migration page] has the lines that change. The faces are crates of their own, so that they follow their frameworks' versions.
//!
//! [`cloakroom-tower`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/tower
//! [`cloakroom-tower-sessions`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/tower-sessions
//! [`cloakroom-actix-session`]: https://github.com/cloakroom-rs/cloakroom/tree/main/adapters/actix-session
//! [migration page]: https://github.com/cloakroom-rs/cloakroom/blob/main/docs/migration.md
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `serde` | [`SessionId`] as its hex digits |
//! | `json` | `SessionStore::set_json` and `get_json`: attributes that hold values of any type that serde knows |
//! | `metrics` | `SessionStore::export_metrics`: the store's [`Stats`] by way of the `metrics` facade |
//! | `tracing` | events of sweeps (`DEBUG`), sessions ended to make room (`DEBUG`), and creations, rotations and ends (`TRACE`), with the target `cloakroom`. Sessions are named by a short hash under a key of the store's own, never by their ids |

#![warn(missing_docs)]

mod attributes;
mod block;
mod clock;
mod config;
mod content;
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
