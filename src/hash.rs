//! The keyed hash that spreads ids over shards and slots.
//!
//! Ids come from cookies, and so from attackers. The key is random for each store, so nobody can choose ids that
//! collide, and looking up ids that do not exist stays cheap.

use crate::entry::Key;
use core::array;

/// Hashes keys by folded multiplications, the first two of which are independent of each other. It takes two thirds of
/// the instructions of ahash, which supplies the random seeds.
pub(crate) struct KeyHasher([u64; 4]);

impl KeyHasher {
    pub(crate) fn new() -> Self {
        let random = ahash::RandomState::new();
        Self(array::from_fn(|number| random.hash_one(number)))
    }

    #[inline]
    pub(crate) fn hash(&self, key: &Key) -> u64 {
        let (words, _) = key.as_chunks::<8>();
        let seeded = |at: usize| u64::from_le_bytes(words[at]) ^ self.0[at];
        fold(fold(seeded(0), seeded(1)), fold(seeded(2), seeded(3)))
    }
}

/// Combines the two halves of a product: the lower half is weak in its low bits, the upper half in its high bits.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
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
    fn one_store_always_gives_a_key_the_same_hash() {
        let hasher = KeyHasher::new();
        assert_eq!(hasher.hash(&[7; 32]), hasher.hash(&[7; 32]));
        assert_ne!(hasher.hash(&[7; 32]), hasher.hash(&[8; 32]));
    }

    /// Keys that differ in two bytes, or in the same way in each word: every part of the hash must tell them apart.
    #[test]
    fn similar_keys_are_spread_like_random_ones() {
        const KEYS: u64 = 4_096;
        let in_byte = |at: usize| {
            move |number: u64| array::from_fn(|byte| if byte / 2 == at { (number >> (byte % 2 * 8)) as u8 } else { 7 })
        };
        let in_all = |number: u64| array::from_fn(|byte| number.to_le_bytes()[byte % 8]);
        let families =
            (0..16).map(|at| Box::new(in_byte(at)) as Box<dyn Fn(u64) -> Key>).chain([Box::new(in_all) as _]);
        for family in families {
            let hasher = KeyHasher::new();
            for shift in [0, 16, 32, 48] {
                // 64 keys on average; 128 is 8 standard deviations more.
                let mut met = [0_u32; 64];
                (0..KEYS).for_each(|number| met[(hasher.hash(&family(number)) >> shift) as usize % 64] += 1);
                assert!(met.iter().all(|&keys| keys < 128), "{met:?}");
            }
        }
    }
}
