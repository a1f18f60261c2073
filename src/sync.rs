//! The atomics of this crate: `core`'s, or loom's under `--cfg loom`, where the models in `loom-tests/` explore the same sources.
//! Under `--cfg cloakroom_count_writes` they count what they write.

#[cfg(cloakroom_count_writes)]
pub(crate) use crate::shared_writes::{AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(not(any(loom, cloakroom_count_writes)))]
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Whether the protocol rule of this name is broken on purpose. The models are tested by requiring that they fail then
/// (`ci/planted-bugs.sh`): under loom the environment variable `CLOAKROOM_PLANT` names the rule. Elsewhere none is, and nothing remains of it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn planted(_rule: &str) -> bool {
    false
}

/// A point between two atomic steps of an operation. In the crate's own tests it calls the thread's hook, by which a thread is stopped
/// there (`src/table/tests/suspended.rs`). Elsewhere nothing remains of it.
#[cfg(any(loom, not(test)))]
#[inline(always)]
pub(crate) const fn step(_name: &'static str) {}

#[cfg(all(test, not(loom)))]
pub(crate) use hooked::{on_step, step};

/// The ordering of the atomic access of this tag, which `docs/orderings.md` explains. Under loom the environment variable
/// `CLOAKROOM_WEAKEN` names one to be relaxed, by which `ci/orderings.sh` finds out whether a model misses it.
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

#[cfg(loom)]
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
