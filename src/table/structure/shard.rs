//! A shard: an independent part of the table, with its own array, growth and counters.

use super::array::Array;
use super::counters::Counters;
use crate::memory::Guard;
use crate::memory::{Block, Kind};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, ordered, step};
use core::ptr::{self, NonNull};
use crossbeam_utils::CachePadded;

/// How retired arrays are freed.
static ARRAY: Kind = Kind { contents: None, take_apart };

/// A pointer to the current array, on a line that only growth writes, and counters on another.
pub(crate) struct Shard {
    current: CachePadded<AtomicPtr<Array>>,
    line: CachePadded<CounterLine>,
}

/// The counters that writers of the shard change, on one cache line.
struct CounterLine {
    /// Entries in the slots of all arrays. A moving entry counts once. An entry is counted before it is inserted, and
    /// until after it was removed.
    occupied: AtomicUsize,
    /// This shard's stripe of the table's population.
    sessions: AtomicUsize,
    counters: Counters,
}

impl Shard {
    pub(crate) fn new(array: Box<Array>) -> Self {
        Self {
            current: CachePadded::new(AtomicPtr::new(Box::into_raw(array))),
            line: CachePadded::new(CounterLine {
                occupied: AtomicUsize::new(0),
                sessions: AtomicUsize::new(0),
                counters: Counters::new(),
            }),
        }
    }

    /// The oldest array that may hold entries. Its predecessors have been migrated.
    #[inline]
    pub(crate) fn current<'g>(&'g self, guard: &'g Guard) -> &'g Array {
        // Acquire: the array's fields, and the last words of its predecessor's slots; pairs with T2.
        let current = self.current.load(ordered("T1", Ordering::Acquire));
        guard.assert_usable(current);
        // SAFETY: never null; retired only after it was replaced, and not freed while this thread is pinned.
        unsafe { &*current }
    }

    /// Replaces `array` by its next array and retires it, unless another thread has.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `array` is an array of this shard, that it has a next array, and that every slot of
    /// it has been seen migrated.
    pub(crate) unsafe fn promote(&self, array: &Array, guard: &Guard) {
        // Relaxed: not dereferenced. An array is freed by the pointer that came out of its box.
        let current = self.current.load(Ordering::Relaxed);
        step("still current");
        if !ptr::eq(current, array) {
            return;
        }
        // Release: a thread that loads `next` here sees its predecessor migrated; pairs with T1.
        // Relaxed on failure: another thread did it.
        let swap = self.current.compare_exchange(
            current,
            array.next_pointer(),
            ordered("T2", Ordering::Release),
            Ordering::Relaxed,
        );
        if swap.is_ok() {
            step("promoted");
            let retired = NonNull::new(current).expect("a shard has an array");
            // SAFETY: it came out of a box, a thread that pins itself from now on starts at `next`, and one exchange
            // wins.
            unsafe { guard.retire(retired.cast(), &ARRAY, array.bytes()) }
            step("array retired");
            self.counters().migrated();
        }
    }

    /// The current array of a shard that no other thread uses.
    pub(crate) fn current_mut(&mut self) -> &mut Array {
        let current = self.current.load(Ordering::Relaxed); // Relaxed: exclusive access.
        // SAFETY: never null, and borrowed exclusively with the shard.
        unsafe { &mut *current }
    }

    /// Counts an entry that is about to be inserted.
    pub(crate) fn count_in(&self) {
        self.line.occupied.fetch_add(1, Ordering::Relaxed); // Relaxed: published by the reservation that follows, A3.
    }

    /// Counts out an entry that was removed, or was not inserted after all.
    pub(crate) fn count_out(&self) {
        // Relaxed: a late decrement only makes the next array larger.
        self.line.occupied.fetch_sub(1, Ordering::Relaxed);
    }

    /// At least the number of entries in the slots. After a [seal](Array::seal), at least the number that can ever be
    /// in them.
    pub(crate) fn occupied(&self) -> usize {
        self.line.occupied.load(Ordering::Relaxed) // Relaxed: A4 has made the counts visible that must be seen.
    }

    /// This shard's stripe of the table's population.
    pub(crate) fn sessions(&self) -> &AtomicUsize {
        &self.line.sessions
    }

    /// Counts of what has happened in this shard.
    pub(crate) fn counters(&self) -> &Counters {
        &self.line.counters
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Relaxed); // Relaxed: exclusive access.
        // SAFETY: it came out of a box, and no other thread uses it.
        unsafe { free_array(current) }
    }
}

/// Frees an array, but not the entries in its slots, nor its successor.
///
/// # Safety
///
/// The caller must ensure that `array` came out of a box, that nothing else uses it, and that it is freed only once.
unsafe fn free_array(array: *mut Array) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(array) });
}

/// Frees a retired array and returns its size in bytes. Its memory is not reused.
///
/// # Safety
///
/// As for [`free_array`], where `array` is one.
unsafe fn take_apart(array: NonNull<()>) -> Result<Block, usize> {
    let array = array.cast::<Array>();
    // SAFETY: the caller's promise.
    let bytes = unsafe { array.as_ref() }.bytes();
    // SAFETY: the caller's promise.
    unsafe { free_array(array.as_ptr()) }
    Err(bytes)
}
