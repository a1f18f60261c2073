#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod commits;
mod disk;
mod ends;
mod error;
#[cfg(feature = "metrics")]
mod export;
mod files;
mod journal;
mod keys;
mod names;
mod options;
mod persistence;
mod record;
mod records;
mod restoring;
mod storage;
mod time;
mod trace;
mod writer;

pub use cloakroom_codec::Kept;
pub use error::{NotDurable, OpenError};
pub use options::{Changes, Options, Waiting, WhenDamaged, WhenFailing};
pub use persistence::{Deferred, Health, Persistence};
pub use records::{Restoration, Restored};
#[doc(hidden)]
pub use storage::{Access, Verdict};
pub use time::{SystemWall, Wall};
