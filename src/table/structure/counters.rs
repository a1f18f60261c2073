//! Counts of what has happened in a shard since it was made, for whoever asks how the store is doing.
//!
//! They lie on the line of the shard's other counters, which whoever adds to them has written just before or is about to write. No
//! reader adds to any.

use crate::events::RemovalCause;
use crate::sync::{AtomicU64, Ordering};

/// How many sessions have come, how many have gone for which cause, and what those that are there take.
pub(crate) struct Counters {
    created: AtomicU64,
    arrays_left: AtomicU64,
    /// Bytes of the entries in the slots. A replacement is counted after it was made, so that what has come of it may be counted out first: this
    /// may be below zero for a moment, and wraps around then.
    bytes: AtomicU64,
    removed: [AtomicU64; RemovalCause::COUNT],
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { created: zero(), arrays_left: zero(), bytes: zero(), removed: std::array::from_fn(|_| zero()) }
    }

    pub(crate) fn created(&self) {
        if cfg!(loom) {
            return; // No matter of the protocols, so the models need not explore it.
        }
        self.created.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number, as all here.
    }

    pub(crate) fn removed(&self, cause: RemovalCause) {
        if cfg!(loom) {
            return; // As above.
        }
        self.removed[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// An entry of so many bytes is in a slot, in place of one of so many others. (0: there was none, or there is none any more.)
    pub(crate) fn resized(&self, from: usize, to: usize) {
        if cfg!(loom) || from == to {
            return; // As above.
        }
        self.bytes.fetch_add((to as u64).wrapping_sub(from as u64), Ordering::Relaxed);
    }

    /// An array has been left for the next one.
    pub(crate) fn array_left(&self) {
        if cfg!(loom) {
            return; // As above.
        }
        self.arrays_left.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds this shard's counts to a sum.
    pub(crate) fn add_to(&self, sum: &mut Counts) {
        sum.created = sum.created.wrapping_add(self.created.load(Ordering::Relaxed));
        sum.arrays_left = sum.arrays_left.wrapping_add(self.arrays_left.load(Ordering::Relaxed));
        sum.bytes = sum.bytes.wrapping_add(self.bytes.load(Ordering::Relaxed));
        for (sum, count) in sum.removed.iter_mut().zip(&self.removed) {
            *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
        }
    }
}

/// The counts of all shards together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) created: u64,
    pub(crate) arrays_left: u64,
    bytes: u64,
    removed: [u64; RemovalCause::COUNT],
}

impl Counts {
    pub(crate) fn removed(&self, cause: RemovalCause) -> u64 {
        self.removed[cause as usize]
    }

    /// The bytes of all entries: zero where the sum is below that for a moment.
    pub(crate) fn bytes(&self) -> u64 {
        if self.bytes.cast_signed() < 0 { 0 } else { self.bytes }
    }
}
