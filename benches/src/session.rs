//! What the contenders keep of a session: its attributes in one block, and when it was last used.
//!
//! The block is the same for all that have one, so that they differ in nothing but the map. It holds for each attribute
//! the lengths of its key and its value, two bytes each, then the two.

use crate::clock::Clock;
use crate::contender::Setup;
use smallvec::SmallVec;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicU64, Ordering};

/// When sessions expire.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub clock: Clock,
    ttl: u64,
}

impl Life {
    pub fn new(setup: Setup) -> Self {
        Self { clock: setup.clock, ttl: setup.ttl.as_millis() as u64 }
    }

    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }
}

/// When a session was last used.
#[derive(Debug)]
pub struct Stamp(AtomicU64);

impl Stamp {
    pub fn new(now: u64) -> Self {
        Self(AtomicU64::new(now))
    }

    #[inline]
    pub fn is_live(&self, life: &Life, now: u64) -> bool {
        now.saturating_sub(self.0.load(Ordering::Relaxed)) <= life.ttl
    }

    /// Touches a live session; whether it is one. Its line is written only when the clock has moved on.
    #[inline]
    pub fn renew(&self, life: &Life, now: u64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        if now.saturating_sub(last) > life.ttl {
            return false;
        }
        if now > last {
            written(self);
            self.0.store(now, Ordering::Relaxed);
        }
        true
    }
}

/// A write to memory that other threads see, for the count of them (`shared-writes`). Elsewhere nothing remains of it.
#[inline(always)]
pub fn written<T: ?Sized>(_place: &T) {
    #[cfg(cloakroom_count_writes)]
    cloakroom::shared_writes::note(cloakroom::shared_writes::Write::Store, _place);
}

/// What a block is kept in.
pub trait Bytes: DerefMut<Target = [u8]> + for<'a> From<&'a [u8]> + Send + Sync + 'static {
    /// What reports add to the name of a contender that is tried with more than one.
    const NAME: &'static str;
}

/// An allocation of its own.
pub type Boxed = Box<[u8]>;

impl Bytes for Boxed {
    const NAME: &'static str = "";
}

/// In the value itself, where it fits. The blocks of all workloads do.
pub type Inline = SmallVec<[u8; 96]>;

impl Bytes for Inline {
    const NAME: &'static str = ", inline";
}

/// A block under construction: on the stack.
pub type Draft = SmallVec<[u8; 256]>;

const LENGTHS: usize = 4;

fn push(block: &mut Draft, key: &str, value: &str) {
    let length = |text: &str| u16::try_from(text.len()).expect("attributes are short").to_le_bytes();
    block.extend_from_slice(&length(key));
    block.extend_from_slice(&length(value));
    block.extend_from_slice(key.as_bytes());
    block.extend_from_slice(value.as_bytes());
}

pub fn pack(attributes: &[(&str, &str)]) -> Draft {
    let mut block = Draft::new();
    attributes.iter().for_each(|(key, value)| push(&mut block, key, value));
    block
}

/// Where an attribute's value lies in the block.
#[inline]
fn locate(block: &[u8], key: &str) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    while let Some(&[k0, k1, v0, v1]) = block.get(start..start + LENGTHS) {
        let key_start = start + LENGTHS;
        let value_start = key_start + usize::from(u16::from_le_bytes([k0, k1]));
        let end = value_start + usize::from(u16::from_le_bytes([v0, v1]));
        if block[key_start..value_start] == *key.as_bytes() {
            return Some(value_start..end);
        }
        start = end;
    }
    None
}

/// The value of an attribute.
#[inline]
pub fn find<'a>(block: &'a [u8], key: &str) -> Option<&'a str> {
    let value = &block[locate(block, key)?];
    // SAFETY: blocks are made by `push` only, and the lengths in them lead to where it put the bytes of a whole `str`.
    Some(unsafe { str::from_utf8_unchecked(value) })
}

/// A copy of the block with the attribute set.
pub fn assigned(block: &[u8], key: &str, value: &str) -> Draft {
    let mut draft = Draft::new();
    let Some(old) = locate(block, key) else {
        draft.extend_from_slice(block);
        push(&mut draft, key, value);
        return draft;
    };
    let start = old.start - key.len() - LENGTHS;
    draft.extend_from_slice(&block[..start]);
    push(&mut draft, key, value);
    draft.extend_from_slice(&block[old.end..]);
    draft
}

/// Sets the attribute: in place where the new value is as long as the old.
pub fn assign<B: Bytes>(block: &mut B, key: &str, value: &str) {
    written(&block[..]);
    match locate(block, key) {
        Some(old) if old.len() == value.len() => block[old].copy_from_slice(value.as_bytes()),
        _ => *block = B::from(&assigned(block, key, value)),
    }
}

/// A session as most contenders keep it.
pub struct Session<B> {
    pub stamp: Stamp,
    pub block: B,
}

impl<B: Bytes> Session<B> {
    pub fn new(now: u64, block: &[u8]) -> Self {
        Self { stamp: Stamp::new(now), block: B::from(block) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::ATTRIBUTES;

    #[test]
    fn what_was_packed_or_set_is_found() {
        let mut block = Boxed::from(&*pack(&ATTRIBUTES));
        for (key, value) in ATTRIBUTES {
            assert_eq!(find(&block, key), Some(value));
        }
        for (key, value) in [("role", "author"), ("role", "a longer one"), ("new", ""), ("user_id", "7")] {
            assign(&mut block, key, value);
            assert_eq!(find(&block, key), Some(value));
        }
        assert_eq!((find(&block, "csrf_token"), find(&block, "rol")), (Some(ATTRIBUTES[2].1), None));
    }

    #[test]
    fn the_block_of_the_workloads_needs_no_allocation_inline() {
        assert!(!Inline::from(&*pack(&ATTRIBUTES)).spilled());
    }
}
