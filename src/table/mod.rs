//! The table: a sharded, lock-free, epoch-reclaimed hash table of sessions.
//!
//! | file | what |
//! |---|---|
//! | `word` | the slot word and its transitions |
//! | `probe` | which slots a key may be in |
//! | `array` | one generation of a shard's slots, and how slots are spoken for |
//! | `shard` | the current array and the counters of a shard |
//! | `population` | how many sessions there are, and the limit |
//! | `visit` | one thread at work on one shard; judging versions and clearing slots |
//! | `find`, `insert`, `update`, `rotate`, `sweep` | the operations |
//! | `forward` | following a key that a session had before |
//! | `revoke` | giving back what revoked sessions take |
//! | `keys` | which sessions there are |
//! | `room` | room for a newcomer in a full table |
//! | `round` | sweeping in small pieces, shared among threads |
//! | `grow` | growth, purging, shrinking |
//! | `deaths`, `tally` | who is told of ended sessions; counts of them |
//!
//! A key names at most one session. A session is a chain of versions ([`crate::entry`]), the first of which is in a slot; all
//! questions about it are settled on the life word of its live version. The slots say only where to look: an operation that has
//! taken effect may leave slots behind that name dead or superseded entries, and whoever passes by clears them.
//!
//! Every operation is lock-free: a thread that stops at any instruction keeps no other from completing. The allocator is outside
//! this claim.

#[cfg(loom)]
mod inspect;
#[allow(unsafe_code, reason = "it retires entries and promotes arrays")]
mod migrate;
mod ops;
#[allow(unsafe_code, reason = "it dereferences slots and retires entries")]
mod pinned;
#[allow(unsafe_code, reason = "it reads the account that a binding points to")]
mod removals;
mod search;
mod structure;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg_attr(loom, allow(unused_imports, reason = "not every model uses them all"))]
pub(crate) use ops::{Change, Former, Part, Refusal, Room, Whose};
#[cfg_attr(loom, allow(unused_imports, reason = "not every model observes removals"))]
pub(crate) use removals::{Bound, Ended, Observer};
pub(crate) use search::Absence;
pub(crate) use structure::counters::Counts;
pub(crate) use structure::population::Place;

use crate::entry::{Key, Payload, free_with_successors};
use crate::expiry::Moment;
use crate::hash::KeyHasher;
use crate::memory;
use crate::sync::{AtomicUsize, MODEL};
use core::marker::PhantomData;
use crossbeam_utils::CachePadded;
use ops::Round;
use pinned::{Pinned, Target};
use removals::Removals;
use structure::array::{Array, MIN_CAPACITY};
use structure::population::Population;
use structure::probe::Hash;
use structure::shard::Shard;

/// A concurrent map from keys to sessions.
pub(crate) struct Table<P: Payload> {
    shards: Box<[Shard]>,
    hasher: KeyHasher,
    population: Population,
    /// Where the next partial sweep begins.
    cursor: CachePadded<AtomicUsize>,
    /// Where the next sample of a full table begins.
    sample_cursor: CachePadded<AtomicUsize>,
    round: CachePadded<Round>,
    observer: Option<Box<dyn Observer>>,
    payload: PhantomData<P>,
}

impl<P: Payload> Table<P> {
    /// An empty table of so many shards, rounded up to a power of two, for at most `limit` sessions (0: any number).
    ///
    /// May wait for another thread that makes its first table; nothing else here waits for anyone.
    pub(crate) fn new(shards: usize, limit: usize) -> Self {
        memory::prepare();
        let shards = shards.clamp(1, Hash::MAX_SHARDS).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Shard::new(Box::new(Array::new(MIN_CAPACITY, 0)))).collect(),
            hasher: KeyHasher::new(),
            population: Population::new(limit),
            cursor: CachePadded::new(AtomicUsize::new(0)),
            sample_cursor: CachePadded::new(AtomicUsize::new(0)),
            round: CachePadded::new(Round::new()),
            observer: None,
            payload: PhantomData,
        }
    }

    /// The same table, which tells `observer` of the sessions that end.
    pub(crate) fn observed_by(mut self, observer: Box<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Pins the thread for an operation on the session with this key. The only constructor of [`Pinned`] for a key.
    #[inline(always)]
    fn pin<'t, R>(
        &'t self,
        key: &Key,
        moment: Moment<'_>,
        f: impl for<'g> FnOnce(Pinned<'g, P>, Target<'_>) -> R,
    ) -> R {
        let target = self.target(key);
        self.pin_to(self.shard(target.hash), moment, |pinned| f(pinned, target))
    }

    /// Pins the thread for an operation on one shard.
    #[inline(always)]
    fn pin_to<R>(&self, shard: &Shard, moment: Moment<'_>, f: impl for<'g> FnOnce(Pinned<'g, P>) -> R) -> R {
        // Dropped in reverse order: the thread unpins before it reports removals, because the listener is user code.
        let removals = Removals::new(&self.observer);
        let guard = memory::pin();
        f(Pinned { table: self, shard, moment, guard: &guard, removals: &removals })
    }

    #[inline]
    fn target<'k>(&self, key: &'k Key) -> Target<'k> {
        Target::new(&self.hasher, key)
    }

    #[inline]
    fn shard(&self, hash: Hash) -> &Shard {
        &self.shards[hash.shard(self.shards.len())]
    }

    /// Moves the place of a session that has died in `from` to the shard of the key `to`.
    fn take_over<'t>(&'t self, from: &Shard, to: &Key) -> Place<'t> {
        self.population.take_over(from.sessions(), self.shard(self.target(to).hash).sessions())
    }

    /// The number of sessions, expired ones included. Exact when no operation is under way.
    pub(crate) fn len(&self) -> usize {
        self.population.count(self.shards.iter().map(Shard::sessions))
    }

    /// What has come and gone since the table was made.
    pub(crate) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.shards.iter().for_each(|shard| shard.counters().add_to(&mut sum));
        sum
    }

    /// The number of slots that the current arrays have.
    pub(crate) fn capacity(&self) -> usize {
        let guard = memory::pin();
        self.shards.iter().map(|shard| shard.current(&guard).capacity()).sum()
    }

    /// The number of entries in the slots, with those that are about to come or have just gone.
    pub(crate) fn occupied(&self) -> usize {
        self.shards.iter().map(Shard::occupied).sum()
    }

    /// How many slots were tried at the most to put an entry into one of the current arrays.
    pub(crate) fn longest_probe(&self) -> usize {
        let guard = memory::pin();
        self.shards.iter().map(|shard| shard.current(&guard).longest_probe()).max().unwrap_or(0)
    }
}

#[allow(unsafe_code, reason = "the table frees the entries that are left in it")]
impl<P: Payload> Drop for Table<P> {
    fn drop(&mut self) {
        for shard in &self.shards {
            let removals = Removals::new(&None);
            let guard = memory::pin();
            let moment = Moment::TIMELESS;
            Pinned { table: self, shard, moment, guard: &guard, removals: &removals }.finish_all();
        }
        // The arrays that were left last, each in a bag of its own. A matter of time only, which the models need not explore.
        if !MODEL {
            memory::collect(2 * self.shards.len() * memory::BATCH);
        }
        for shard in &mut self.shards {
            for slot in shard.current_mut().slots_mut() {
                let word = slot.load_exclusive();
                if word.holds_entry() {
                    // SAFETY: the shard has no other array, so no other slot holds the entry, and nobody uses the table any more.
                    unsafe { free_with_successors::<P>(word.pointer()) }
                }
            }
        }
    }
}
