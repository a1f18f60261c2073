//! In place of `spares` where a model checker runs: nothing is kept.

use super::{Block, TakeApart};
use core::ptr::NonNull;

pub(super) const REUSED: bool = false;
pub(super) const ENOUGH: usize = 0;

/// An object that has been retired. Dropping it frees it.
pub(crate) struct Spare {
    object: NonNull<()>,
    take_apart: TakeApart,
}

/// What has been retired.
pub(crate) struct Retired(Spare);

impl Retired {
    /// To be called once nobody uses it.
    pub(crate) fn release(self) {
        drop(self.0);
    }
}

impl Spare {
    /// # Safety
    ///
    /// As in `spares`.
    pub(crate) unsafe fn new(object: NonNull<()>, take_apart: TakeApart) -> Self {
        Self { object, take_apart }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // SAFETY: what `new` was promised.
        drop(unsafe { (self.take_apart)(self.object) });
    }
}

pub(crate) fn gather(spare: Spare) -> Option<Retired> {
    Some(Retired(spare))
}

pub(crate) fn hand_in() -> Option<Retired> {
    None
}

pub(super) fn take_apart_one(_beyond: usize) -> Option<Block> {
    None
}

pub(crate) fn free_all() {}

pub(crate) fn give_up() {}

/// Nothing, as nothing is kept.
pub(crate) struct FreesMany;

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self
    }
}
