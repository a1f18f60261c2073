//! The slot word: what one slot of an array holds, in eight bytes.
//!
//! | word | means |
//! |---|---|
//! | `EMPTY` | never held an entry; ends a probe |
//! | entry and fingerprint | holds this entry |
//! | `TOMBSTONE` | held an entry once; a probe goes on past it |
//!
//! Each of them may also be `FROZEN`: the array is being migrated, and nothing is put into the slot any more. The
//! transitions:
//!
//! ```text
//! EMPTY ──fill──▶ entry ──replace──▶ entry' ──remove──▶ TOMBSTONE
//!   │               │ └───remove_and_freeze──┐              │
//! freeze          freeze                     │            freeze
//!   ▼               ▼                        ▼              ▼
//! EMPTY|FROZEN    entry|FROZEN ──moved──▶ TOMBSTONE|FROZEN
//! ```
//!
//! A slot never becomes `EMPTY` again, a tombstone stays a tombstone, and only [`moved`](Slot::moved) changes a frozen
//! word. An entry that left the slot cannot return to it while a thread is pinned that has loaded the slot, because its
//! address is not reused before. So a compare-and-swap cannot succeed on an outdated word (no ABA).
//!
//! The fingerprint is a part of the key's hash, kept beside the address, so that a look-up rarely loads an entry of
//! another key.
//!
//! # Orderings
//!
//! One pair serves all transitions: every change is a release, every load an acquire. A filled slot publishes the
//! entry's fields. A frozen word publishes that `next` is installed. `TOMBSTONE|FROZEN` publishes that the copy is in
//! `next`. A word changed in `next` publishes that its slot in the previous array was finished before. They are S1 and
//! S2 of `docs/orderings.md`.

use super::probe::Hash;
use super::zeroed::FromZeros;
use crate::entry::{Entry, EntryRef, Payload};
use crate::memory::Guard;
use crate::memory::UPPER_BITS_FREE;
use crate::sync::{AtomicPtr, Ordering, ordered};
use core::ptr::{self, NonNull};

const TOMBSTONE_BIT: usize = 0b01;
const FROZEN_BIT: usize = 0b10;
const STATE_MASK: usize = TOMBSTONE_BIT | FROZEN_BIT;
/// The bits of the address.
const ADDRESS_MASK: usize = !(FINGERPRINT_MASK | STATE_MASK);

/// The bits of the fingerprint: above the address, or where those may be in use, below it. An entry is aligned to 16
/// bytes, which leaves two bits beside the state.
const FINGERPRINT_SHIFT: u32 = if UPPER_BITS_FREE { usize::BITS - 16 } else { 2 };
const FINGERPRINT_MASK: usize = if UPPER_BITS_FREE { 0xffff << FINGERPRINT_SHIFT } else { 0b1100 };

/// The value of a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(*mut ());

impl Word {
    const EMPTY: Self = Self(ptr::null_mut());
    const TOMBSTONE: Self = Self(ptr::without_provenance_mut(TOMBSTONE_BIT));

    /// The word for an entry whose key has this hash.
    pub(crate) fn entry<P>(entry: NonNull<Entry<P>>, hash: Hash) -> Self {
        Self::with_fingerprint(entry, hash.fingerprint(FINGERPRINT_SHIFT, FINGERPRINT_MASK))
    }

    fn with_fingerprint<P>(entry: NonNull<Entry<P>>, fingerprint: usize) -> Self {
        let entry = entry.as_ptr().cast::<()>();
        // `Block` checks the upper bits, and an entry is aligned.
        debug_assert!(entry.addr() & (FINGERPRINT_MASK | STATE_MASK) == 0, "unexpected bits in an address");
        Self(entry.map_addr(|address| address | fingerprint))
    }

    fn has(self, bits: usize) -> bool {
        self.0.addr() & bits != 0
    }

