//! A stand-in for `memory` in the models. It frees nothing before an execution ends, and checks the rules instead: no
//! object is retired twice, and no thread that pinned itself after an object was retired reaches that object. The real
//! epochs might have freed it by then.
//!
//! It takes a fraction of the schedules that the real epochs take, so that loom can explore three threads.
//!
//! The two model checkers differ in one thing: what orders a retirement before a later [`pin`]. See [`instant`].

#[path = "../../src/memory/block.rs"]
mod block;
#[path = "../../src/memory/object.rs"]
mod object;

pub(crate) use block::{Block, UPPER_BITS_FREE, prefetch};
pub(crate) use object::{Contents, Kind, RetiredObject};

use core::alloc::Layout;
use core::ptr::NonNull;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

struct Retired {
    at: usize,
    object: RetiredObject,
}

/// Whether this thread is pinned, and since when.
#[derive(Clone, Copy)]
struct Pinned {
    guards: usize,
    since: usize,
    /// Whether the thread has come to a [`boundary`] since its last guard was dropped.
    anew: bool,
}

impl Pinned {
    const NEVER: Self = Self { guards: 0, since: 0, anew: false };
}

// All threads of an execution run on one thread of the system, in turn.
std::thread_local! {
    /// What has been retired, by address.
    static RETIRED: RefCell<HashMap<usize, Retired>> = RefCell::default();
}

#[cfg(loom)]
loom::thread_local! {
    static PINNED: Cell<Pinned> = Cell::new(Pinned::NEVER);
}

#[cfg(shuttle)]
shuttle::thread_local! {
    static PINNED: Cell<Pinned> = Cell::new(Pinned::NEVER);
}

/// The next instant of this execution.
///
/// Under loom an atomic exchange, because a thread may read old values until it has synchronized with the thread that
/// wrote newer ones: what precedes an instant, in any thread, happens before all that follows a later one.
#[cfg(loom)]
fn instant() -> usize {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    loom::lazy_static! {
        static ref TIME: AtomicUsize = AtomicUsize::new(1);
    }
    TIME.fetch_add(1, Ordering::AcqRel)
}

/// The next instant. Under shuttle a mere number, because there each thread reads the newest value.
#[cfg(shuttle)]
fn instant() -> usize {
    std::thread_local! {
        static TIME: Cell<usize> = const { Cell::new(1) };
    }
    TIME.set(TIME.get() + 1);
    TIME.get()
}

/// The boundary between two operations of this thread, which must not be pinned. What lies before it, in any thread, is
/// ordered before what lies after it, as two operations are if some thread can tell that one ended before the other
/// began.
///
/// The next [`pin`] counts from here. That saves an instant, and so schedules.
pub(crate) fn boundary() -> usize {
    let now = instant();
    PINNED.with(|pinned| {
        assert_eq!(pinned.get().guards, 0, "a boundary within an operation");
        pinned.set(Pinned { guards: 0, since: now, anew: true });
    });
    now
}

/// Proof that the current thread is pinned.
pub(crate) struct Guard {
    since: usize,
}

/// Pins the current thread. A thread that is pinned already stays pinned since its first guard, as under the real
/// epochs.
pub(crate) fn pin() -> Guard {
    let Pinned { guards, since, anew } = PINNED.with(Cell::get);
    let since = if guards > 0 || anew { since } else { instant() };
    PINNED.with(|pinned| pinned.set(Pinned { guards: guards + 1, since, anew: false }));
    Guard { since }
}

impl Drop for Guard {
    fn drop(&mut self) {
        PINNED.with(|pinned| pinned.set(Pinned { guards: pinned.get().guards - 1, ..pinned.get() }));
    }
}

impl Guard {
    /// Checks that a thread with this guard may use what `pointer` leads to.
    pub(crate) fn assert_usable<T>(&self, pointer: *const T) {
        let late = RETIRED.with_borrow(|all| all.get(&pointer.addr()).is_some_and(|retired| retired.at < self.since));
        assert!(!late, "reached by a thread that pinned itself after the retirement");
    }

    /// Notes that an object is retired.
    ///
    /// # Safety
    ///
    /// The caller must ensure what `retire` of the real guard requires; the rules above are checked.
    pub(crate) unsafe fn retire(&self, object: NonNull<()>, kind: &'static Kind, _bytes: usize) {
        // SAFETY: the caller's promise; it is dropped when the execution is over.
        let retired = Retired { at: instant(), object: unsafe { RetiredObject::new(object, kind) } };
        let before = RETIRED.with_borrow_mut(|all| all.insert(object.addr().get(), retired));
        assert!(before.is_none(), "retired twice");
    }
}

/// Frees the objects that were retired in an execution, and returns their number. To be called when the execution has
/// dropped its tables.
pub fn free_all() -> usize {
    let all = RETIRED.with_borrow_mut(std::mem::take);
    let number = all.len();
    all.into_values().for_each(|retired| drop(retired.object));
    number
}

// The rest of `memory`: nothing is cached, collected or counted.

pub(crate) const BATCH: usize = 64;

pub(crate) fn prepare() {}

pub(crate) fn collect(_retired: usize) {}

pub(crate) fn flush(_retired: usize) {}

pub(crate) fn allocate(layout: Layout) -> Block {
    Block::new(layout)
}

pub(crate) fn free_owned(object: RetiredObject) {
    drop(object);
}

pub(crate) fn retired_bytes() -> usize {
    0
}

pub(crate) struct FreesMany;

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self
    }
}
