//! Counts of what has happened in a shard since it was made, for whoever asks how the store is doing.
//!
//! They lie on the line of the shard's other counters, which whoever adds to them has written just before or is about to write. No
//! reader adds to any.

#![deny(unsafe_code)]

use crate::removal::RemovalCause;
use crate::sync::{AtomicU64, Ordering};

/// How many sessions have come, and how many have gone for which cause.
pub(crate) struct Tally {
    created: AtomicU64,
    removed: [AtomicU64; RemovalCause::COUNT],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { created: AtomicU64::new(0), removed: std::array::from_fn(|_| AtomicU64::new(0)) }
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

    /// Adds this shard's counts to a sum.
    pub(crate) fn add_to(&self, sum: &mut Tallied) {
        sum.created = sum.created.wrapping_add(self.created.load(Ordering::Relaxed));
        for (sum, count) in sum.removed.iter_mut().zip(&self.removed) {
            *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
        }
    }
}

/// The counts of all shards together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tallied {
    pub(crate) created: u64,
    removed: [u64; RemovalCause::COUNT],
}

impl Tallied {
    pub(crate) fn removed(&self, cause: RemovalCause) -> u64 {
        self.removed[cause as usize]
    }
}
