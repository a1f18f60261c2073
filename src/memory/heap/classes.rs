//! The sizes of blocks.
//!
//! A span is cut into blocks of one size. Up to 1 KiB the sizes are multiples of 16 bytes. Above that, they are the
//! shares of a span that is divided into so many parts, down to two.

#![deny(unsafe_code)]

use crate::sync::MODEL;

/// The size of a span in bytes.
pub(crate) const SPAN: usize = if MODEL { 64 } else { 32 * 1024 };

/// The number of blocks for each word of a span.
pub(crate) const BITS: usize = if MODEL { 2 } else { 64 };

/// The number of words of a span.
pub(crate) const WORDS: usize = if MODEL { 2 } else { SPAN / SMALLEST / BITS };

/// The smallest blocks, and the step from one size to the next.
const SMALLEST: usize = if MODEL { 16 } else { 64 };
const GRAIN: usize = 16;

/// Up to this size there is a class for each multiple of the grain.
const FINE: usize = if MODEL { 48 } else { 1024 };
const FINE_CLASSES: usize = (FINE - SMALLEST) / GRAIN + 1;

/// The classes above: a span is divided into 31 parts, then 30, down to two.
const COARSE_CLASSES: usize = if MODEL { 0 } else { SPAN / FINE - 2 };

/// The number of classes.
pub(crate) const CLASSES: usize = FINE_CLASSES + COARSE_CLASSES;

/// The largest block of a class.
pub(crate) const LARGEST: usize = if MODEL { FINE } else { SPAN / 2 };

/// The blocks of one size in a span.
pub(crate) struct Class {
    size: u32,
    /// The number of words that the blocks need.
    words: u32,
    /// 2^32 divided by the size, rounded up.
    reciprocal: u32,
    /// The number of free blocks that make a word worth taking.
    worth_it: u32,
    /// The last word when all of its blocks are free.
    last: u64,
}

static TABLE: [Class; CLASSES] = {
    let mut table = [const { Class::new(SMALLEST) }; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        let size = if class < FINE_CLASSES {
            SMALLEST + class * GRAIN
        } else {
            SPAN / (SPAN / FINE - 1 - (class - FINE_CLASSES)) / GRAIN * GRAIN
        };
        table[class] = Class::new(size);
        class += 1;
    }
    table
};

impl Class {
    const fn new(size: usize) -> Self {
        let blocks = SPAN / size;
        let words = blocks.div_ceil(BITS);
        let last = u64::MAX >> (64 - (blocks - (words - 1) * BITS));
        let reciprocal = (1_u64 << 32).div_ceil(size as u64) as u32;
        let worth_it = if blocks >= 64 { 4 } else { 1 };
        Self { size: size as u32, words: words as u32, reciprocal, worth_it, last }
    }

    #[inline]
    pub(crate) fn of(number: usize) -> &'static Self {
        &TABLE[number]
    }

    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    #[inline]
    pub(crate) fn words(&self) -> usize {
        self.words as usize
    }

    /// A word whose blocks are all free.
    #[inline]
    pub(crate) fn full(&self, word: usize) -> u64 {
        if word + 1 == self.words() { self.last } else { u64::MAX >> (64 - BITS) }
    }

    /// The word and the bit of the block at this offset in its span.
    #[inline]
    pub(crate) fn block_at(&self, offset: usize) -> (usize, u64) {
        // Exact: the reciprocal is too large by less than 1, so the product by less than 2^15, a size's share of 2^32.
        let block = ((offset as u64 * u64::from(self.reciprocal)) >> 32) as usize;
        debug_assert_eq!(block * self.size(), offset, "no block begins there");
        (block / BITS, 1 << (block % BITS))
    }

    /// The offset of a word's first block in its span.
    #[inline]
    pub(crate) fn offset_of(&self, word: usize) -> usize {
        word * BITS * self.size()
    }

    /// Whether a word that had the free blocks `before` has become worth taking.
    #[inline]
    pub(crate) fn has_become_worth_it(&self, before: u64, now: u64) -> bool {
        before.count_ones() < self.worth_it && now.count_ones() >= self.worth_it
    }
}

/// The number of the smallest class whose blocks have at least `size` bytes. `None` if no class has.
#[inline]
pub(crate) fn class_for(size: usize) -> Option<usize> {
    if size <= FINE {
        Some(size.saturating_sub(SMALLEST).div_ceil(GRAIN))
    } else if size <= LARGEST {
        Some(coarse_class_for(size))
    } else {
        None
    }
}

#[cold]
fn coarse_class_for(size: usize) -> usize {
    let class = CLASSES - (SPAN / size - 1);
    // Rounding a share down to the grain may have made it too small.
    if Class::of(class).size() < size { class + 1 } else { class }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_size_gets_the_smallest_block_that_fits() {
        let mut least = 0;
        for size in 1..=LARGEST {
            while Class::of(least).size() < size {
                least += 1;
            }
            assert_eq!(class_for(size), Some(least), "{size} bytes");
        }
        assert_eq!((least, class_for(LARGEST + 1)), (CLASSES - 1, None));
    }

    #[test]
    fn little_of_a_block_is_wasted() {
        for size in 64..=LARGEST {
            let block = Class::of(class_for(size).unwrap()).size();
            let most = if size <= FINE { size + 15 } else { size + size / 2 + 16 };
            assert!(block <= most, "{size} bytes in a block of {block}");
        }
    }

    #[test]
    fn each_block_of_a_span_has_a_bit_of_its_own() {
        for number in 0..CLASSES {
            let class = Class::of(number);
            let (mut words, blocks) = ([0; WORDS], SPAN / class.size());
            for block in 0..blocks {
                let (word, bit) = class.block_at(block * class.size());
                assert_eq!(class.offset_of(word) + bit.trailing_zeros() as usize * class.size(), block * class.size());
                assert_eq!(words[word] & bit, 0);
                words[word] |= bit;
            }
            for (word, told) in words.into_iter().enumerate() {
                let full = if word < class.words() { class.full(word) } else { 0 };
                assert_eq!(told, full, "word {word} of blocks of {} bytes", class.size());
            }
        }
    }

    #[test]
    fn slot_arrays_lie_on_cache_lines() {
        for shift in 6..=14 {
            let size = 1 << shift;
            assert_eq!(Class::of(class_for(size).unwrap()).size(), size);
        }
    }
}
