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
use super::slot::Slot;
use crate::memory::Guard;
use crate::sync::{AtomicPtr, AtomicUsize, MODEL, Ordering, ordered};
use slots::Slots;

mod slots;

/// Slots in the smallest array. A line of them would do, and does where arrays are to be left all the time; but a small array is
/// used up by a few inserts, and leaving it then costs each of them more than the memory is worth.
pub(crate) const MIN_CAPACITY: usize = if MODEL || cfg!(any(test, fuzzing)) { LINE } else { 8 * LINE };

/// Slots that a thread moves at a time, as its share of a migration.
pub(crate) const CHUNK: usize = if MODEL { 2 } else { 16 };

const SEALED: usize = 1 << (usize::BITS - 1);

/// One generation of a shard's slots.
///
/// What every lookup reads lies a cache line away from what every insert writes. Kept apart by distance rather than by alignment: for that the
/// C library would take several times as long.
#[repr(C)]
pub(crate) struct Array {
    slots: Slots,
    next: AtomicPtr<Array>,
    /// How many slots were tried at the most to put an entry into this array.
    longest_probe: AtomicUsize,
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
            longest_probe: AtomicUsize::new(0),
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

    /// What the array takes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.capacity() * size_of::<Slot>()
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
        let limit = Self::limit(self.capacity());
        let one_more = |spoken_for: usize| (spoken_for < limit).then(|| spoken_for + 1);
        // Release: the inserter's count in `occupied` comes first for whoever seals after it; pairs with A4.
        // Relaxed loads: only the number matters here.
        self.admission.fetch_update(ordered("A3", Ordering::Release), Ordering::Relaxed, one_more).is_ok()
    }

    /// An entry has found its place in the slot of this number in its probing order.
    #[inline]
    pub(crate) fn probed(&self, number: usize) {
        if cfg!(loom) {
            return; // No matter of the protocols, so the models need not explore it.
        }
        // Relaxed: a mere number. Looked at first, for it hardly ever changes.
        if number >= self.longest_probe.load(Ordering::Relaxed) {
            self.longest_probe.fetch_max(number + 1, Ordering::Relaxed);
        }
    }

    /// How many slots were tried at the most to put an entry into this array.
    pub(crate) fn longest_probe(&self) -> usize {
        self.longest_probe.load(Ordering::Relaxed) // Relaxed: as above.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_array_admits_up_to_its_limit_and_nobody_once_it_is_sealed() {
        for (capacity, spoken_for) in [(8, 0), (64, 5), (1_024, 576)] {
            let array = Array::new(capacity, spoken_for);
            let admitted = (0..2 * capacity).filter(|_| array.admit()).count();
            assert_eq!(admitted, capacity * 3 / 4 - spoken_for);
            let sealed = Array::new(capacity, spoken_for);
            assert!(sealed.admit());
            sealed.seal();
            assert!(!sealed.admit());
        }
    }

    #[test]
    fn every_slot_is_in_one_chunk() {
        for capacity in [8, 16, 64, 4_096] {
            let array = Array::new(capacity, 0);
            let slots = (0..array.chunks()).flat_map(|chunk| array.chunk(chunk)).map(ptr_to);
            assert!(slots.eq((0..capacity).map(|index| ptr_to(array.slot(index)))), "{capacity} slots");
        }
        assert_eq!(Array::new(4_096, 0).chunks(), 4_096 / CHUNK);
    }

    fn ptr_to(slot: &Slot) -> *const Slot {
        slot
    }

    /// Arrays with less than one word of marks, with one, and with several.
    #[test]
    fn each_chunk_is_handed_out_once_and_then_again_until_it_is_marked() {
        for chunks in [1, 4, 64, 256] {
            let array = Array::new(chunks * CHUNK, 0);
            for chunk in 0..chunks {
                assert!(!array.all_claimed());
                assert_eq!(array.claim_chunk(), Some(chunk));
            }
            assert!(array.all_claimed());
            // From the last to the first, but for the first: that one is left over again and again.
            for chunk in (1..chunks).rev() {
                assert_eq!(array.unfinished_chunk(), Some(0));
                array.mark_left(chunk);
            }
            assert_eq!((array.claim_chunk(), array.claim_chunk()), (Some(0), Some(0)));
            array.mark_left(0);
            assert_eq!((array.claim_chunk(), array.unfinished_chunk()), (None, None));
        }
    }

    #[test]
    fn the_first_chunk_that_is_not_marked_is_unfinished() {
        let array = Array::new(256 * CHUNK, 0);
        for chunk in 0..256 {
            assert_eq!(array.unfinished_chunk(), Some(chunk));
            array.mark_left(chunk);
        }
        assert_eq!(array.unfinished_chunk(), None);
    }

    #[test]
    fn a_second_next_array_is_dropped() {
        let (array, guard) = (Array::new(8, 0), crate::memory::pin());
        assert!(array.next(&guard).is_none());
        let first = array.install_next(Box::new(Array::new(16, 0)), &guard);
        let again = array.install_next(Box::new(Array::new(32, 0)), &guard);
        assert!(core::ptr::eq(first, again) && first.capacity() == 16);
        // SAFETY: it came out of a box, and nobody uses it any more.
        drop(unsafe { Box::from_raw(array.next_pointer()) });
    }
}
