//! Which chunks have something: a bit for each.
//!
//! A bit that is set is a hint. A bit that is missing must not be: so a thread that makes something available sets the
//! bit *afterwards*, by an exchange, and a thread that clears a bit because it found nothing looks again *afterwards*.
//! Orderings: M10 and M11 of `docs/orderings.md`.

#![deny(unsafe_code)]

use crate::sync::{AtomicU64, MODEL, Ordering, ordered};

/// How many chunks there may be.
pub(crate) const MOST_CHUNKS: usize = if MODEL { 2 } else { 32 * 1024 };

const BITS: usize = 64;

/// A bit for each chunk. Zeroed memory is one with no bits set.
pub(crate) struct Index([AtomicU64; MOST_CHUNKS.div_ceil(BITS)]);

impl Index {
    /// One with no bits set. Elsewhere than in the models it is zeroed memory.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Notes that a chunk has something.
    pub(crate) fn set(&self, chunk: usize) {
        // Release: what it has; pairs with M11. An exchange even if the bit is set, because another thread may be about
        // to clear it; that thread then looks again.
        self.0[chunk / BITS].fetch_or(1 << (chunk % BITS), ordered("M10", Ordering::Release));
    }

    /// The first of the first so many chunks of which `f` makes something. Where it makes nothing and `is_empty` says
    /// that there is nothing, the bit is cleared.
    pub(crate) fn find<T>(
        &self,
        chunks: usize,
        mut f: impl FnMut(usize) -> Option<T>,
        is_empty: impl Fn(usize) -> bool,
    ) -> Option<T> {
        for (place, word) in self.0[..chunks.div_ceil(BITS)].iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed); // Relaxed: at the worst something is not found.
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                let chunk = place * BITS + bits.trailing_zeros() as usize;
                if let Some(found) = f(chunk) {
                    return Some(found);
                }
                if is_empty(chunk) {
                    // Acquire: what the chunk has, if the bit was set again meanwhile; pairs with M10.
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
