//! An array of slots: one generation of a shard.
//!
//! It has the slots and their tags, the pointer to the next array, the number of reserved slots, and a mark for each
//! migrated chunk.
//!
//! # Reservations
//!
//! Every entry has a slot reserved before it is put into an array: an insert by [`reserve_slot`](Array::reserve_slot),
//! copies from the previous array by the number with which this array was made. A slot never becomes empty again, so
//! the filled slots never outnumber the reservations, and copies always find room. [Sealing](Array::seal) the array
//! ends reservations for good, before its successor is sized.

use super::probe::{Hash, LINE};
use super::slot::Slot;
use super::tags::{Announced, Tag, TagByte};
use super::zeroed::Zeroed;
use crate::memory::Guard;
use crate::sync::{AtomicPtr, AtomicUsize, MODEL, Ordering, ordered};

/// Slots in the smallest array. One line would do, and is used in tests, where migrations are wanted. But a few inserts
/// fill so small an array, and then each of them pays more for migrating than the memory is worth.
pub(crate) const MIN_CAPACITY: usize = if MODEL || cfg!(any(test, fuzzing)) { LINE } else { 8 * LINE };

/// Slots that a thread moves at a time, as its share of a migration.
pub(crate) const CHUNK: usize = if MODEL { 2 } else { 16 };

const SEALED: usize = 1 << (usize::BITS - 1);

/// One generation of a shard's slots.
///
/// The fields that every look-up reads are a cache line away from the fields that every insert writes. Distance keeps
/// them apart rather than alignment, because an aligned allocation takes the C library several times as long.
#[repr(C)]
pub(crate) struct Array {
    slots: Zeroed<Slot>,
    /// A byte for each slot.
    tags: Zeroed<TagByte>,
    next: AtomicPtr<Array>,
    /// The length of the longest probe that has put an entry into this array.
    longest_probe: AtomicUsize,
    /// A bit for each chunk whose slots have all been migrated.
    migrated: Box<[AtomicUsize]>,
    _before: LineApart,
    /// The number of reserved slots, and whether the array is sealed.
    reservations: AtomicUsize,
    /// The next chunk that no thread has claimed. Only spreads the work; the marks tell when it is complete.
    cursor: AtomicUsize,
    _behind: LineApart,
}

/// A slot in the probe sequence of a key, as a place for the key's entry.
pub(crate) struct Place<'a> {
    array: &'a Array,
    index: usize,
    pub(crate) slot: &'a Slot,
    hash: Hash,
}

impl Place<'_> {
    /// Announces the key's tag. To be called before its entry is put into the slot, because a look-up asks the tags.
    pub(crate) fn announce(&self) {
        self.array.tags.as_slice()[self.index].announce(Tag::of(self.hash));
    }
}

/// Padding of one cache line.
type LineApart = [u64; 8];

impl Array {
    /// An empty array with `reserved` slots reserved for copies.
    pub(crate) fn new(capacity: usize, reserved: usize) -> Self {
        debug_assert!(capacity.is_power_of_two() && capacity >= MIN_CAPACITY && reserved <= capacity);
        let words = capacity.div_ceil(CHUNK).div_ceil(usize::BITS as usize);
        Self {
            slots: Zeroed::new(capacity),
            tags: Zeroed::new(capacity),
            next: AtomicPtr::new(core::ptr::null_mut()),
            longest_probe: AtomicUsize::new(0),
            migrated: (0..words).map(|_| AtomicUsize::new(0)).collect(),
            _before: [0; 8],
            reservations: AtomicUsize::new(reserved),
            cursor: AtomicUsize::new(0),
            _behind: [0; 8],
        }
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The size of the array in bytes, approximately.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.capacity() * (size_of::<Slot>() + size_of::<TagByte>())
    }

    /// The most slots that may be reserved: three quarters, so that probes stay short.
    pub(crate) fn limit(capacity: usize) -> usize {
        capacity - capacity / 4
    }

