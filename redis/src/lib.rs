#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod arguments;
mod attributes;
mod error;
#[cfg(feature = "metrics")]
mod export;
mod given;
mod health;
mod inner;
mod link;
mod names;
mod near;
mod options;
mod principals;
mod record;
mod resp;
mod rotation;
mod scripts;
mod store;
mod trace;
#[cfg(feature = "serde")]
mod typed;

pub use cloakroom_codec::Kept as Shared;
pub use error::{ConnectError, EngineError, SharedError, TryUpdateError};
pub use health::Health;
pub use options::{SharedOptions, WhenAway};
pub use principals::Device;
pub use rotation::SharedRotation;
pub use store::{Fresh, NewShared, SharedStore, SharedTicket};
