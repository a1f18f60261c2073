//! The atomics of this crate: `core`'s; or loom's under `--cfg loom`, shuttle's under `--cfg shuttle`, where the models
//! in `loom-tests/` and `shuttle-tests/` explore the same sources. Under `--cfg cloakroom_count_writes` they count what
//! they write.

#[cfg(cloakroom_count_writes)]
pub(crate) use crate::shared_writes::{AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(not(any(loom, shuttle, cloakroom_count_writes)))]
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(loom)]
#[allow(unused_imports, reason = "not every model uses them all")]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// What one thread writes, and others read now and then. Not counted among the writes to shared memory.
#[cfg(not(any(loom, shuttle)))]
pub(crate) type OwnUsize = core::sync::atomic::AtomicUsize;
#[cfg(any(loom, shuttle))]
pub(crate) type OwnUsize = AtomicUsize;

/// Whether a model checker runs this. Then arrays are small, so that they are left all the time.
pub(crate) const MODEL: bool = cfg!(any(loom, shuttle));

/// Whether the protocol rule of this name is broken on purpose. The models are tested by requiring that they fail then
/// (`ci/planted-bugs.sh`): there the environment variable `CLOAKROOM_PLANT` names the rule. Elsewhere none is, and
/// nothing remains of it.
#[cfg(not(any(loom, shuttle)))]
#[inline(always)]
pub(crate) const fn planted(_rule: &str) -> bool {
    false
}

/// A point between two atomic steps of an operation. In the crate's own tests it calls the thread's hook, by which a
/// thread is stopped there (`src/table/tests/suspended.rs`). Elsewhere nothing remains of it.
#[cfg(any(loom, not(test)))]
#[inline(always)]
pub(crate) const fn step(_name: &'static str) {}

#[cfg(all(test, not(loom)))]
pub(crate) use hooked::{on_step, step};

/// Runs foreign code that may panic, and lets no panic out: the panic hook has told of it. (In the models a panic is a
/// finding.)
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn contain(f: impl FnOnce()) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        // What was panicked with may panic when it is dropped; with what comes of that there is nothing to do but to
        // leave it.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(panic)));
        dropped.unwrap_or_else(core::mem::forget);
    }
}

#[cfg(any(loom, shuttle))]
pub(crate) fn contain(f: impl FnOnce()) {
    f();
}

/// The ordering of the atomic access of this tag, which `docs/orderings.md` explains. Under loom the environment
/// variable `CLOAKROOM_WEAKEN` names one to be relaxed, by which `ci/orderings.sh` finds out whether a model misses it.
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

#[cfg(any(loom, shuttle))]
pub(crate) fn planted(rule: &str) -> bool {
    static BROKEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    BROKEN.get_or_init(|| std::env::var("CLOAKROOM_PLANT").ok()).as_deref() == Some(rule)
}

#[cfg(all(test, not(loom)))]
mod hooked {
    use std::cell::RefCell;

    /// What a thread does at each step.
    type Hook = Box<dyn Fn(&'static str)>;

    std::thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Installs what this thread does at each step from now on.
    pub(crate) fn on_step(hook: impl Fn(&'static str) + 'static) {
        HOOK.set(Some(Box::new(hook)));
    }

    pub(crate) fn step(name: &'static str) {
        // A thread that is being torn down has no hook any more.
        let _ = HOOK.try_with(|hook| {
            if let Some(hook) = &*hook.borrow() {
                hook(name);
            }
        });
    }
}
