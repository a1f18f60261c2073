//! The parts of a session that the contenders share: a block of attributes, and the stamp of its last use.
//!
//! All contenders with a block have the same one, so that they differ only in the map. For each attribute, the block
//! holds the lengths of the key and of the value, two bytes each, then the key and the value.

use crate::clock::Clock;
use crate::contender::Setup;
use crate::ids::Ids;
use smallvec::SmallVec;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where ids come from, and when sessions expire.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub clock: Clock,
    pub ids: Ids,
    ttl: u64,
}

impl Policy {
    pub fn new(setup: Setup) -> Self {
        Self { clock: setup.clock, ids: setup.ids, ttl: setup.ttl.as_millis() as u64 }
    }

    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }
}

/// The time of a session's last use.
#[derive(Debug)]
pub struct Stamp(AtomicU64);

impl Stamp {
    pub fn new(now: u64) -> Self {
        Self(AtomicU64::new(now))
    }

    #[inline]
    pub fn is_live(&self, policy: &Policy, now: u64) -> bool {
        now.saturating_sub(self.0.load(Ordering::Relaxed)) <= policy.ttl
    }

    /// Touches a live session. False if the session has expired. The stamp is written only if the clock has moved on.
    #[inline]
    pub fn renew(&self, policy: &Policy, now: u64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        if now.saturating_sub(last) > policy.ttl {
            return false;
        }
        if now > last {
            note_store(self);
            self.0.store(now, Ordering::Relaxed);
        }
        true
    }
}

/// Tells the binary `shared-writes` of a store to memory that other threads see. Compiles to nothing elsewhere.
#[inline(always)]
pub fn note_store<T: ?Sized>(_place: &T) {
    #[cfg(cloakroom_count_writes)]
    cloakroom::shared_writes::note(cloakroom::shared_writes::Write::Store, _place);
}

/// The memory of a block.
pub trait Bytes: DerefMut<Target = [u8]> + for<'a> From<&'a [u8]> + Send + Sync + 'static {
    /// A suffix that tells apart, in reports, contenders that differ only in this.
    const NAME: &'static str;
}

/// An allocation of its own.
pub type Boxed = Box<[u8]>;

impl Bytes for Boxed {
    const NAME: &'static str = "";
}

/// Up to 96 bytes within the value itself. The blocks of all workloads fit.
pub type Inline = SmallVec<[u8; 96]>;

impl Bytes for Inline {
    const NAME: &'static str = ", inline";
}

/// A block under construction, on the stack.
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

/// The range of an attribute's value in the block.
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
#[allow(unsafe_code, reason = "a value is not validated at each look-up, as in cloakroom")]
pub fn find<'a>(block: &'a [u8], key: &str) -> Option<&'a str> {
    let value = &block[locate(block, key)?];
    // SAFETY: only `push` makes blocks, and the lengths in a block delimit the bytes of a whole `str` that it copied.
    Some(unsafe { str::from_utf8_unchecked(value) })
}

/// A copy of the block in which the attribute is set.
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

/// Sets the attribute, in place if the new value is as long as the old one.
pub fn assign<B: Bytes>(block: &mut B, key: &str, value: &str) {
    note_store(&block[..]);
    match locate(block, key) {
        Some(old) if old.len() == value.len() => block[old].copy_from_slice(value.as_bytes()),
        _ => *block = B::from(&assigned(block, key, value)),
    }
}

/// The session of most contenders.
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
    fn packed_and_assigned_attributes_are_found() {
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
    fn an_inline_block_holds_the_attributes_of_the_workloads_without_an_allocation() {
        assert!(!Inline::from(&*pack(&ATTRIBUTES)).spilled());
    }
}
