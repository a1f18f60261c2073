//! The store, over shuttle's atomics and a stand-in for the epochs: what `tests/` runs under chosen schedules. Nothing
//! without `--cfg shuttle`.
#![cfg(shuttle)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

#[path = "../../src/attributes/mod.rs"]
mod attributes;
#[path = "../../src/block/mod.rs"]
mod block;
#[path = "../../src/clock.rs"]
mod clock;
#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/content.rs"]
mod content;
#[path = "../../src/entry/mod.rs"]
mod entry;
#[path = "../../src/error/mod.rs"]
mod error;
#[path = "../../src/events.rs"]
mod events;
#[path = "../../src/expiry.rs"]
mod expiry;
#[path = "../../src/fingerprint.rs"]
mod fingerprint;
mod hash;
#[path = "../../src/id.rs"]
mod id;
#[path = "../../src/principal/mod.rs"]
mod principal;
pub mod reclaim;
#[path = "../../src/removal.rs"]
mod removal;
#[path = "../../src/store/mod.rs"]
mod store;
#[path = "../../src/sync.rs"]
mod sync;
#[path = "../../src/table/mod.rs"]
mod table;
#[path = "../../src/trace.rs"]
mod trace;

pub use attributes::{Attributes, AttributesIter, Draft, Snapshot, Version};
pub use clock::{Clock, CoarseClock, ManualClock};
pub use config::{CookieName, SessionConfig};
pub use content::{Content, Replicate};
pub use error::{
    BindError, ConfigError, CookieNameError, CreateError, IncrementError, InsertError, MissingError, ParseIdError,
    RandomError, RotateError, SetError, SetIfError, TryUpdateError,
};
pub use events::Removal;
pub use fingerprint::Fingerprint;
pub use id::{HexId, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
pub use principal::{Principal, WhenPrincipalFull};
pub use removal::RemovalCause;
pub use store::{Eviction, NewSession, Rotation, SessionStore, SessionStoreBuilder, SessionView, Timeouts};
