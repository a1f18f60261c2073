//! The models' payload: a value in a cell that loom watches, so that loom notices a payload that is freed while it is
//! read, and a mark that loom misses when the payload leaks.

use crate::entry::{Head, Key, Overrides, Owned};
use crate::expiry::Tick;
use loom::alloc::Track;
use loom::cell::UnsafeCell;

pub(crate) struct Watched {
    value: UnsafeCell<usize>,
    _leak: Track<()>,
}

// SAFETY: loom checks the accesses to the cell.
unsafe impl Send for Watched {}
// SAFETY: as above.
unsafe impl Sync for Watched {}

impl Watched {
    pub(crate) fn new(value: usize) -> Self {
        Self { value: UnsafeCell::new(value), _leak: Track::new(()) }
    }

    pub(crate) fn entry(key: Key, stamp: Tick, value: usize) -> Owned<Self> {
        Owned::new(Head::first(key, stamp, &Overrides::NONE), Self::new(value), 0, |_| {})
    }

    pub(crate) fn value(&self) -> usize {
        self.value.with(|value| {
            // SAFETY: loom checks that no thread writes at the same time; the address is valid.
            unsafe { *value }
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.value.with_mut(|value| {
            // SAFETY: as above.
            unsafe { *value = usize::MAX }
        });
    }
}
