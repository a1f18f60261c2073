//! What a thread has retired, to come back to that thread once it may be freed.
//!
//! A batch has two ends. The thread that retired what is in it keeps one and looks now and then whether the batch has
//! [come back](Waiting::come_back). The other end goes to the collector, which [returns](Due::give_back) the batch on whichever thread happens to find
//! that nobody can be using its content any more. So blocks stay with the thread that allocates from them: handed out by the finder, they would
//! travel between processors with all that is in them.
//!
//! The thread may be gone by then: it gives its end up by dropping it, and the later of the two frees the batch.
//!
//! ```text
//! UNDER_WAY ──give_back──▶ RETURNED     the owner takes the content, and frees the batch
//!     └─────drop of Waiting──▶ GIVEN_UP     the collector frees both
//! ```
//!
//! Either end changes the state once, by one exchange, and is gone: wait-free. Orderings: B1 to B3 of `docs/orderings.md`.

use crate::sync::{AtomicUsize, Ordering, ordered};
use core::mem::forget;
use core::ptr::NonNull;

const UNDER_WAY: usize = 0;
const RETURNED: usize = 1;
const GIVEN_UP: usize = 2;

struct Batch<T> {
    state: AtomicUsize,
    content: T,
}

/// The end of the thread that waits for the content.
pub(crate) struct Waiting<T>(NonNull<Batch<T>>);

/// The end of the collector.
pub(crate) struct Due<T>(NonNull<Batch<T>>);

// SAFETY: the content is used by one end only, which is where it is sent to.
unsafe impl<T: Send> Send for Waiting<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Due<T> {}

/// Makes a batch.
pub(crate) fn batch<T: Send>(content: T) -> (Waiting<T>, Due<T>) {
    let batch = NonNull::from(Box::leak(Box::new(Batch { state: AtomicUsize::new(UNDER_WAY), content })));
    (Waiting(batch), Due(batch))
}

impl<T> Waiting<T> {
    /// The content, if it has been given back; or else this end again.
    pub(crate) fn come_back(self) -> Result<T, Self> {
        // SAFETY: neither end frees the batch before both have changed the state, and this one has not.
        let state = unsafe { &self.0.as_ref().state };
        // Acquire: what the collector knows, that others have done with the content; pairs with B2.
        if state.load(ordered("B1", Ordering::Acquire)) != RETURNED {
            return Err(self);
        }
        let batch = self.0;
        forget(self);
        // SAFETY: the collector's end is gone, this is the last use of the batch.
        Ok(unsafe { take(batch) })
    }
}

impl<T> Due<T> {
    /// Gives the batch back, because nobody can be using its content any more. Frees it if nobody waits for it.
    pub(crate) fn give_back(self) {
        // SAFETY: as in `come_back`.
        let state = unsafe { &self.0.as_ref().state };
        // Release: others have done with the content; pairs with B1 and B3. Acquire: who gave it up has done with the batch; pairs with B3.
        if state.swap(RETURNED, ordered("B2", Ordering::AcqRel)) == GIVEN_UP {
            // SAFETY: the other end is gone.
            drop(unsafe { take(self.0) });
        }
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        // SAFETY: as in `come_back`.
        let state = unsafe { &self.0.as_ref().state };
        // Acquire: as B1; pairs with B2. Release: this end has done with the batch; pairs with B2.
        if state.swap(GIVEN_UP, ordered("B3", Ordering::AcqRel)) == RETURNED {
            // SAFETY: the other end is gone.
            drop(unsafe { take(self.0) });
        }
    }
}

/// Frees a batch, but not its content.
///
/// # Safety
///
/// The caller must ensure that `batch` came out of [`batch()`] and that nobody uses it any more.
unsafe fn take<T>(batch: NonNull<Batch<T>>) -> T {
    // SAFETY: the caller's promise.
    unsafe { Box::from_raw(batch.as_ptr()) }.content
}
