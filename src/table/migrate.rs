//! Growth, purging and shrinking: migrating from an array to the next one, without a lock.
//!
//! 1. **Begin.** The thread seals the array, and sizes and installs the next one.
//! 2. **Move.** Chunk by chunk, each slot is migrated: its entry is copied to the next array, and the slot ends as
//!    `EMPTY|FROZEN` or `TOMBSTONE|FROZEN`. Any thread may migrate any slot at any time, and several may work on the
//!    same one. Each write that finds a migration moves one chunk.
//! 3. **Promote.** Once every slot has been seen migrated, the next array becomes the current one.
//!
//! # Room
//!
//! The next array never runs out of room for copies. An insert is counted in the shard's `occupied` before it reserves
//! a slot, and counted out after its entry has left the table. Moving an entry does not change the count. So after the
//! seal, `occupied` is at least the number of entries that the array holds or that earlier reservations can still add.
//! The next array is made with that many slots reserved. This holds for every size of the next array, so it may be
//! smaller. A reservation for a session that ended before it was moved is lost with the array, because the array after
//! it is sized anew.
//!
//! # Sizes
//!
//! A migration begins when 3/4 of an array's slots are reserved. The next array is the smallest whose initial
//! reservations take at most 9/16 of its slots. It may be half as large as its predecessor, if they take at most 3/8 of
//! its slots then. So at least 3/16 of its slots remain for new entries. These are enough inserts to move every
//! chunk of the old array, and a population of constant size never moves to a larger array twice.

use super::pinned::Pinned;
use super::structure::array::{Array, MIN_CAPACITY};
use super::structure::probe::Hash;
use super::structure::slot::{Slot, Word};
use crate::entry::Payload;
use crate::entry::life::Life;
use crate::sync::step;

/// The capacity of the array that follows one of `capacity` slots with `occupied` entries to move.
fn next_capacity(capacity: usize, occupied: usize) -> usize {
    if capacity > MIN_CAPACITY && within(occupied, 3, capacity) {
        return capacity / 2;
    }
    let mut next = capacity;
    while !within(occupied, 9, next) {
        next *= 2;
    }
    next
}

