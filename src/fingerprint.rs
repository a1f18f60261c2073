//! Fingerprints, which name sessions in logs: short hashes of ids under a key that each store draws for this purpose.
//!
//! An id keeps its fingerprint for the life of the store, and has another one in another store. So a reader of the log
//! can follow a session from line to line, and cannot find its id.

use crate::entry::Key;
use crate::hash::KeyHasher;
use core::fmt;
use std::sync::Arc;

/// Names a session in logs by eight hex digits, from which its id cannot be found. Made by
/// [`SessionStore::fingerprint`](crate::SessionStore::fingerprint).
///
/// Formatting is wait-free and allocates nothing itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u32);

/// Shows eight hex digits, lower case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Shows the same digits.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Makes the fingerprints of one store. Clones make the same ones.
#[derive(Clone)]
pub(crate) struct Fingerprints(Arc<KeyHasher>);

impl Fingerprints {
    pub(crate) fn new() -> Self {
        Self(Arc::new(KeyHasher::new()))
    }

    pub(crate) fn of(&self, key: &Key) -> Fingerprint {
        Fingerprint(self.0.hash(key) as u32)
    }
}