    /// Whether a probe ends here: `EMPTY`, frozen or not.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0.addr() & !FROZEN_BIT == 0
    }

    #[inline]
    pub(crate) fn is_frozen(self) -> bool {
        self.has(FROZEN_BIT)
    }

    #[inline]
    pub(crate) fn is_tombstone(self) -> bool {
        self.has(TOMBSTONE_BIT)
    }

    #[inline]
    pub(crate) fn holds_entry(self) -> bool {
        !self.is_empty() && !self.is_tombstone()
    }

    /// Whether the slot has been migrated: frozen, and without an entry.
    pub(crate) fn is_migrated(self) -> bool {
        self.is_frozen() && !self.holds_entry()
    }

    /// Whether this may be an entry whose key has this hash. False for a word without an entry.
    #[inline]
    pub(crate) fn matches(self, hash: Hash) -> bool {
        let rest = self.0.addr() ^ hash.fingerprint(FINGERPRINT_SHIFT, FINGERPRINT_MASK);
        rest & FINGERPRINT_MASK == 0 && rest & ADDRESS_MASK != 0
    }

    /// Whether the two words hold the same entry, frozen or not.
    pub(crate) fn same_entry(self, other: Self) -> bool {
        self.holds_entry() && self.0.addr() | FROZEN_BIT == other.0.addr() | FROZEN_BIT
    }

    fn frozen(self) -> Self {
        Self(self.0.map_addr(|address| address | FROZEN_BIT))
    }

    fn thawed(self) -> Self {
        Self(self.0.map_addr(|address| address & !FROZEN_BIT))
    }

    /// The same word with another entry of the same key in place of this one.
    pub(crate) fn with_entry<P>(self, entry: NonNull<Entry<P>>) -> Self {
        Self::with_fingerprint(entry, self.0.addr() & FINGERPRINT_MASK)
    }

    /// The entry, borrowed while the thread is pinned.
    ///
    /// # Safety
    ///
    /// The caller must ensure that this word was loaded under `guard` from a slot of a table of `P`, and holds an
    /// entry.
    #[inline]
    pub(crate) unsafe fn entry_ref<P: Payload>(self, guard: &Guard) -> EntryRef<'_, P> {
        let entry = self.pointer();
        guard.assert_usable(entry.as_ptr());
        // SAFETY: loaded by an acquire from a slot whose release published it, and not freed while this thread is
        // pinned.
        unsafe { EntryRef::new(entry) }
    }

    /// The address of the entry that this word holds.
    #[inline]
    pub(crate) fn pointer<P>(self) -> NonNull<Entry<P>> {
        let pointer = self.0.map_addr(|address| address & ADDRESS_MASK);
        NonNull::new(pointer.cast()).expect("the word holds an entry")
    }
}

/// One slot of an array. All zeros is an empty slot.
#[repr(transparent)]
pub(crate) struct Slot(AtomicPtr<()>);

// SAFETY: an atomic pointer, and null is one.
unsafe impl FromZeros for Slot {
    #[cfg(any(loom, shuttle))]
    fn zeroed() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}

impl Slot {
    #[inline]
    pub(crate) fn load(&self) -> Word {
        Word(self.0.load(ordered("S1", Ordering::Acquire))) // Acquire: pairs with S2.
    }

    /// `EMPTY` → entry. True if this call did it.
    pub(crate) fn fill(&self, entry: Word) -> bool {
        self.change(Word::EMPTY, entry)
    }

    /// entry → its successor. True if this call did it; the caller then retires the entry of `seen`.
    pub(crate) fn replace(&self, seen: Word, successor: Word) -> bool {
        self.change(seen, successor)
    }

    /// entry → `TOMBSTONE`. True if this call did it; the caller then retires the entry.
    pub(crate) fn remove(&self, seen: Word) -> bool {
        !seen.is_frozen() && self.change(seen, Word::TOMBSTONE)
    }

    /// entry, not frozen → `TOMBSTONE|FROZEN`, without a copy. True if this call did it; the caller then retires the
    /// entry.
    pub(crate) fn remove_and_freeze(&self, seen: Word) -> bool {
        !seen.is_frozen() && self.change(seen, Word::TOMBSTONE.frozen())
    }

    /// anything → the same, frozen. True if this call did it.
    pub(crate) fn freeze(&self, seen: Word) -> bool {
        self.change(seen, seen.frozen())
    }

    /// entry|`FROZEN` → `TOMBSTONE|FROZEN`, when its copy is in the next array. True if this call did it.
    pub(crate) fn moved(&self, seen: Word) -> bool {
        debug_assert!(seen.is_frozen() && seen.holds_entry());
        self.change(seen, Word::TOMBSTONE.frozen())
    }

    /// `EMPTY` → the entry of a frozen word of the previous array. True if this call did it.
    pub(crate) fn fill_with_copy(&self, frozen: Word) -> bool {
        self.change(Word::EMPTY, frozen.thawed())
    }

    fn change(&self, from: Word, to: Word) -> bool {
        // Release: see the module's docs; pairs with S1. Relaxed on failure: every caller loads again.
        self.0.compare_exchange(from.0, to.0, ordered("S2", Ordering::Release), Ordering::Relaxed).is_ok()
    }

