//! A stand-in for `memory` in the models. It frees nothing before an execution ends, and checks the rules instead: no
//! object is retired twice, and no thread that pinned itself after an object was retired reaches that object. The real
//! epochs might have freed it by then.
//!
//! It takes a fraction of the schedules that the real epochs take, so that loom can explore three threads.
//!
//! The two model checkers differ in one thing: since when a thread counts as pinned. See [`pin`].

#[path = "../../src/memory/block.rs"]
mod block;
#[path = "../../src/memory/no_heap.rs"]
mod heap;
#[path = "../../src/memory/object.rs"]
mod object;
#[path = "../../src/memory/prefetch.rs"]
mod prefetch;
#[path = "../../src/memory/text.rs"]
mod text;

pub(crate) use block::{Block, UPPER_BITS_FREE};
pub(crate) use object::{Contents, Kind, RetiredObject};
pub(crate) use prefetch::prefetch;
pub(crate) use text::Text;

use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

struct Retired {
    at: usize,
    /// Leaked if the execution panics: then nothing of it may be touched any more.
    object: ManuallyDrop<RetiredObject>,
}

// All threads of an execution run on one thread of the system, in turn.
std::thread_local! {
    /// The retired objects, by address.
    static RETIRED: RefCell<HashMap<usize, Retired>> = RefCell::default();
}

#[cfg(loom)]
loom::lazy_static! {
    static ref TIME: AtomicUsize = AtomicUsize::new(1);
}

#[cfg(loom)]
loom::thread_local! {
    /// This thread's last boundary.
    static BOUNDARY: Cell<usize> = Cell::new(0);
}

/// The next instant of this execution.
///
/// Under loom an atomic exchange, because a thread may read old values until it has synchronized with the thread that
/// wrote newer ones: what precedes an instant, in any thread, happens before all that follows a later one.
#[cfg(loom)]
fn instant() -> usize {
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

/// The boundary between two operations of this thread. What lies before it, in any thread, is ordered before what lies
/// after it, as two operations are if some thread can tell that one ended before the other began.
#[cfg(loom)]
pub(crate) fn boundary() -> usize {
    let now = instant();
    BOUNDARY.with(|boundary| boundary.set(now));
    now
}

/// Proof that the current thread is pinned, since this instant.
pub(crate) struct Guard(usize);

/// Dropping a guard has an effect, as it has with the real one.
impl Drop for Guard {
    fn drop(&mut self) {}
}

/// Pins the current thread. Under loom it counts as pinned since its last [`boundary`], even if it has unpinned itself
/// in between: an instant of its own would order the accesses of its operation, and hide an ordering of the sources
/// that is too weak. (Loom would miss C1 and C2 of `docs/orderings.md`.)
#[cfg(loom)]
pub(crate) fn pin() -> Guard {
    Guard(BOUNDARY.with(Cell::get))
}

/// Pins the current thread. Under shuttle it counts as pinned anew, so that a use across two pins is noticed.
#[cfg(shuttle)]
pub(crate) fn pin() -> Guard {
    Guard(instant())
}

impl Guard {
    /// Checks that a thread with this guard may use what `pointer` leads to.
    pub(crate) fn assert_usable<T>(&self, pointer: *const T) {
        let late = RETIRED.with_borrow(|all| all.get(&pointer.addr()).is_some_and(|retired| retired.at < self.0));
        assert!(!late, "reached by a thread that pinned itself after the retirement");
    }

    /// Notes that an object is retired.
    ///
    /// # Safety
    ///
    /// The caller must ensure what `retire` of the real guard requires; the rules above are checked.
    pub(crate) unsafe fn retire(&self, object: NonNull<()>, kind: &'static Kind, _bytes: usize) {
        // SAFETY: the caller's promise; it is dropped when the execution is over.
        let retired = unsafe { RetiredObject::new(object, kind) };
        let retired = Retired { at: instant(), object: ManuallyDrop::new(retired) };
        let before = RETIRED.with_borrow_mut(|all| all.insert(object.addr().get(), retired));
        assert!(before.is_none(), "retired twice");
    }
}

/// Frees the objects that were retired in an execution, and returns their number. To be called when the execution has
/// dropped its tables.
pub fn free_all() -> usize {
    let all = RETIRED.with_borrow_mut(std::mem::take);
    let number = all.len();
    all.into_values().for_each(|retired| drop(ManuallyDrop::into_inner(retired.object)));
    number
}

// The rest of `memory`: nothing is cached, collected or counted.

pub(crate) const BATCH: usize = 64;

pub(crate) fn prepare() {
    // Here, so that no thread of the model is the one that creates it.
    #[cfg(loom)]
    TIME.load(Ordering::Relaxed);
}

pub(crate) fn collect(_retired: usize) {}

pub(crate) fn flush(_retired: usize) {}

pub(crate) fn allocate(layout: Layout) -> Block {
    Block::new(layout)
}

pub(crate) fn footprint(layout: Layout) -> usize {
    layout.size()
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
