//! In place of `cache` where a model checker runs: nothing is kept.

use super::Block;
use super::spare::Spare;
use crate::reclaim::Guard;

pub(super) const REUSED: bool = false;

/// What has been retired.
pub(crate) struct Retired(Spare);

impl Retired {
    /// To be called once nobody uses it.
    pub(crate) fn release(self) {
        drop(self.0);
    }
}

pub(crate) fn retire(spare: Spare, _bytes: usize) -> Option<Retired> {
    Some(Retired(spare))
}

pub(crate) fn close() -> Option<Retired> {
    None
}

pub(super) fn take_apart_one() -> Option<Block> {
    None
}

pub(crate) fn free_all() {}

pub(crate) fn flush_others(_guard: &Guard) -> Option<Retired> {
    None
}

pub(crate) fn free_returned() {}

pub(crate) fn free_owned(spare: Spare) {
    drop(spare);
}

pub(crate) fn retired_bytes() -> usize {
    0
}

/// Nothing, as nothing is kept.
pub(crate) struct FreesMany;

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self
    }
}
