//! The packed form of a session's attributes, and the look-up of a key in it.
//!
//! For each attribute, in the order of insertion, a block holds the lengths of the key and the value in bytes, then the
//! key and the value:
//!
//! ```text
//! ┌─────────┬───────────┬───────────┬─────────────┬─────────┬──
//! │ key len │ value len │ key bytes │ value bytes │ key len │ …
//! └─────────┴───────────┴───────────┴─────────────┴─────────┴──
//! ```
//!
//! A length is written as characters of six bits each, the lowest bits first; all characters but the last have 64
//! added. So a length is ASCII, a whole block is valid text, and a value can be read as text without another check.
//!
//! There is no count and no padding, so an empty block is a map without attributes. Keys are unique. Sessions have few
//! attributes, so a look-up walks the block, which is in the cache lines after the session's header.
//! [`pack`](mod@super::pack) writes blocks.

use core::fmt::{self, Write};
use core::ops::Range;

/// The size of the smallest attribute, with an empty key and an empty value.
pub(super) const LEAST_SIZE: usize = 2;

/// The bits of a length in one character, and the mark of characters that are not the last.
const BITS: u32 = 6;
const MORE: u8 = 1 << BITS;

#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

impl Pair<'_> {
    /// Saturates, because two strings of half the address space each must exceed the limit and not panic.
    pub(super) fn size(self) -> usize {
        let header = length_size(self.key.len()) + length_size(self.value.len());
        header.saturating_add(self.key.len()).saturating_add(self.value.len())
    }

    pub(super) fn write(self, out: &mut impl Write) -> fmt::Result {
        write_length(self.key.len(), out)?;
        write_length(self.value.len(), out)?;
        out.write_str(self.key)?;
        out.write_str(self.value)
    }
}

/// Iterates over the pairs of a block.
#[derive(Clone)]
pub(super) struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Pairs<'a> {
    #[inline]
    pub(super) fn of(packed: &'a str) -> Self {
        Self { rest: packed }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let bounds = Bounds::at(self.rest.as_bytes(), 0)?;
        let (pair, rest) = self.rest.split_at(bounds.end);
        self.rest = rest;
        Some(Pair { key: &pair[bounds.key..bounds.value], value: &pair[bounds.value..] })
    }
}

/// The positions in a block at which a pair, its key and its value begin, and at which the pair ends.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    start: usize,
    key: usize,
    value: usize,
    end: usize,
}

impl Bounds {
    /// The pair that begins at `start`, unless the block ends there.
    #[inline]
    pub(super) fn at(block: &[u8], start: usize) -> Option<Self> {
        let (key_len, value_len, key) = match block[start..] {
            [] => return None,
            [key @ ..MORE, value @ ..MORE, ..] => (usize::from(key), usize::from(value), start + 2),
            _ => read_header(block, start),
        };
        let value = key + key_len;
        Some(Self { start, key, value, end: value + value_len })
    }

    /// The pair with this key. Compares bytes; a later cut of the block into strings is checked.
    #[inline(always)]
    pub(super) fn of(packed: &str, key: &str) -> Option<Self> {
        let block = packed.as_bytes();
        let mut start = 0;
        while let Some(bounds) = Self::at(block, start) {
            if same(bounds.key(block), key.as_bytes()) {
                return Some(bounds);
            }
            start = bounds.end;
        }
        None
    }

    /// The range of the whole pair.
    #[inline]
    pub(super) fn place(self) -> Range<usize> {
        self.start..self.end
    }

    #[inline]
    pub(super) fn key(self, block: &[u8]) -> &[u8] {
        &block[self.key..self.value]
    }

    #[inline]
    pub(super) fn value(self, packed: &str) -> &str {
        &packed[self.value..self.end]
    }
}

/// The value of a key. Cheaper than [`Bounds::of`], which also computes the positions.
#[inline(always)]
pub(super) fn value_of<'a>(packed: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = packed.as_bytes();
    while let [key_len @ ..MORE, value_len @ ..MORE, pairs @ ..] = rest {
        let [key_len, value_len] = [key_len, value_len].map(|length| usize::from(*length));
        let (pair, behind) = pairs.split_at(key_len + value_len);
        if same(&pair[..key_len], key.as_bytes()) {
            let end = packed.len() - behind.len();
            return Some(&packed[end - value_len..end]);
        }
        rest = behind;
    }
    if rest.is_empty() { None } else { value_behind_long(packed, key) }
}

/// The same for a block that has a length of more than one character.
#[cold]
fn value_behind_long<'a>(packed: &'a str, key: &str) -> Option<&'a str> {
    Bounds::of(packed, key).map(|bounds| bounds.value(packed))
}

/// Whether two keys are equal. Keys are short, so comparing words, the last of which may overlap, is faster than a call
/// of the C library.
#[inline]
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    #[cfg(all(test, not(loom)))]
    counted::note();
    let len = one.len();
    if len != other.len() {
        return false;
    }
    match len {
        0 => true,
        1..4 => [0, len / 2, len - 1].into_iter().all(|at| one[at] == other[at]),
        4..8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        _ => {
            let (words, _) = one.as_chunks::<8>();
            let (others, _) = other.as_chunks::<8>();
            let mut pairs = words.iter().zip(others);
            pairs.all(|(word, other)| word == other) && one.last_chunk::<8>() == other.last_chunk()
        }
    }
}

#[cold]
fn read_header(block: &[u8], start: usize) -> (usize, usize, usize) {
    let (key, at) = read_length(block, start);
    let (value, at) = read_length(block, at);
    (key, value, at)
}

fn read_length(block: &[u8], start: usize) -> (usize, usize) {
    let mut length = 0;
    for (index, byte) in block[start..].iter().enumerate() {
        length |= usize::from(byte & (MORE - 1)) << (index as u32 * BITS);
        if *byte < MORE {
            return (length, start + index + 1);
        }
    }
    panic!("a length has a last character");
}

#[inline]
fn length_size(length: usize) -> usize {
    if length < usize::from(MORE) {
        return 1;
    }
    let bits = usize::BITS - length.leading_zeros();
    bits.div_ceil(BITS) as usize
}

#[inline]
fn write_length(mut length: usize, out: &mut impl Write) -> fmt::Result {
    while length >= usize::from(MORE) {
        out.write_char(char::from(length as u8 & (MORE - 1) | MORE))?;
        length >>= BITS;
    }
    out.write_char(char::from(length as u8))
}

#[cfg(all(test, not(loom)))]
pub(super) use counted::compared;

/// Counts the comparisons of keys, for tests of how the cost grows.
#[cfg(all(test, not(loom)))]
mod counted {
    use core::cell::Cell;

    thread_local! {
        static COMPARED: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn note() {
        COMPARED.set(COMPARED.get() + 1);
    }

    pub(in crate::attributes) fn compared(work: impl FnOnce()) -> u64 {
        let before = COMPARED.get();
        work();
        COMPARED.get() - before
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_are_read_back_from_as_many_bytes_as_counted(length: usize, bits in 0..usize::BITS) {
            let length = length >> bits;
            let mut out = String::new();
            write_length(length, &mut out).unwrap();
            prop_assert_eq!(out.len(), length_size(length));
            out.push('~');
            prop_assert_eq!(read_length(format!("~{out}").as_bytes(), 1), (length, out.len()));
        }
    }
}
