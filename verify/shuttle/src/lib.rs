//! The store, over shuttle's atomics and a stand-in for the epochs: what `tests/` runs under chosen schedules. Nothing
//! without `--cfg shuttle`.
#![cfg(shuttle)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("../../support/sources.rs");
mod hash;
#[path = "../../../src/id/mod.rs"]
mod id;
#[path = "../../support/memory.rs"]
pub mod memory;

pub use attributes::{Attributes, AttributesIter, Draft, Snapshot, Version};
pub use clock::{Clock, CoarseClock, ManualClock};
pub use config::{CookieName, SessionConfig};
pub use content::{Content, Replicate};
pub use error::{
    BindError, ConfigError, CookieNameError, CreateError, FulfilError, IncrementError, InsertError, MissingError,
    ParseIdError, RandomError, ReserveError, RotateError, SetError, SetIfError, TryUpdateError,
};
pub use events::{Removal, RemovalCause};
pub use fingerprint::Fingerprint;
pub use id::{HexId, SESSION_ID_HEX_LEN, SESSION_ID_LEN, SessionId};
pub use principal::{Principal, WhenPrincipalFull};
pub use store::{
    Eviction, NewSession, Reservation, Rotation, SessionStore, SessionStoreBuilder, SessionView, Timeouts,
};
