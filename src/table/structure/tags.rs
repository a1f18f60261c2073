//! Tags: for each slot a byte of the hash of the key that was put there.
//!
//! Tags take an eighth of the memory of slots. The tags of a large table stay in the processor's caches when its slots
//! do not. So a look-up asks the tags first, and a look-up of a key that is not there usually loads no slot.
//!
//! A tag is *announced* before its slot is filled, and is never taken back. So the tags never hide an entry: a slot that
//! was filled has its tag. They may say too much:
//!
//! * A slot of a removed entry keeps its tag.
//! * A thread may announce a tag and then not fill the slot.
//! * Several threads that want to fill one slot announce several tags in one byte. Therefore every tag has four of the
//!   eight bits set, and a byte may have any tag whose bits it has.
//!
//! A byte of zero says that its slot has not been filled. An empty slot ends every probe that comes to it. So a look-up
//! goes through the tags in the order of the probe, loads the slots that may hold its key, and ends at the first zero.
//! (It is no faster to compare all tags of a line at once. The address of the slot then depends on the tags, and the
//! processor cannot load the slot before they have arrived.)
//!
//! # Orderings
//!
//! All accesses are `Relaxed`. A thread that must find an entry has seen the entry's slot filled, or knows of the
//! insert by other means that order the two. The announcement comes before the filling of the slot, which is a release.
//! So it is ordered before the look-up too, and no load of the byte after that returns an earlier value.

use super::probe::Hash;
use super::zeroed::FromZeros;
use crate::sync::{AtomicU8, Ordering};

/// Bytes with four bits set.
static PATTERNS: [u8; 64] = {
    let mut patterns = [0; 64];
    let (mut byte, mut count) = (0_u8, 0);
    while count < 64 {
        if byte.count_ones() == 4 {
            patterns[count] = byte;
            count += 1;
        }
        byte += 1;
    }
    patterns
};

/// The tag of a key: four bits of a byte.
#[derive(Clone, Copy)]
pub(crate) struct Tag(u8);

impl Tag {
    /// The six bits of the hash that no shard's number has.
    #[inline]
    pub(crate) fn of(hash: Hash) -> Self {
        Self(PATTERNS[(hash.0 >> 58) as usize])
    }
}

/// What was announced for a slot, in memory. Zero at first.
#[repr(transparent)]
pub(crate) struct TagByte(AtomicU8);

// SAFETY: an atomic integer.
unsafe impl FromZeros for TagByte {
    #[cfg(any(loom, shuttle))]
    fn zeroed() -> Self {
        Self(AtomicU8::new(0))
    }
}

impl TagByte {
    #[inline]
    pub(crate) fn load(&self) -> Announced {
        Announced(self.0.load(Ordering::Relaxed)) // Relaxed: see the module's docs.
    }

    /// Announces that a key with this tag is about to be put into the slot.
    #[inline]
    pub(crate) fn announce(&self, tag: Tag) {
        // Relaxed, both: see the module's docs. A read-modify-write, because another thread may announce another tag.
        if !self.load().has(tag) {
            self.0.fetch_or(tag.0, Ordering::Relaxed);
        }
    }
}

/// What was announced for a slot.
#[derive(Clone, Copy)]
pub(crate) struct Announced(u8);

impl Announced {
    /// Whether the slot has never been filled.
    #[inline]
    pub(crate) fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether the slot may hold a key with this tag.
    #[inline]
    pub(crate) fn has(self, tag: Tag) -> bool {
        tag.0 & !self.0 == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn tag(number: usize) -> Tag {
        Tag::of(Hash((number as u64) << 58))
    }

    fn announced(byte: &TagByte) -> Vec<usize> {
        (0..64).filter(|&number| byte.load().has(tag(number))).collect()
    }

    #[test]
    fn an_announced_tag_is_the_only_one() {
        for number in 0..64 {
            let byte = TagByte(AtomicU8::new(0));
            assert!(byte.load().is_nothing() && announced(&byte).is_empty());
            byte.announce(tag(number));
            assert!(!byte.load().is_nothing());
            assert_eq!(announced(&byte), [number]);
        }
    }

    #[test]
    fn a_slot_that_two_keys_want_has_both_tags() {
        let byte = TagByte(AtomicU8::new(0));
        byte.announce(tag(3));
        byte.announce(tag(60));
        assert!(announced(&byte).contains(&3) && announced(&byte).contains(&60));
        assert!(announced(&byte).len() < 32, "an ambiguous byte excludes too few keys");
    }
}
