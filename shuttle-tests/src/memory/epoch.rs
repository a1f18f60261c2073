//! A stand-in for `epoch` and `retire`, in which nothing is freed before an execution ends and the rules are checked instead:
//! nothing is retired twice, and no thread that pinned itself after a retirement reaches what was retired. That is when
//! the real epochs may have freed it.

use crate::memory::{Kind, RetiredObject};
use core::ptr::NonNull;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

struct Retired {
    at: usize,
    free: Box<dyn FnOnce()>,
}

// All threads of an execution run on one thread of the system, in turn.
thread_local! {
    static TIME: Cell<usize> = const { Cell::new(1) };
    static RETIRED: RefCell<HashMap<usize, Retired>> = RefCell::default();
}

fn instant() -> usize {
    TIME.set(TIME.get() + 1);
    TIME.get()
}

/// When its thread was pinned.
pub(crate) struct Guard(usize);

/// Letting go of a guard is an act, as it is of the real one.
impl Drop for Guard {
    fn drop(&mut self) {}
}

pub(crate) fn prepare() {}

pub(crate) fn pin() -> Guard {
    Guard(instant())
}

pub(crate) fn collect(_retired: usize) {}

pub(crate) fn flush(_retired: usize) {}

impl Guard {
    pub(super) unsafe fn defer(&self, _f: impl FnOnce()) {
        unreachable!("nothing is retired into a cache")
    }

    pub(crate) unsafe fn retire(&self, object: NonNull<()>, kind: &'static Kind, _bytes: usize) {
        let free = move || {
            // SAFETY: called once, when the execution is over.
            drop(unsafe { RetiredObject::new(object, kind) });
        };
        retire(object.addr().get(), Box::new(free));
    }

    pub(crate) fn assert_usable<T>(&self, pointer: *const T) {
        let late = RETIRED.with_borrow(|all| all.get(&pointer.addr()).is_some_and(|retired| retired.at < self.0));
        assert!(!late, "reached by a thread that pinned itself after the retirement");
    }
}

fn retire(address: usize, free: Box<dyn FnOnce()>) {
    let retired = Retired { at: instant(), free };
    let before = RETIRED.with_borrow_mut(|all| all.insert(address, retired));
    assert!(before.is_none(), "retired twice");
}

/// Frees what was retired in an execution, at its end: the store must have been dropped. Says how much it was.
pub fn free_all() -> usize {
    let retired = RETIRED.with_borrow_mut(std::mem::take);
    let number = retired.len();
    retired.into_values().for_each(|retired| (retired.free)());
    number
}