/// Whether `occupied` is at most `sixteenths` sixteenths of `capacity`.
fn within(occupied: usize, sixteenths: u64, capacity: usize) -> bool {
    occupied as u64 * 16 <= capacity as u64 * sixteenths
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Begins a migration from the current array, unless one has begun already. Returns the next array.
    pub(super) fn begin(&self, array: &'g Array) -> &'g Array {
        if let Some(next) = array.next(self.guard) {
            return next;
        }
        step("no next");
        array.seal();
        step("sealed");
        let occupied = self.shard.occupied();
        step("sized");
        let next = Array::new(next_capacity(array.capacity(), occupied), occupied);
        let next = array.install_next(Box::new(next), self.guard);
        step("installed");
        next
    }

    /// Moves one chunk if a migration is under way, or begins a migration if the shard has become sparse.
    pub(super) fn maintain(&self) {
        let array = self.shard.current(self.guard);
        if array.next(self.guard).is_some() {
            self.help(array);
        } else if self.is_sparse(array) {
            self.begin(array);
            self.help(array);
        }
    }

    pub(super) fn is_sparse(&self, array: &Array) -> bool {
        array.capacity() > MIN_CAPACITY && within(self.shard.occupied(), 2, array.capacity())
    }

    /// Finishes the migration that is under way, and shrinks a sparse array.
    pub(super) fn finish_and_shrink(&self) {
        // Each iteration halves the array or finishes another thread's migration. Other threads could keep this up for
        // ever.
        for _ in 0..usize::BITS {
            let array = self.shard.current(self.guard);
            if array.next(self.guard).is_none() {
                if !self.is_sparse(array) {
                    return;
                }
                self.begin(array);
            }
            self.finish(array);
        }
    }

    /// Finishes every migration of a shard that no other thread uses.
    pub(super) fn finish_all(&self) {
        loop {
            let array = self.shard.current(self.guard);
            if array.next(self.guard).is_none() {
                return;
            }
            self.finish(array);
        }
    }

    /// Migrates one chunk of an array, and promotes the next array if it was the last chunk.
    pub(super) fn help(&self, array: &'g Array) {
        let chunk = array.claim_chunk();
        step("chunk claimed");
        if let Some(chunk) = chunk {
            self.migrate_chunk(array, chunk);
        }
        if array.all_claimed() && array.unfinished_chunk().is_none() {
            self.promote(array);
        }
    }

    /// Migrates all remaining chunks of an array, and promotes the next array.
    pub(super) fn finish(&self, array: &'g Array) {
        while let Some(chunk) = array.claim_chunk() {
            self.migrate_chunk(array, chunk);
        }
        self.promote(array);
    }

    fn promote(&self, array: &'g Array) {
        step("all left");
        // SAFETY: the callers have found a next array and all chunks marked, and a chunk is marked after its slots were
        // seen migrated.
        unsafe { self.shard.promote(array, self.guard) }
    }

    fn migrate_chunk(&self, array: &'g Array, chunk: usize) {
        if !cfg!(loom) {
            // Moving an entry needs its key, and the entries of a chunk are scattered over the memory.
            let words = array.chunk(chunk).map(Slot::load).filter(|word| word.holds_entry());
            words.for_each(|word| self.entry(word).prefetch());
        }
        for slot in array.chunk(chunk) {
            self.migrate_slot(array, slot);
        }
        step("chunk left");
        array.mark_migrated(chunk);
    }

    /// Migrates one slot.
    pub(super) fn migrate_slot(&self, array: &'g Array, slot: &'g Slot) {
        loop {
            let word = slot.load();
            step("slot seen");
            if word.is_migrated() {
                return;
            }
            if !word.holds_entry() {
                if slot.freeze(word) {
                    return;
                }
                continue;
            }
            let entry = self.entry(word);
            let dead = entry.life().load() == Life::Dead;
            step("life seen");
            if dead && !word.is_frozen() {
                // A dead entry need not be in the next array, as long as no copy of it can be there yet.
                if slot.remove_and_freeze(word) {
                    self.retire_cleared(entry);
                }
            } else if word.is_frozen() {
                self.finish_copy(array, slot, word, self.target(entry.key()).hash);
            } else {
                slot.freeze(word);
            }
        }
    }

    /// Copies the entry of a frozen slot to the next array, dead or not, unless that is done, and sets the slot to
    /// `TOMBSTONE|FROZEN`.
    pub(super) fn finish_copy(&self, array: &'g Array, slot: &Slot, word: Word, hash: Hash) {
        let next = array.next(self.guard).expect("a slot is frozen after next is installed");
        if !self.copy(next, slot, word, hash) {
            return;
        }
        step("copied");
        slot.moved(word);
    }

    /// Puts the entry of a frozen slot into `next`. False if another thread has migrated the slot meanwhile.
    pub(super) fn copy(&self, next: &'g Array, slot: &Slot, word: Word, hash: Hash) -> bool {
        for (number, place) in next.places(hash).enumerate() {
            loop {
                let there = place.slot.load();
                if there.same_entry(word) {
                    return true;
                }
                if !there.is_empty() {
                    break;
                }
                if there.is_frozen() {
                    // `next` is being migrated itself, which cannot begin before this slot is ended.
                    return false;
                }
                step("place found");
                place.announce();
                // Looks again between finding this place empty and filling it. If another thread has copied the entry,
                // the entry may have been removed since, and this place may have become the first empty one only then.
                if slot.load() != word {
                    return false;
                }
                step("place for a copy");
                if place.slot.fill_with_copy(word) {
                    next.probed(number);
                    return true;
                }
            }
        }
        assert!(slot.load() != word, "the next array has room for every entry of its predecessor");
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::table::structure::array::CHUNK;

    #[test]
    fn there_is_room_for_what_comes_and_for_the_inserts_that_move_it() {
        for shift in 3..24 {
            let capacity = 1_usize << shift;
            for sixteenths in 0..=16 {
                let occupied = capacity * sixteenths / 16;
                let next = next_capacity(capacity, occupied);
                let inserts = Array::limit(next) - occupied;
                assert!(inserts * CHUNK >= capacity, "{capacity} slots, {occupied} occupied, {next} next");
            }
        }
    }

    #[test]
    fn a_steady_population_stays_where_it_is() {
        for population in 1..2_000 {
            let mut capacity = MIN_CAPACITY;
            for _ in 0..40 {
                capacity = next_capacity(capacity, population);
            }
            for more in [0, 1] {
                let full = Array::limit(capacity);
                assert!(population + more < full, "{population} in {capacity}");
            }
            assert_eq!(next_capacity(capacity, population), capacity, "{population}");
        }
    }

    #[test]
    fn growth_is_not_undone_by_the_next_purge() {
        for shift in 3..20 {
            let capacity = 1_usize << shift;
            let grown = (0..=capacity)
                .find(|&occupied| next_capacity(capacity, occupied) > capacity)
                .expect("it grows when full");
            assert_eq!(next_capacity(capacity * 2, grown), capacity * 2);
            assert_eq!(next_capacity(capacity * 2, grown - capacity / 16), capacity * 2);
        }
    }
}
