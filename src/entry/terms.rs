//! What a version of a session carries besides its key and its content: limits of its own, whom it is bound to, where it has gone.
//!
//! Most sessions have none of these, so they take no room in the header: one word there says which of them lie, as bytes, in front of
//! the text in the entry's tail, and how long the text is.
//!
//! ```text
//! | limits: idle, end (16 bytes) | principal (32 bytes) | heir (32 bytes) | text ... |
//! ```

#![deny(unsafe_code)]

use super::Key;
use crate::expiry::{Limits, Tick};

/// The parts that a version has of its own. Kept from version to version.
#[derive(Clone, Copy, Default)]
pub(crate) struct Terms {
    /// The session's own limits, in place of the store's.
    pub(crate) limits: Option<Limits>,
    /// Whom the session is bound to.
    pub(crate) principal: Option<Key>,
    /// The key under which the session goes on. A version with an heir is not a session itself: it leads there, for a while.
    pub(crate) heir: Option<Key>,
}

/// Which parts there are, and the length of the text.
#[derive(Clone, Copy)]
pub(super) struct Shape(u32);

const LIMITS: u32 = 1 << 31;
const PRINCIPAL: u32 = 1 << 30;
const HEIR: u32 = 1 << 29;
const LIMITS_LEN: usize = 16;
const KEY_LEN: usize = size_of::<Key>();

impl Shape {
    /// The longest text of a version.
    pub(super) const LONGEST_TEXT: u32 = HEIR - 1;

    /// # Panics
    ///
    /// Panics if the text is longer than [`LONGEST_TEXT`](Self::LONGEST_TEXT).
    pub(super) fn new(terms: &Terms, text_len: u32) -> Self {
        assert!(text_len <= Self::LONGEST_TEXT, "a text this long has no place in an entry");
        let flag = |there: bool, flag| if there { flag } else { 0 };
        let limits = flag(terms.limits.is_some(), LIMITS);
        Self(text_len | limits | flag(terms.principal.is_some(), PRINCIPAL) | flag(terms.heir.is_some(), HEIR))
    }

    #[inline]
    fn part(self, flag: u32, len: usize) -> usize {
        if self.0 & flag == 0 { 0 } else { len }
    }

    /// The bytes in front of the text.
    #[inline]
    pub(super) fn terms_len(self) -> usize {
        if self.0 <= Self::LONGEST_TEXT {
            return 0;
        }
        self.part(LIMITS, LIMITS_LEN) + self.part(PRINCIPAL, KEY_LEN) + self.part(HEIR, KEY_LEN)
    }

    #[inline]
    pub(super) fn text_len(self) -> usize {
        (self.0 & Self::LONGEST_TEXT) as usize
    }

    #[inline]
    pub(super) fn tail_len(self) -> usize {
        self.terms_len() + self.text_len()
    }

    #[inline]
    pub(super) fn has_limits(self) -> bool {
        self.0 & LIMITS != 0
    }

    #[inline]
    pub(super) fn has_heir(self) -> bool {
        self.0 & HEIR != 0
    }

    #[inline]
    pub(super) fn limits(self, tail: &[u8]) -> Option<Limits> {
        if !self.has_limits() {
            return None;
        }
        let number = |at: usize| u64::from_le_bytes(array(&tail[at..at + 8]));
        Some(Limits { idle: number(0), end: Tick::new(number(8)) })
    }

    fn principal(self, tail: &[u8]) -> Option<Key> {
        let at = self.part(LIMITS, LIMITS_LEN);
        (self.0 & PRINCIPAL != 0).then(|| array(&tail[at..at + KEY_LEN]))
    }

    fn heir(self, tail: &[u8]) -> Option<Key> {
        let at = self.part(LIMITS, LIMITS_LEN) + self.part(PRINCIPAL, KEY_LEN);
        self.has_heir().then(|| array(&tail[at..at + KEY_LEN]))
    }

    /// Reads what [`Terms::write`] wrote.
    pub(super) fn terms(self, tail: &[u8]) -> Terms {
        Terms { limits: self.limits(tail), principal: self.principal(tail), heir: self.heir(tail) }
    }
}

impl Terms {
    /// Writes the parts that there are to the front of `tail`.
    pub(super) fn write(&self, tail: &mut [u8]) {
        let mut rest = tail;
        let mut put = |bytes: &[u8]| {
            let (place, behind) = core::mem::take(&mut rest).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = behind;
        };
        if let Some(Limits { idle, end }) = self.limits {
            put(&idle.to_le_bytes());
            put(&end.get().to_le_bytes());
        }
        if let Some(principal) = &self.principal {
            put(principal);
        }
        if let Some(heir) = &self.heir {
            put(heir);
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("as many bytes as asked for")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_terms_is_read_back_with_the_length_of_the_text() {
        for bits in 0..8 {
            let terms = Terms {
                limits: (bits & 1 != 0).then_some(Limits { idle: 7, end: Tick::new(9) }),
                principal: (bits & 2 != 0).then_some([3; 32]),
                heir: (bits & 4 != 0).then_some([4; 32]),
            };
            for text_len in [0, 1, Shape::LONGEST_TEXT] {
                let shape = Shape::new(&terms, text_len);
                let mut tail = vec![0; shape.terms_len()];
                terms.write(&mut tail);
                let read = shape.terms(&tail);
                assert_eq!((read.limits, read.principal, read.heir), (terms.limits, terms.principal, terms.heir));
                assert_eq!(shape.tail_len() - shape.terms_len(), text_len as usize);
                assert_eq!(shape.has_heir(), terms.heir.is_some());
            }
        }
    }

    #[test]
    fn a_session_without_terms_has_text_only() {
        assert_eq!(Shape::new(&Terms::default(), 5).terms_len(), 0);
    }

    #[test]
    #[should_panic(expected = "no place in an entry")]
    fn a_text_over_the_longest_is_refused() {
        Shape::new(&Terms::default(), Shape::LONGEST_TEXT + 1);
    }
}
