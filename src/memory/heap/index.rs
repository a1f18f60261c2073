//! An index of chunks: a bit for each chunk in which something is free.
//!
//! A set bit is a hint. A bit must not be missing for good. So a thread that frees something sets the bit *afterwards*,
//! by an exchange, and a thread that clears a bit because it found nothing looks again *afterwards*.
//! Orderings: M10 and M11 of `docs/orderings.md`.

#![deny(unsafe_code)]

use crate::sync::{AtomicU64, MODEL, Ordering, ordered};

/// The most chunks.
pub(crate) const MOST_CHUNKS: usize = if MODEL { 2 } else { 32 * 1024 };

const BITS: usize = 64;

/// A bit for each chunk. Zeroed memory is an index without bits.
pub(crate) struct Index([AtomicU64; MOST_CHUNKS.div_ceil(BITS)]);

impl Index {
    /// An index without bits. Outside of models and tests an index is zeroed memory.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Marks a chunk in which something is free.
    pub(crate) fn set(&self, chunk: usize) {
        // Release: the free memory; pairs with M11. An exchange even if the bit is set, because another thread may be
        // about to clear it; that thread then looks again.
        self.0[chunk / BITS].fetch_or(1 << (chunk % BITS), ordered("M10", Ordering::Release));
    }

    /// Calls `f` with each marked chunk of the first `chunks`, until `f` returns a result. Clears the bit of a chunk
    /// for which `f` returns none and `is_empty` is true.
    pub(crate) fn find<T>(
        &self,
        chunks: usize,
        mut f: impl FnMut(usize) -> Option<T>,
        is_empty: impl Fn(usize) -> bool,
    ) -> Option<T> {
        for (place, word) in self.0[..chunks.div_ceil(BITS)].iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed); // Relaxed: at worst something is not found.
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                let chunk = place * BITS + bits.trailing_zeros() as usize;
                if let Some(found) = f(chunk) {
                    return Some(found);
                }
                if is_empty(chunk) {
                    // Acquire: the free memory of the chunk, if the bit was set again meanwhile; pairs with M10.
                    word.fetch_and(!bit, ordered("M11", Ordering::Acquire));
                    if !is_empty(chunk) {
                        self.set(chunk);
                    }
                }
                bits &= bits - 1;
            }
        }
        None
    }
}