    #[inline]
    pub(crate) fn slot(&self, index: usize) -> &Slot {
        &self.slots.as_slice()[index]
    }

    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }

    /// The probe sequence of a key of this hash.
    #[inline]
    pub(crate) fn probe(&self, hash: Hash) -> impl Iterator<Item = &Slot> {
        self.places(hash).map(|place| place.slot)
    }

    /// The same slots, as places to put a key of this hash.
    pub(crate) fn places(&self, hash: Hash) -> impl Iterator<Item = Place<'_>> {
        let slots = self.slots.as_slice();
        hash.probe(slots.len()).map(move |index| Place { array: self, index, slot: &slots[index], hash })
    }

    /// The same slots, with what was announced for them.
    #[inline]
    pub(crate) fn announced(&self, hash: Hash) -> impl Iterator<Item = (&Slot, Announced)> {
        let (slots, tags) = (self.slots.as_slice(), self.tags.as_slice());
        debug_assert_eq!(slots.len(), tags.len());
        hash.probe(slots.len()).map(move |index| {
            // SAFETY: a probe names slots of the array only.
            let slot = unsafe { slots.get_unchecked(index) };
            // SAFETY: as above, and there is a tag for each slot.
            let tag = unsafe { tags.get_unchecked(index) };
            (slot, tag.load())
        })
    }

    /// The next array, if one is installed.
    #[inline]
    pub(crate) fn next<'g>(&'g self, guard: &'g Guard) -> Option<&'g Array> {
        let next = self.next_pointer();
        guard.assert_usable(next);
        // SAFETY: an array is not freed while a thread is pinned that could reach it.
        unsafe { next.as_ref() }
    }

    /// The address of the next array, or null.
    #[inline]
    pub(crate) fn next_pointer(&self) -> *mut Array {
        // Acquire: the next array's fields; pairs with A2.
        self.next.load(ordered("A1", Ordering::Acquire))
    }

    /// Installs `next` unless there is a next array already. Returns the next array.
    pub(crate) fn install_next<'g>(&'g self, next: Box<Array>, guard: &'g Guard) -> &'g Array {
        let next = Box::into_raw(next);
        // Release: publishes the array's fields; pairs with A1.
        // Relaxed on failure: A1 below loads the installed one.
        let null = core::ptr::null_mut();
        if self.next.compare_exchange(null, next, ordered("A2", Ordering::Release), Ordering::Relaxed).is_err() {
            // SAFETY: it came out of a box just now and was not published.
            drop(unsafe { Box::from_raw(next) });
        }
        self.next(guard).expect("next is never taken back")
    }

    /// Reserves a slot. False if all are reserved or the array is sealed.
    pub(crate) fn reserve_slot(&self) -> bool {
        let limit = Self::limit(self.capacity());
        let one_more = |reserved: usize| (reserved < limit).then(|| reserved + 1);
        // Release: a thread that seals later sees this insert counted in `occupied`; pairs with A4.
        // Relaxed loads: only the number matters.
        self.reservations.fetch_update(ordered("A3", Ordering::Release), Ordering::Relaxed, one_more).is_ok()
    }

    /// Records that an entry was put into the slot of this number in its probe sequence.
    #[inline]
    pub(crate) fn probed(&self, number: usize) {
        if cfg!(loom) {
            return; // Not part of a protocol, so the models need not explore it.
        }
        // Relaxed: a mere number. Loaded first, because it hardly ever changes.
        if number >= self.longest_probe.load(Ordering::Relaxed) {
            self.longest_probe.fetch_max(number + 1, Ordering::Relaxed);
        }
    }

    /// The length of the longest probe that has put an entry into this array.
    pub(crate) fn longest_probe(&self) -> usize {
        self.longest_probe.load(Ordering::Relaxed) // Relaxed: as above.
    }

    /// The number of reserved slots.
    #[cfg(loom)]
    pub(crate) fn reserved(&self) -> usize {
        self.reservations.load(Ordering::Relaxed) & !SEALED
    }

    /// Ends reservations.
    pub(crate) fn seal(&self) {
        // Acquire: every insert with an earlier reservation is counted in `occupied`; pairs with A3.
        self.reservations.fetch_or(SEALED, ordered("A4", Ordering::Acquire));
    }

    /// The number of chunks.
    pub(crate) fn chunks(&self) -> usize {
        self.capacity().div_ceil(CHUNK)
    }

    /// The slots of a chunk.
    pub(crate) fn chunk(&self, chunk: usize) -> impl Iterator<Item = &Slot> {
        let first = chunk * CHUNK;
        (first..(first + CHUNK).min(self.capacity())).map(|index| self.slot(index))
    }

    /// Claims a chunk: one that no thread has claimed, or else one that is not marked as migrated.
    pub(crate) fn claim_chunk(&self) -> Option<usize> {
        let chunk = self.cursor.fetch_add(1, Ordering::Relaxed); // Relaxed: only spreads the work.
        if chunk < self.chunks() { Some(chunk) } else { self.unfinished_chunk() }
    }

    /// Whether every chunk has been claimed.
    pub(crate) fn all_claimed(&self) -> bool {
        self.cursor.load(Ordering::Relaxed) >= self.chunks() // Relaxed: an outdated value costs another look.
    }

    /// Marks a chunk as migrated. Every slot of it must have been seen migrated.
    pub(crate) fn mark_migrated(&self, chunk: usize) {
        let (word, bit) = (chunk / usize::BITS as usize, chunk % usize::BITS as usize);
        // Release: publishes the slots' last words; pairs with A6.
        self.migrated[word].fetch_or(1 << bit, ordered("A5", Ordering::Release));
    }

    /// The first chunk that is not marked as migrated.
    pub(crate) fn unfinished_chunk(&self) -> Option<usize> {
        for (index, word) in self.migrated.iter().enumerate() {
            // Acquire: a thread that sees all marks sees all slots migrated; pairs with A5.
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
    fn an_array_reserves_up_to_its_limit_and_nothing_once_sealed() {
        for (capacity, reserved) in [(8, 0), (64, 5), (1_024, 576)] {
            let array = Array::new(capacity, reserved);
            let count = (0..2 * capacity).filter(|_| array.reserve_slot()).count();
            assert_eq!(count, capacity * 3 / 4 - reserved);
            let sealed = Array::new(capacity, reserved);
            assert!(sealed.reserve_slot());
            sealed.seal();
            assert!(!sealed.reserve_slot());
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
    fn each_chunk_is_claimed_once_and_then_again_until_it_is_marked() {
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
                array.mark_migrated(chunk);
            }
            assert_eq!((array.claim_chunk(), array.claim_chunk()), (Some(0), Some(0)));
            array.mark_migrated(0);
            assert_eq!((array.claim_chunk(), array.unfinished_chunk()), (None, None));
        }
    }

    #[test]
    fn the_first_chunk_that_is_not_marked_is_unfinished() {
        let array = Array::new(256 * CHUNK, 0);
        for chunk in 0..256 {
            assert_eq!(array.unfinished_chunk(), Some(chunk));
            array.mark_migrated(chunk);
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
        // SAFETY: it came out of a box, and nothing uses it.
        drop(unsafe { Box::from_raw(array.next_pointer()) });
    }
}
