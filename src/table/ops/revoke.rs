//! Reclaiming the places, slots and memory of revoked sessions.
//!
//! A session that is revoked together with its principal's other sessions ends at the instant of the revocation: no
//! look-up treats it as live from then on. Reclaiming its place below the limit, its slot and its memory can wait.

use crate::entry::{Key, Payload};
use crate::expiry::{Moment, Verdict};
use crate::memory;
use crate::sync::MODEL;
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::structure::probe::{Hash, LINE};

/// The number of keys that are worked on while the thread is pinned once.
const BATCH: usize = 256;

/// The distance, in keys, at which entries are prefetched.
const AHEAD: usize = 8;

impl<P: Payload> Table<P> {
    /// Ends the revoked sessions among these keys, without following forwards. Returns the number of sessions that had
    /// not expired before. `listed` says whether the index of principals may still list them.
    ///
    /// Lock-free.
    pub(crate) fn end_revoked(&self, keys: &[Key], listed: bool, moment: Moment<'_>) -> usize {
        // In the order of the table, so that neighbouring slots are used one after the other.
        let capacities = self.capacities();
        let mut targets: Vec<(u64, Hash, &Key)> = Vec::with_capacity(keys.len());
        targets.extend(keys.iter().map(|key| {
            let hash = self.target(key).hash;
            let shard = hash.shard(self.shards.len());
            let slot = hash.probe(capacities[shard]).next().unwrap_or(0);
            ((shard as u64) << 32 | slot as u64, hash, key)
        }));
        targets.sort_unstable_by_key(|(order, ..)| *order);
        let (mut ended, mut cleared) = (0, 0);
        for batch in targets.chunks(BATCH) {
            self.pin_to(&self.shards[0], moment, |pinned| {
                for (number, &(_, hash, key)) in batch.iter().enumerate() {
                    if let Some(&(_, hash, key)) = batch.get(number + AHEAD) {
                        pinned.at(Target { key, hash }).prefetch_matching(hash);
                    }
                    let target = Target { key, hash };
                    if let Some(counts) = pinned.at(target).end_if_revoked(target, listed) {
                        ended += usize::from(counts);
                        cleared += 1;
                    }
                }
            });
        }
        if cleared > BATCH {
            self.finish_and_shrink(&targets, moment);
        }
        ended
    }

    fn capacities(&self) -> Vec<usize> {
        let guard = memory::pin();
        self.shards.iter().map(|shard| shard.current(&guard).capacity()).collect()
    }

    /// Prefetches the first entry that a look-up of this key loads.
    pub(crate) fn prefetch(&self, key: &Key) {
        self.pin(key, Moment::TIMELESS, |pinned, target| pinned.prefetch_matching(target.hash));
    }

    /// Lets shards shrink that have lost many sessions.
    fn finish_and_shrink(&self, targets: &[(u64, Hash, &Key)], moment: Moment<'_>) {
        for of_a_shard in targets.chunk_by(|(one, ..), (other, ..)| one >> 32 == other >> 32) {
            self.pin_to(self.shard(of_a_shard[0].1), moment, |pinned| {
                (0..of_a_shard.len().div_ceil(ENDED_PER_CHUNK)).for_each(|_| pinned.maintain());
            });
        }
    }
}

/// One chunk is moved for each so many ended sessions, which is enough to shrink an array.
const ENDED_PER_CHUNK: usize = 4;

impl<'g, P: Payload> Pinned<'g, P> {
    /// Ends the session if it has been revoked. Returns whether it had not expired before.
    fn end_if_revoked(&self, target: Target<'_>, listed: bool) -> Option<bool> {
        while let Some(found) = self.locate(target) {
            if self.judge(found.entry, found.stamp) != Judgement::Revoked {
                return None;
            }
            // Judged by the reading from before the revocation: a session that had expired by then was not ended by it.
            let (counts, cause) = match self.moment.judge(found.stamp, found.entry.limits()) {
                Verdict::Expired(limit) => (false, limit.into()),
                Verdict::Live | Verdict::Ahead(_) => (true, RemovalCause::Principal),
            };
            if self.kill(found.entry, found.stamp, cause) {
                if !listed {
                    self.removals.last_is_unlisted();
                }
                self.clear_found(&found, target);
                return Some(counts);
            }
        }
        None
    }

    /// Prefetches the first entry whose fingerprint matches this hash.
    fn prefetch_matching(&self, hash: Hash) {
        if MODEL {
            return;
        }
        let array = self.shard.current(self.guard);
        let slots = array.probe(hash).take(LINE).map(|slot| slot.load());
        if let Some(word) = slots.take_while(|word| !word.is_empty()).find(|word| word.matches(hash)) {
            self.entry(word).prefetch();
        }
    }
}