    /// The word of a slot that no other thread uses.
    pub(crate) fn load_exclusive(&mut self) -> Word {
        Word(self.0.load(Ordering::Relaxed)) // Relaxed: exclusive access.
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::entry::{Head, Overrides, Owned};
    use crate::expiry::Tick;

    const HASH: Hash = Hash(0x1234_5678_9abc_def0);

    fn entry() -> Owned<u64> {
        Owned::new(Head::first([1; 32], Tick::new(0), &Overrides::NONE), 7, 0, |_| {})
    }

    #[test]
    fn a_word_has_the_entry_and_the_fingerprint_of_its_key() {
        let (one, two) = (entry(), entry());
        let word = Word::entry(one.pointer(), HASH);
        let next = word.with_entry(two.pointer());
        for (word, entry) in [(word, &one), (word.frozen(), &one), (word.frozen().thawed(), &one), (next, &two)] {
            assert!(word.pointer() == entry.pointer() && word.holds_entry() && word.matches(HASH));
            assert!(!word.is_empty() && !word.is_tombstone() && !word.is_migrated());
            for bit in 0..FINGERPRINT_MASK.count_ones() {
                assert!(!word.matches(Hash(HASH.0 ^ 1 << (32 + bit))), "bit {bit} of the fingerprint is not looked at");
            }
            assert!(word.matches(Hash(HASH.0 ^ 1 << 63)) && word.matches(Hash(HASH.0 ^ 1)));
        }
        assert!(FINGERPRINT_MASK.count_ones() == if FINGERPRINT_SHIFT == 48 { 16 } else { 2 });
        assert!(word.same_entry(word.frozen()) && word.frozen().same_entry(word) && !word.same_entry(next));
        assert!(word.frozen().is_frozen() && !word.is_frozen() && word.frozen().thawed() == word);
    }

    #[test]
    fn a_word_without_an_entry_matches_no_hash() {
        for word in [Word::EMPTY, Word::TOMBSTONE] {
            assert!(!word.holds_entry() && !word.matches(Hash(0)) && !word.same_entry(word) && !word.is_migrated());
            assert!(word.frozen().is_migrated() && word.frozen().is_frozen() && !word.frozen().holds_entry());
        }
        assert!(Word::EMPTY.is_empty() && Word::EMPTY.frozen().is_empty() && !Word::TOMBSTONE.is_empty());
        assert!(Word::TOMBSTONE.is_tombstone() && Word::TOMBSTONE.frozen().is_tombstone());
        assert!(!Word::EMPTY.is_tombstone());
    }

    /// A transition, and the word to which it leads from each word in the module's docs; `None` where it fails.
    type Row = (fn(&Slot, Word, Word) -> bool, [Option<Word>; 6]);

    #[test]
    fn a_slot_moves_as_the_diagram_says_and_never_otherwise() {
        let (one, two) = (entry(), entry());
        let (held, next) = (Word::entry(one.pointer(), HASH), Word::entry(two.pointer(), HASH));
        let (empty, grave) = (Word::EMPTY, Word::TOMBSTONE);
        let from = [empty, empty.frozen(), held, held.frozen(), grave, grave.frozen()];
        let rows: [Row; 7] = [
            (|slot, _, next| slot.fill(next), [Some(next), None, None, None, None, None]),
            (|slot, _, next| slot.fill_with_copy(next.frozen()), [Some(next), None, None, None, None, None]),
            (|slot, held, next| slot.replace(held, next), [None, None, Some(next), None, None, None]),
            (|slot, held, _| slot.remove(held), [None, None, Some(grave), None, None, None]),
            (|slot, held, _| slot.remove_and_freeze(held), [None, None, Some(grave.frozen()), None, None, None]),
            (|slot, held, _| slot.freeze(held), [None, None, Some(held.frozen()), None, None, None]),
            (|slot, held, _| slot.moved(held.frozen()), [None, None, None, Some(grave.frozen()), None, None]),
        ];
        for (number, (transition, to)) in rows.into_iter().enumerate() {
            for (from, to) in from.into_iter().zip(to) {
                let slot = Slot(AtomicPtr::new(from.0));
                assert_eq!(transition(&slot, held, next), to.is_some(), "transition {number}");
                assert!(slot.load() == to.unwrap_or(from), "transition {number}");
            }
        }
        let frozen = Slot(AtomicPtr::new(held.frozen().0));
        assert!(
            !frozen.remove(held.frozen()) && !frozen.remove_and_freeze(held.frozen()),
            "a frozen entry is moved first"
        );
        assert!(frozen.load() == held.frozen());
    }
}
