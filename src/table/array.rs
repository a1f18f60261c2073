//! An array of slots: one generation of a shard.
//!
//! Besides its slots it has the pointer to the array that takes over from it, the count of slots spoken for, and the marks of which
//! chunks have been left for the next array.
//!
//! # Admission
//!
//! Every entry that is put into an array has a slot spoken for first: an insert by [`admit`](Array::admit), copies from the previous
//! array by the number that this array was made with. Slots never become empty again, so no more are ever filled than were spoken
//! for, and copies always find room. Admission ends for good when the array is [sealed](Array::seal), before its successor is sized.

use super::probe::{Hash, LINE};
use super::word::Slot;
use crate::reclaim::Guard;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, ordered, planted};
use slots::Slots;

mod slots;

/// Slots in the smallest array. A line of them would do, and does where arrays are to be left all the time; but a small array is
/// used up by a few inserts, and leaving it then costs each of them more than the memory is worth.
pub(crate) const MIN_CAPACITY: usize = if cfg!(any(loom, test, fuzzing)) { LINE } else { 8 * LINE };

/// Slots that a thread moves at a time, as its share of a migration.
pub(crate) const CHUNK: usize = if cfg!(loom) { 2 } else { 16 };

const SEALED: usize = 1 << (usize::BITS - 1);

/// One generation of a shard's slots.
///
/// What every lookup reads lies a cache line away from what every insert writes. Kept apart by distance rather than by alignment: for that the
/// C library would take several times as long.
#[repr(C)]
pub(crate) struct Array {
    slots: Slots,
    next: AtomicPtr<Array>,
    /// A bit for each chunk whose slots have all been left.
    left: Box<[AtomicUsize]>,
    _before: LineApart,
    /// How many slots are spoken for, and whether the array is sealed.
    admission: AtomicUsize,
    /// The next chunk that nobody has started on. Only spreads the work: completion is told by the marks.
    cursor: AtomicUsize,
    _behind: LineApart,
}

/// As long as a cache line.
type LineApart = [u64; 8];

impl Array {
    /// An empty array with `spoken_for` of its slots kept for copies.
    pub(crate) fn new(capacity: usize, spoken_for: usize) -> Self {
        debug_assert!(capacity.is_power_of_two() && capacity >= MIN_CAPACITY && spoken_for <= capacity);
        let words = capacity.div_ceil(CHUNK).div_ceil(usize::BITS as usize);
        Self {
            slots: Slots::new(capacity),
            next: AtomicPtr::new(core::ptr::null_mut()),
            left: (0..words).map(|_| AtomicUsize::new(0)).collect(),
            _before: [0; 8],
            admission: AtomicUsize::new(spoken_for),
            cursor: AtomicUsize::new(0),
            _behind: [0; 8],
        }
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many slots may be spoken for: three quarters, so that probes stay short.
    pub(crate) fn limit(capacity: usize) -> usize {
        capacity - capacity / 4
    }

    #[inline]
    pub(crate) fn slot(&self, index: usize) -> &Slot {
        self.slots.get(index)
    }

    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }

    /// The slots that a key of this hash may be in, in probing order.
    #[inline]
    pub(crate) fn probe(&self, hash: Hash) -> impl Iterator<Item = &Slot> {
        let slots = self.slots.as_slice();
        hash.probe(slots.len()).map(move |index| &slots[index])
    }

    /// The array that takes over from this one, once there is one.
    #[inline]
    pub(crate) fn next<'g>(&'g self, guard: &'g Guard) -> Option<&'g Array> {
        let next = self.next_pointer();
        guard.assert_usable(next);
        // SAFETY: an array is freed no earlier than it is unreachable for every thread pinned before.
        unsafe { next.as_ref() }
    }

    /// The address of the next array, or null.
    #[inline]
    pub(crate) fn next_pointer(&self) -> *mut Array {
        // Acquire: the next array's fields; pairs with A2.
        self.next.load(ordered("A1", Ordering::Acquire))
    }

    /// Installs `next` unless there is one already, and says which there is.
    pub(crate) fn install_next<'g>(&'g self, next: Box<Array>, guard: &'g Guard) -> &'g Array {
        let next = Box::into_raw(next);
        // Release: publishes the array's fields; pairs with A1.
        // Relaxed on failure: the one that was first is loaded by A1 below.
        let null = core::ptr::null_mut();
        if self.next.compare_exchange(null, next, ordered("A2", Ordering::Release), Ordering::Relaxed).is_err() {
            // SAFETY: it came out of a box just now and was not published.
            drop(unsafe { Box::from_raw(next) });
        }
        self.next(guard).expect("next is never taken back")
    }

    /// Speaks for one slot. False if all are spoken for or the array is sealed.
    pub(crate) fn admit(&self) -> bool {
        let limit = if planted("next-without-reservations") { usize::MAX / 4 } else { Self::limit(self.capacity()) };
        let one_more = |spoken_for: usize| (spoken_for < limit).then(|| spoken_for + 1);
        // Release: the inserter's count in `occupied` comes first for whoever seals after it; pairs with A4.
        // Relaxed loads: only the number matters here.
        self.admission.fetch_update(ordered("A3", Ordering::Release), Ordering::Relaxed, one_more).is_ok()
    }

    /// How many slots are spoken for.
    #[cfg(loom)]
    pub(crate) fn spoken_for(&self) -> usize {
        self.admission.load(Ordering::Relaxed) & !SEALED
    }

    /// Ends admission.
    pub(crate) fn seal(&self) {
        // Acquire: who was admitted before has been counted in `occupied`; pairs with A3.
        self.admission.fetch_or(SEALED, ordered("A4", Ordering::Acquire));
    }

    /// How many chunks the slots make.
    pub(crate) fn chunks(&self) -> usize {
        self.capacity().div_ceil(CHUNK)
    }

    /// The slots of a chunk.
    pub(crate) fn chunk(&self, chunk: usize) -> impl Iterator<Item = &Slot> {
        let first = chunk * CHUNK;
        (first..(first + CHUNK).min(self.capacity())).map(|index| self.slot(index))
    }

    /// A chunk to work on: one that nobody has started, or else one that nobody has finished.
    pub(crate) fn claim_chunk(&self) -> Option<usize> {
        let chunk = self.cursor.fetch_add(1, Ordering::Relaxed); // Relaxed: only spreads the work.
        if chunk < self.chunks() { Some(chunk) } else { self.unfinished_chunk() }
    }

    /// Whether somebody has started on every chunk.
    pub(crate) fn all_claimed(&self) -> bool {
        self.cursor.load(Ordering::Relaxed) >= self.chunks() // Relaxed: a late look costs a look.
    }

    /// Marks a chunk as left. Every slot of it must have been seen left.
    pub(crate) fn mark_left(&self, chunk: usize) {
        let (word, bit) = (chunk / usize::BITS as usize, chunk % usize::BITS as usize);
        // Release: the slots' last words come with the mark; pairs with A6.
        self.left[word].fetch_or(1 << bit, ordered("A5", Ordering::Release));
    }

    /// The first chunk that is not marked as left.
    pub(crate) fn unfinished_chunk(&self) -> Option<usize> {
        for (index, word) in self.left.iter().enumerate() {
            // Acquire: who sees all marks sees all slots left; pairs with A5.
            let unmarked = (!word.load(ordered("A6", Ordering::Acquire))).trailing_zeros() as usize;
            let chunk = index * usize::BITS as usize + unmarked;
            if unmarked < usize::BITS as usize && chunk < self.chunks() {
                return Some(chunk);
            }
        }
        None
    }
}
