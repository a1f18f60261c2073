//! Retiring objects, and freeing the objects that no thread can use any more.

use super::batch::BATCH;
use super::cache;
use super::epoch::{Guard, pin};
use super::object::{Kind, RetiredObject};
use core::ptr::NonNull;

impl Guard {
    /// Retires an object of `bytes` bytes: it is freed once all threads that are pinned now have unpinned. Then the
    /// memory returns to this thread for reuse, unless the object is large.
    ///
    /// # Safety
    ///
    /// The caller must ensure:
    /// * the functions of `kind` are sound for `object` on any thread, at any later time, once no one else uses it;
    /// * no thread that pins itself from now on can reach `object`;
    /// * nothing else frees or retires it.
    // Out of line, so that its callers need not save their registers.
    #[inline(never)]
    pub(crate) unsafe fn retire(&self, object: NonNull<()>, kind: &'static Kind, bytes: usize) {
        // SAFETY: the caller's promise. It is dropped or taken apart once every guard is gone that could see `object`.
        let object = unsafe { RetiredObject::new(object, kind) };
        if let Some(deferred) = cache::retire(object, bytes) {
            self.release_later(deferred);
        }
    }
}

/// Frees retired objects that no thread can use any more. `retired` is how many the caller has just retired. Objects of
/// other threads may be among them.
///
/// Each step advances the epoch if no pinned thread prevents it, and frees up to eight batches of 64. Lock-free. Runs
/// destructors.
pub(crate) fn collect(retired: usize) {
    const FREED_A_STEP: usize = 8 * BATCH;
    // An object is freed two epochs after the one in which it was retired.
    const EPOCHS: usize = 3;
    if let Some(deferred) = cache::close() {
        pin().release_later(deferred);
    }
    for _ in 0..EPOCHS + retired / FREED_A_STEP {
        pin().advance();
        cache::free_all();
    }
}

/// Does the same as [`collect`]. Also takes the objects in other threads' open batches, and frees the batches returned
/// to other threads, because those threads may be idle.
pub(crate) fn flush(retired: usize) {
    let guard = pin();
    if let Some(deferred) = cache::flush_others(&guard) {
        guard.release_later(deferred);
    }
    drop(guard);
    collect(retired);
    cache::free_returned();
}
