//! The table: a sharded, lock-free, epoch-reclaimed hash table of sessions.
//!
//! | file | what it has |
//! |---|---|
//! | `structure` | slots, arrays, shards, counters |
//! | `ops` | the operations, one file each |
//! | `pinned` | one pinned thread at work on one shard: judging, touching and ending versions, clearing slots |
//! | `search` | the writer's search for a live version |
//! | `migrate` | growth, purging and shrinking |
//! | `cause` | why sessions end |
//! | `removals` | reporting ended sessions to an observer |
//!
//! A key names at most one session. A session is a chain of versions ([`crate::entry`]), the first of which is in a
//! slot. The life word of the live version decides whether and how the session exists. A slot only says where to look:
//! an operation that has taken effect may leave a dead or superseded entry in a slot, and the next thread that meets
//! the entry clears the slot.
//!
//! Every operation is lock-free: a thread that stops at any instruction keeps no other thread from completing. The
//! claim excludes the memory allocator.

mod cause;
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

pub use cause::RemovalCause;
#[cfg_attr(loom, allow(unused_imports, reason = "not every model uses them all"))]
pub(crate) use ops::{Change, Former, Part, Refusal, Room, Taken, Unlimited, Whose};
#[cfg_attr(loom, allow(unused_imports, reason = "not every model observes removals"))]
pub(crate) use removals::{Bound, Captured, Ended, Observer};
pub(crate) use search::Absence;
pub(crate) use structure::budget::Reservation;
pub(crate) use structure::counters::Counts;
pub(crate) use structure::population::{Place, Population};

use crate::entry::{EntryRef, Key, Payload, free_with_successors};
use crate::expiry::{Moment, Tick};
use crate::hash::KeyHasher;
use crate::memory;
use crate::sync::{AtomicUsize, MODEL};
use core::marker::PhantomData;
use crossbeam_utils::CachePadded;
use ops::Round;
use pinned::{Pinned, Target};
use removals::Removals;
use structure::array::{Array, MIN_CAPACITY};
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
    /// Returns an empty table of `shards` shards, rounded up to a power of two, for at most `limit` sessions (0: any
    /// number).
    ///
    /// May wait for another thread that makes its first table. No other operation waits.
    pub(crate) fn new(shards: usize, limit: usize) -> Self {
        memory::prepare();
        let shards = shards.clamp(1, Hash::MAX_SHARDS).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Shard::new(Box::new(Array::new(MIN_CAPACITY, 0)))).collect(),
            hasher: KeyHasher::new(),
            population: Population::new(limit, 0),
            cursor: CachePadded::new(AtomicUsize::new(0)),
            sample_cursor: CachePadded::new(AtomicUsize::new(0)),
            round: CachePadded::new(Round::new()),
            observer: None,
            payload: PhantomData,
        }
    }

    /// Limits the bytes that the sessions of an empty table of at most `limit` sessions take together (0: any number).
    pub(crate) fn within_bytes(mut self, limit: usize, bytes: usize) -> Self {
        self.population = Population::new(limit, bytes);
        self
    }

    /// Reports the table's ended sessions to `observer`.
    pub(crate) fn observed_by(mut self, observer: Box<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Since when the session with this key is held in use, if it is.
    #[cold]
    fn held_since(&self, key: &Key) -> Option<Tick> {
        self.observer.as_ref().and_then(|observer| observer.held_since(key))
    }

    /// Pins the thread for an operation on the session with this key. Every operation except a look-up begins here or
    /// in [`pin_to`](Self::pin_to).
    #[inline(always)]
    fn pin<'t, R>(
        &'t self,
        key: &Key,
        moment: Moment<'_>,
        f: impl for<'g> FnOnce(Pinned<'g, P>, Target<'_>) -> R,
    ) -> R {
        let target = self.target(key);
        let removals = Removals::new(&self.observer);
        let guard = memory::pin();
        f(Pinned { table: self, shard: self.shard(target.hash), moment, guard: &guard, removals: &removals }, target)
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

    /// Moves the place of a session that has died in `from` to the shard of the key `to`, with `bytes` of its bytes.
    fn take_over<'t>(&'t self, from: &Shard, to: &Key, bytes: usize) -> Place<'t> {
        self.population.take_over(from.sessions(), self.shard(self.target(to).hash).sessions(), bytes)
    }

    /// The place of a session with this live version, which has just died in `from`, with all of its bytes.
    fn take_over_from<'t>(&'t self, from: &Shard, version: EntryRef<'_, P>, to: &Key) -> Place<'t> {
        let bytes = if self.limits_bytes() { version.charge() } else { 0 };
        self.take_over(from, to, bytes)
    }

    /// Whether there is a limit on the bytes of all sessions.
    #[inline]
    pub(crate) fn limits_bytes(&self) -> bool {
        self.population.budget().is_limited()
    }

    /// A reservation of no bytes, if there is a limit on bytes.
    #[inline]
    pub(crate) fn reservation(&self) -> Option<Reservation<'_>> {
        self.population.budget().reservation()
    }

    /// The bytes that the sessions take, reservations included. 0 without a limit.
    pub(crate) fn bytes_taken(&self) -> usize {
        self.population.budget().taken()
    }

    /// The number of sessions, expired ones included. Exact when no operation is under way.
    pub(crate) fn len(&self) -> usize {
        self.population.count(self.shards.iter().map(Shard::sessions))
    }

    /// The number of reservations, expired ones included.
    pub(crate) fn reservations(&self) -> usize {
        self.population.reservations()
    }

    /// Counts of what has happened since the table was made.
    pub(crate) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.shards.iter().for_each(|shard| shard.counters().add_to(&mut sum));
        sum
    }

    /// The number of slots of the current arrays.
    pub(crate) fn capacity(&self) -> usize {
        let guard = memory::pin();
        self.shards.iter().map(|shard| shard.current(&guard).capacity()).sum()
    }

    /// The number of entries in the slots, including entries that are about to come or have just gone.
    pub(crate) fn occupied(&self) -> usize {
        self.shards.iter().map(Shard::occupied).sum()
    }

    /// The length of the longest probe that has put an entry into one of the current arrays.
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
        // Frees the last migrated arrays, each of which is in a batch of its own. The models need not explore this.
        if !MODEL {
            memory::collect(2 * self.shards.len() * memory::BATCH);
        }
        for shard in &mut self.shards {
            for slot in shard.current_mut().slots_mut() {
                let word = slot.load_exclusive();
                if word.holds_entry() {
                    // SAFETY: the shard has no other array, so no other slot holds the entry, and nothing uses the
                    // table.
                    unsafe { free_with_successors::<P>(word.pointer()) }
                }
            }
        }
    }
}
