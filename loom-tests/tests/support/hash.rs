//! A stand-in for `hash` under which all keys meet: they share their shard and their probe, and differ in the fingerprint.

use crate::entry::Key;

pub(crate) struct KeyHasher;

impl KeyHasher {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn hash(&self, key: &Key) -> u64 {
        u64::from(key[0]) << 32
    }
}
