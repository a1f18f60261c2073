//! An in-memory session store for servers, on a lock-free hash table.
//!
//! A web server hands each visitor a ticket, a random session id in a cookie, and keeps what belongs to the ticket. [`SessionStore`]
//! is where it keeps it: string attributes by session, which expire when they have not been used for a while.
//!
//! | feature | what it adds |
//! |---|---|
//! | `serde` | [`SessionId`] as its hex digits |
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
mod hash;
mod id;
mod principal;
mod reclaim;
mod removal;
mod roll;
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
pub use id::{HexId, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
pub use principal::{Principal, WhenPrincipalFull};
pub use removal::RemovalCause;
pub use store::{Eviction, Lookup, NewSession, Rotation, SessionStore, SessionView, Stats, Timeouts};
pub use sweeper::Sweeper;
