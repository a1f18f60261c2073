//! Takes the place of `cache` where a model checker runs: nothing is cached.

use super::block::Block;
use super::epoch::Guard;
use super::object::RetiredObject;
use core::alloc::Layout;

/// A retired object that the collector releases once no thread can use it.
pub(super) struct Deferred(RetiredObject);

impl Deferred {
    fn release(self) {
        drop(self.0);
    }
}

impl Guard {
    pub(super) fn release_later(&self, deferred: Deferred) {
        // SAFETY: an object may be freed on any thread, at any later time.
        unsafe { self.defer(move || deferred.release()) }
    }
}

pub(super) fn retire(object: RetiredObject, _bytes: usize) -> Option<Deferred> {
    Some(Deferred(object))
}

pub(super) fn close() -> Option<Deferred> {
    None
}

pub(crate) fn allocate(layout: Layout) -> Block {
    Block::new(layout)
}

pub(super) fn free_all() {}

pub(super) fn flush_others(_guard: &Guard) -> Option<Deferred> {
    None
}

pub(super) fn free_returned() {}

pub(crate) fn free_owned(object: RetiredObject) {
    drop(object);
}

pub(crate) fn retired_bytes() -> usize {
    0
}

/// Nothing, because nothing is cached.
pub(crate) struct FreesMany;

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self
    }
}
