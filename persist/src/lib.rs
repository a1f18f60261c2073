#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod disk;
mod error;
mod journal;
mod keys;
mod names;
mod options;
mod persistence;
mod record;
mod storage;
mod time;
mod writer;

pub use cloakroom_codec::Kept;
pub use error::{NotDurable, OpenError};
pub use options::{Changes, Options, Waiting, WhenDamaged};
pub use persistence::{Deferred, Health, Persistence, Restored};
#[doc(hidden)]
pub use storage::{Access, Verdict};
pub use time::{SystemWall, Wall};
