//! Epoch-based reclamation: the one module that knows `crossbeam_epoch`.
//!
//! A thread [`pin`]s itself before it loads a pointer that others may retire, and keeps the [`Guard`] for as long as it
//! uses what it loaded. What is [retired](Guard::retire) is freed once every thread that was pinned then has let its
//! guard go.
//!
//! The collector is this crate's own: no other crate's long-lived guard holds our garbage back, and none of its garbage
//! is freed on our time. It is made when the first table is ([`prepare`]), since making it may wait for another thread
//! that is doing so; pinning and retiring never wait. Known limit: one thread that stays pinned stops all reclamation
//! (not the operations themselves).
//!
//! What a thread has retired and not handed to the collector yet, and what it keeps to use again, is bounded by bytes
//! ([`crate::block`]), and a [flush] of any thread reaches it. The collector's own bag of the thread holds
//! nothing of ours between two operations, or a thread that then idles would hold it back for ever.

use crate::block::{self, Kind, Retired, Spare};
use core::ptr::NonNull;
#[cfg(not(loom))]
use crossbeam_epoch::{Collector, LocalHandle};
#[cfg(not(loom))]
use std::sync::OnceLock;

#[cfg(not(loom))]
static COLLECTOR: OnceLock<Collector> = OnceLock::new();

#[cfg(not(loom))]
std::thread_local! {
    static HANDLE: LocalHandle = collector().register();
}

#[cfg(not(loom))]
fn collector() -> &'static Collector {
    COLLECTOR.get_or_init(Collector::new)
}

/// Proof that the current thread is pinned: what it loads from a table now stays allocated until this is dropped.
pub(crate) struct Guard(crossbeam_epoch::Guard);

/// Makes the collector, so that no later call has to wait for another thread that is making it.
pub(crate) fn prepare() {
    #[cfg(not(loom))]
    collector();
}

/// Pins the current thread. Wait-free, but for a thread's first call, which allocates its place in the collector's
/// list.
#[inline]
pub(crate) fn pin() -> Guard {
    // A thread that is being torn down has no handle any more; it registers for this one guard.
    #[cfg(not(loom))]
    let guard = HANDLE.try_with(LocalHandle::pin).unwrap_or_else(|_| collector().register().pin());
    #[cfg(loom)]
    let guard = crossbeam_epoch::pin();
    Guard(guard)
}

impl Guard {
    /// Lets the models' stand-in for this module check that a pointer may be used under this guard.
    #[inline]
    pub(crate) fn assert_usable<T>(&self, _pointer: *const T) {}

    /// Retires an object of so many bytes: it is freed once no thread is pinned any more that is pinned now. Memory to
    /// which this thread has the first claim then, unless it is large.
    ///
    /// # Safety
    ///
    /// The caller must ensure:
    /// * the functions of `kind` are sound for `object` on any thread, at any later time, once no one else uses it;
    /// * no thread that pins itself from now on can reach `object`;
    /// * nothing else frees or retires it.
    // Out of line, so that what calls it has none of its registers to save.
    #[inline(never)]
    pub(crate) unsafe fn retire(&self, object: NonNull<()>, kind: &'static Kind, bytes: usize) {
        // SAFETY: the caller's promise; it is dropped or taken apart once every guard is gone that could see `object`.
        let spare = unsafe { Spare::new(object, kind) };
        if let Some(retired) = block::retire(spare, bytes) {
            self.defer(retired);
        }
    }

    /// Has what was retired released once no thread that is pinned now is pinned any more.
    #[cold]
    pub(crate) fn defer(&self, retired: Retired) {
        // SAFETY: what is retired may be released on any thread and at any time from then on.
        unsafe { self.0.defer_unchecked(move || retired.release()) }
        // A matter of time only, which the models need not explore.
        if !cfg!(loom) {
            self.0.flush();
        }
    }
}

/// How many retired objects a thread gathers at the most before it hands them to the collector.
pub(crate) const BAG: usize = 64;

/// Frees what can be freed by now of `retired` objects, most of them this thread's, and of what others have handed to
/// the collector.
///
/// Each step advances the epoch where no pinned thread prevents it and frees up to eight batches of 64. Lock-free; runs
/// destructors.
pub(crate) fn collect(retired: usize) {
    const FREED_A_STEP: usize = 8 * BAG;
    // An object is freed two epochs after the one in which it was retired.
    const EPOCHS: usize = 3;
    if let Some(retired) = block::close() {
        pin().defer(retired);
    }
    for _ in 0..EPOCHS + retired / FREED_A_STEP {
        pin().0.flush();
        block::free_all();
    }
}

/// The same; and reaches what other threads have retired and keep to themselves, and frees what has been returned to
/// them: they may be idle.
pub(crate) fn flush(retired: usize) {
    let guard = pin();
    if let Some(retired) = block::flush_others(&guard) {
        guard.defer(retired);
    }
    drop(guard);
    collect(retired);
    block::free_returned();
}
