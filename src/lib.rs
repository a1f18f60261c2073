//! An in-memory session store for servers, on a lock-free hash table.
//!
//! A web server hands each visitor a ticket, a random session id in a cookie, and keeps what belongs to the ticket. [`SessionStore`]
//! is where it keeps it: string attributes by session, which expire when they have not been used for a while.

#![warn(missing_docs)]

mod attributes;
mod clock;
mod config;
mod entry;
mod error;
mod expiry;
mod hash;
mod id;
mod reclaim;
#[cfg(cloakroom_count_writes)]
#[doc(hidden)]
pub mod shared_writes;
mod store;
mod sweeper;
mod sync;
mod table;

pub use attributes::{Attributes, AttributesIter};
pub use clock::{Clock, CoarseClock, ManualClock};
pub use config::{CookieName, SessionConfig, SessionStoreBuilder};
pub use error::{ConfigError, CookieNameError, CreateError, ParseIdError, RandomError, SetError};
pub use id::{HexId, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
pub use store::SessionStore;
pub use sweeper::Sweeper;
