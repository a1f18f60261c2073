//! The probe sequence of a key: the slots of an array in which the key may be, in order.
//!
//! A probe starts at a slot of a line, both chosen by the key's hash. It goes round that line, then on to the next
//! line, and visits every slot of the array once. The caller stops at the first empty slot. A line is a cache line of
//! eight slots, so a probe that ends within its first line costs one cache miss.

use crate::sync::MODEL;

/// Slots in a line.
pub(crate) const LINE: usize = if MODEL { 2 } else { 8 };

/// The hash of a key. Different bits choose the shard, the fingerprint and the slot, so that these are independent.
#[derive(Clone, Copy)]
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    /// The most shards that the hash has bits for.
    pub(crate) const MAX_SHARDS: usize = 1 << 16;

    /// The shard among `shards`, a power of two.
    #[inline]
    pub(crate) fn shard(self, shards: usize) -> usize {
        (self.0 >> 48) as usize & (shards - 1)
    }

    /// The fingerprint, under `mask`, whose lowest bit is `shift`.
    #[inline]
    pub(crate) fn fingerprint(self, shift: u32, mask: usize) -> usize {
        (((self.0 >> 32) as usize) << shift) & mask
    }

    /// The slots of an array of `capacity`, a power of two of at least a line, in probing order.
    #[inline]
    pub(crate) fn probe(self, capacity: usize) -> impl Iterator<Item = usize> {
        let mask = capacity - 1;
        let start = self.0 as u32 as usize;
        let (line, within) = (start & mask & !(LINE - 1), start & (LINE - 1));
        (0..capacity).map(move |step| {
            let line = (line + (step & !(LINE - 1))) & mask;
            line | ((within + step) & (LINE - 1))
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_probe_visits_every_slot_once_and_whole_lines_first() {
        for (capacity, hash) in [(8, 5), (64, 61), (256, u64::MAX)] {
            let order: Vec<usize> = Hash(hash).probe(capacity).collect();
            assert_eq!(order.iter().collect::<HashSet<_>>().len(), capacity);
            assert!(order.iter().all(|&slot| slot < capacity));
            assert_eq!(order[0], hash as usize & (capacity - 1));
            for line in order.chunks(LINE) {
                assert!(line.iter().all(|slot| slot / LINE == line[0] / LINE));
            }
        }
    }

    #[test]
    fn shard_fingerprint_and_slot_come_from_different_bits() {
        let shard = Hash(0xffff_0000_0000_0000);
        let fingerprint = Hash(0x0000_ffff_0000_0000);
        let slot = Hash(0x0000_0000_ffff_ffff);
        let all = |hash: Hash| (hash.shard(64), hash.fingerprint(0, 0xffff), hash.probe(64).next());
        assert_eq!(all(shard), (63, 0, Some(0)));
        assert_eq!(all(fingerprint), (0, 0xffff, Some(0)));
        assert_eq!(all(slot), (0, 0, Some(63)));
    }
}
