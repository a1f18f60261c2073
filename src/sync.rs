//! The atomics of this crate: those of `core`; loom's under `--cfg loom` and shuttle's under `--cfg shuttle`, for the
//! models in `loom-tests/` and `verify/shuttle/`, which explore the same sources. Under `--cfg cloakroom_count_writes`
//! the atomics count their writes.

#[cfg(cloakroom_count_writes)]
pub(crate) use crate::shared_writes::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(not(any(loom, shuttle, cloakroom_count_writes)))]
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
#[cfg(loom)]
#[allow(unused_imports, reason = "not every model uses them all")]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// A number that one thread writes and others seldom read. Not counted among the writes to shared memory.
#[cfg(not(any(loom, shuttle)))]
pub(crate) type OwnUsize = core::sync::atomic::AtomicUsize;
#[cfg(any(loom, shuttle))]
pub(crate) type OwnUsize = AtomicUsize;

/// Whether a model checker runs this. Arrays are small then, so that the models migrate often.
pub(crate) const MODEL: bool = cfg!(any(loom, shuttle));

/// Marks a point between two atomic steps of an operation. In the crate's own tests it calls the thread's hook, which
/// can suspend the thread there (`src/table/tests/suspended.rs`). Elsewhere it does nothing.
#[cfg(any(loom, not(test)))]
#[inline(always)]
pub(crate) const fn step(_name: &'static str) {}

#[cfg(all(test, not(loom)))]
pub(crate) use hooked::{on_step, step};

/// Runs code of the application and catches a panic, which the panic hook has reported. (In the models a panic is a
/// failure, and is not caught.)
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn contain(f: impl FnOnce()) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        // The payload of the panic may panic when it is dropped. The payload of that panic is leaked.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(panic)));
        dropped.unwrap_or_else(core::mem::forget);
    }
}

#[cfg(any(loom, shuttle))]
pub(crate) fn contain(f: impl FnOnce()) {
    f();
}

/// The ordering of the atomic access with this tag, which `docs/orderings.md` explains. Under loom the environment
/// variable `CLOAKROOM_WEAKEN` can name one tag to relax: `ci/orderings.sh` requires that a model fails then.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn ordered(_tag: &str, ordering: Ordering) -> Ordering {
    ordering
}

#[cfg(loom)]
pub(crate) fn ordered(tag: &str, ordering: Ordering) -> Ordering {
    static WEAKENED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let weakened = WEAKENED.get_or_init(|| std::env::var("CLOAKROOM_WEAKEN").ok()).as_deref() == Some(tag);
    if weakened { Ordering::Relaxed } else { ordering }
}

#[cfg(all(test, not(loom)))]
mod hooked {
    use std::cell::RefCell;

    /// Called at each step of a thread.
    type Hook = Box<dyn Fn(&'static str)>;

    std::thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Installs the hook of this thread.
    pub(crate) fn on_step(hook: impl Fn(&'static str) + 'static) {
        HOOK.set(Some(Box::new(hook)));
    }

    pub(crate) fn step(name: &'static str) {
        // A thread that is exiting has no hook.
        let _ = HOOK.try_with(|hook| {
            if let Some(hook) = &*hook.borrow() {
                hook(name);
            }
        });
    }
}
