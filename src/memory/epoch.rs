//! Epoch-based reclamation: the only module that knows `crossbeam_epoch`.
//!
//! The collector is this crate's own, so that a long-lived guard of another crate does not hold back this crate's
//! garbage. The first table creates it ([`prepare`]), because creating it may wait for another thread that is doing so.
//! Pinning and deferring never wait. Known limit: one thread that stays pinned stops all reclamation, but no operation.

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

/// Proof that the current thread is pinned: what it loads from a table stays allocated until this is dropped.
pub(crate) struct Guard(crossbeam_epoch::Guard);

/// Creates the collector, so that no later call waits for another thread that is creating it.
pub(crate) fn prepare() {
    #[cfg(not(loom))]
    collector();
}

/// Pins the current thread.
///
/// Wait-free, except for a thread's first call, which allocates its place in the collector's list.
#[inline]
pub(crate) fn pin() -> Guard {
    // A thread that is being torn down has no handle any more. It registers for this one guard.
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

    /// Calls `f` once all threads that are pinned now have unpinned.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `f` may be called on any thread at any later time.
    #[cold]
    pub(super) unsafe fn defer(&self, f: impl FnOnce()) {
        // SAFETY: the caller's promise.
        unsafe { self.0.defer_unchecked(f) }
        // The collector's own bag of this thread must not keep the call, because an idle thread would hold it back for
        // ever. The models need not explore this.
        if !cfg!(loom) {
            self.advance();
        }
    }

    /// Advances the epoch if no pinned thread prevents it, and makes up to eight deferred calls that are due.
    pub(super) fn advance(&self) {
        self.0.flush();
    }
}
