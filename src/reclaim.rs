//! Epoch-based reclamation: the one module that knows `crossbeam_epoch`.
//!
//! A thread [`pin`]s itself before it loads a pointer that others may retire, and keeps the [`Guard`] for as long as it uses what it
//! loaded. What is [retired](Guard::retire) is freed once every thread that was pinned then has let its guard go.
//!
//! The collector is this crate's own: no other crate's long-lived guard holds our garbage back, and none of its garbage is freed on
//! our time. It is made when the first table is ([`prepare`]), since making it may wait for another thread that is doing so; pinning
//! and retiring never wait. Known limits: one thread that stays pinned stops all reclamation (not the operations themselves); what
//! a thread has retired last stays in its own bag of up to 64 until it retires more, exits or [collects](collect), and so do up to 512
//! entries that it has found unused.

use crate::block::{self, Retired, Spare, TakeApart};
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

/// Pins the current thread. Wait-free, but for a thread's first call, which allocates its place in the collector's list.
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

    /// Hands in what this thread has retired, rather than when its bag is full. For what is large: a bag is freed in one go.
    pub(crate) fn hand_in(&self) {
        // A matter of time only, which the models need not explore.
        if !cfg!(loom) {
            self.0.flush();
        }
    }

    /// Hands `pointer` over to be freed by `free` once no thread that is pinned now is pinned any more.
    ///
    /// # Safety
    ///
    /// The caller must ensure:
    /// * `free(pointer)` is sound on any thread, at any later time, once no one else uses `pointer`;
    /// * no thread that pins itself from now on can reach `pointer`;
    /// * nothing else frees or retires it.
    #[inline]
    pub(crate) unsafe fn retire<T>(&self, pointer: *mut T, free: unsafe fn(*mut T)) {
        let destroy = move || {
            // SAFETY: every guard that could see `pointer` is gone, so this thread is its only user; the rest is the caller's promise.
            unsafe { free(pointer) }
        };
        // SAFETY: the caller promises that the call may be made on any thread and at any time.
        unsafe { self.0.defer_unchecked(destroy) }
    }

    /// The same for what lies in a [block], to which this thread has the first claim when it is free.
    ///
    /// # Safety
    ///
    /// As for [`retire`](Self::retire), where to free an object is to take it apart.
    #[inline]
    pub(crate) unsafe fn retire_block(&self, object: NonNull<()>, take_apart: TakeApart) {
        // SAFETY: the caller's promise; it is dropped or taken apart once every guard is gone that could see `object`.
        let spare = unsafe { Spare::new(object, take_apart) };
        if let Some(retired) = block::gather(spare) {
            self.hand_over(retired);
        }
        block::free_surplus();
    }

    /// Has what was retired released once no thread that is pinned now is pinned any more.
    pub(crate) fn hand_over(&self, retired: Retired) {
        // SAFETY: what is retired may be released on any thread and at any time from then on.
        unsafe { self.0.defer_unchecked(move || retired.release()) }
        self.hand_in();
    }
}

/// How many retired objects a thread gathers before it hands them in.
pub(crate) const BAG: usize = 64;

/// Frees what can be freed by now of `retired` objects, most of them this thread's, and of what others have handed in.
///
/// Each step advances the epoch where no pinned thread prevents it and frees up to eight bags of 64. Lock-free; runs destructors.
pub(crate) fn collect(retired: usize) {
    const FREED_A_STEP: usize = 8 * BAG;
    // An object is freed two epochs after the one in which it was retired.
    const EPOCHS: usize = 3;
    if let Some(retired) = block::hand_in() {
        pin().hand_over(retired);
    }
    for _ in 0..EPOCHS + retired / FREED_A_STEP {
        pin().0.flush();
        block::free_all();
    }
}

/// Leaves what this thread has retired, and what cannot be freed yet, to whichever thread finds that it can.
pub(crate) fn give_up() {
    block::give_up();
}
