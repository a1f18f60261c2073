//! The keyed hash that spreads ids over shards and slots.
//!
//! Ids reach the table from cookies, so from attackers. The key is random for each store: nobody outside can pick ids that meet in
//! one place, and a lookup of ids that do not exist stays short.

#![deny(unsafe_code)]

use crate::entry::Key;
use core::hash::{BuildHasher, Hasher};

/// Hashes keys with ahash under a random key.
pub(crate) struct KeyHasher(ahash::RandomState);

impl KeyHasher {
    pub(crate) fn new() -> Self {
        Self(ahash::RandomState::new())
    }

    #[inline]
    pub(crate) fn hash(&self, key: &Key) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn two_stores_hash_the_same_key_differently() {
        let key = [7; 32];
        assert_ne!(KeyHasher::new().hash(&key), KeyHasher::new().hash(&key));
    }

    #[test]
    fn one_store_hashes_a_key_always_alike() {
        let hasher = KeyHasher::new();
        assert_eq!(hasher.hash(&[7; 32]), hasher.hash(&[7; 32]));
        assert_ne!(hasher.hash(&[7; 32]), hasher.hash(&[8; 32]));
    }
}
