//! The memory of entries and arrays, with a stand-in for the epochs.

#[path = "../../../src/memory/block.rs"]
mod block;
#[path = "../../../src/memory/uncached.rs"]
mod cache;
#[path = "standin.rs"]
mod epoch;
#[path = "../../../src/memory/object.rs"]
mod object;

pub(crate) use block::{Block, UPPER_BITS_FREE, prefetch};
pub(crate) use cache::{FreesMany, allocate, free_owned, retired_bytes};
pub(crate) use epoch::{Guard, boundary, collect, flush, free_all, pin, prepare};
pub(crate) use object::{Contents, Kind, RetiredObject};

pub(crate) const BATCH: usize = 64;
