//! A stand-in for `epoch` and `retire`, in which nothing is freed before the end of an execution and every rule is checked
//! instead: nothing is retired twice, and no thread that pinned itself after a retirement ever reaches what was
//! retired. It has the same shape and takes a fraction of the schedules of the real epochs, so that three threads can
//! be explored.

use crate::memory::{Kind, RetiredObject};
use core::ptr::NonNull;
use loom::sync::atomic::{AtomicUsize, Ordering};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

loom::lazy_static! {
    static ref TIME: AtomicUsize = AtomicUsize::new(1);
}

struct Retired {
    at: usize,
    free: Box<dyn FnOnce()>,
}

// All threads of an execution run on one thread of the system, in turn.
thread_local! {
    static RETIRED: RefCell<HashMap<usize, Retired>> = RefCell::default();
}

loom::thread_local! {
    static BOUNDARY: Cell<usize> = Cell::new(0);
}

fn instant() -> usize {
    TIME.fetch_add(1, Ordering::AcqRel)
}

/// The boundary between two operations of this thread, at which it counts as pinned anew. Also orders what lies before
/// it, in any thread, before what lies after it, as the end of one operation and the start of another are ordered by
/// whoever can tell that one came first.
pub(crate) fn boundary() -> usize {
    let now = instant();
    BOUNDARY.with(|boundary| boundary.set(now));
    now
}

pub(crate) struct Guard(usize);

/// Letting go of a guard is an act, as it is of the real one.
impl Drop for Guard {
    fn drop(&mut self) {}
}

pub(crate) fn prepare() {
    TIME.load(Ordering::Relaxed);
}

pub(crate) fn pin() -> Guard {
    Guard(BOUNDARY.with(Cell::get))
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

/// Frees what was retired in an execution, at its end: the table must have been dropped.
pub(crate) fn free_all() {
    for (_, retired) in RETIRED.with_borrow_mut(std::mem::take) {
        (retired.free)();
    }
}
