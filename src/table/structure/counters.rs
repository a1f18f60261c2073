//! Counts of what has happened in a shard since it was made.
//!
//! They share a cache line with the shard's other counters, which the same operations write. No look-up writes them.

use crate::sync::{AtomicU64, Ordering};
use crate::table::RemovalCause;

/// The number of created sessions, of ended sessions by cause, of migrations, and the bytes of the entries in the
/// slots.
pub(crate) struct Counters {
    created: AtomicU64,
    migrations: AtomicU64,
    /// Bytes of the entries in the slots. A replacement is counted after it was made, so another thread may count out
    /// the new entry first. Then this is negative for a moment, and wraps.
    bytes: AtomicU64,
    removed: [AtomicU64; RemovalCause::COUNT],
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { created: zero(), migrations: zero(), bytes: zero(), removed: std::array::from_fn(|_| zero()) }
    }

    pub(crate) fn created(&self) {
        if cfg!(loom) {
            return; // Not part of a protocol, so the models need not explore it.
        }
        self.created.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number, as all here.
    }

    pub(crate) fn removed(&self, cause: RemovalCause) {
        if cfg!(loom) {
            return; // As above.
        }
        self.removed[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an entry of `to` bytes in place of one of `from` bytes. 0 stands for no entry.
    pub(crate) fn resized(&self, from: usize, to: usize) {
        if cfg!(loom) || from == to {
            return; // As above.
        }
        self.bytes.fetch_add((to as u64).wrapping_sub(from as u64), Ordering::Relaxed); // Relaxed: a mere number.
    }

    /// Counts a finished migration.
    pub(crate) fn migrated(&self) {
        if cfg!(loom) {
            return; // As above.
        }
        self.migrations.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
    }

    /// Adds this shard's counts to a sum.
    pub(crate) fn add_to(&self, sum: &mut Counts) {
        // Relaxed, as below: mere numbers.
        sum.created = sum.created.wrapping_add(self.created.load(Ordering::Relaxed));
        sum.migrations = sum.migrations.wrapping_add(self.migrations.load(Ordering::Relaxed));
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
    pub(crate) migrations: u64,
    bytes: u64,
    removed: [u64; RemovalCause::COUNT],
}

impl Counts {
    pub(crate) fn removed(&self, cause: RemovalCause) -> u64 {
        self.removed[cause as usize]
    }

    /// The bytes of all entries; 0 if the sum is negative for a moment.
    pub(crate) fn bytes(&self) -> u64 {
        if self.bytes.cast_signed() < 0 { 0 } else { self.bytes }
    }
}
