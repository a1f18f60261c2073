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
//! | `find`, `insert`, `update`, `sweep` | the operations |
//! | `grow` | growth, purging, shrinking |
//!
//! A key names at most one session. A session is a chain of versions ([`crate::entry`]), the first of which is in a slot; all
//! questions about it are settled on the life word of its live version. The slots say only where to look: an operation that has
//! taken effect may leave slots behind that name dead or superseded entries, and whoever passes by clears them.
//!
//! Every operation is lock-free: a thread that stops at any instruction keeps no other from completing. The allocator is outside
//! this claim.

mod array;
mod find;
mod grow;
mod insert;
#[cfg(loom)]
mod inspect;
mod population;
mod probe;
mod shard;
mod sweep;
#[cfg(all(test, not(loom)))]
mod tests;
mod update;
mod visit;
mod word;

pub(crate) use population::{Place, Population};
pub(crate) use update::Refusal;

use crate::entry::{EntryRef, Key, Owned, Payload, free_with_successors};
use crate::expiry::{Moment, Tick};
use crate::hash::KeyHasher;
use crate::reclaim::{self, Guard};
use crate::sync::{AtomicUsize, Ordering, planted, step};
use array::{Array, MIN_CAPACITY};
use core::marker::PhantomData;
use insert::Insertion;
use probe::{Hash, LINE};
use shard::Shard;
use sweep::Swept;
use visit::{Target, Visit};
use word::Word;

/// Slots that a partial sweep looks at in one go.
const SPAN: usize = LINE * 8;

/// A concurrent map from keys to sessions.
pub(crate) struct Table<P: Payload> {
    shards: Box<[Shard]>,
    hasher: KeyHasher,
    population: Population,
    /// Where the next partial sweep begins.
    hand: AtomicUsize,
    payload: PhantomData<P>,
}

impl<P: Payload> Table<P> {
    /// An empty table of so many shards, rounded up to a power of two, for at most `limit` sessions (0: any number).
    ///
    /// May wait for another thread that makes its first table; nothing else here waits for anyone.
    pub(crate) fn new(shards: usize, limit: usize) -> Self {
        reclaim::prepare();
        let shards = shards.clamp(1, Hash::MAX_SHARDS).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Shard::new(Box::new(Array::new(MIN_CAPACITY, 0)))).collect(),
            hasher: KeyHasher::new(),
            population: Population::new(limit),
            hand: AtomicUsize::new(0),
            payload: PhantomData,
        }
    }

    #[inline]
    fn target<'k>(&self, key: &'k Key) -> Target<'k> {
        Target::new(&self.hasher, key)
    }

    #[inline]
    fn shard(&self, hash: Hash) -> &Shard {
        &self.shards[hash.shard(self.shards.len())]
    }

    #[inline]
    fn visit<'g>(&'g self, shard: &'g Shard, moment: Moment<'g>, guard: &'g Guard) -> Visit<'g, P> {
        Visit { shard, hasher: &self.hasher, population: &self.population, moment, guard, payload: PhantomData }
    }

    /// Takes a place for a session with this key, if the limit allows one more. Lock-free.
    pub(crate) fn enter(&self, key: &Key) -> Option<Place<'_>> {
        self.population.enter(self.shard(self.target(key).hash).sessions())
    }

    /// Inserts a session. Gives the entry back if there is a live one with its key.
    ///
    /// Lock-free. Takes effect when a slot is filled.
    pub(crate) fn insert(&self, place: Place<'_>, new: Owned<P>, moment: Moment<'_>) -> Result<(), Owned<P>> {
        let target = self.target(new.key());
        let shard = self.shard(target.hash);
        let guard = reclaim::pin();
        if planted("counted-in-late") {
            shard.count_out();
        }
        let arrival = Arrival::new(shard);
        let word = Word::entry(new.pointer(), target.hash);
        if !self.visit(shard, moment, &guard).insert(Insertion::new(target, word)) {
            return Err(new);
        }
        if planted("counted-in-late") {
            shard.count_in();
        }
        step("arrived");
        new.publish();
        arrival.arrived();
        place.occupy();
        Ok(())
    }

    /// Shows `f` the live version of a session; touches the session first if told to.
    ///
    /// Lock-free. Takes effect when the stamp is moved, or where it is not, when it is loaded.
    #[inline]
    pub(crate) fn read<R>(
        &self,
        key: &Key,
        touch: bool,
        moment: Moment<'_>,
        f: impl FnOnce(EntryRef<'_, P>) -> R,
    ) -> Option<R> {
        let target = self.target(key);
        let guard = reclaim::pin();
        self.visit(self.shard(target.hash), moment, &guard).live_version(target, touch).map(f)
    }

    /// Replaces the live version of a session by what `build` makes of it; by nothing if it makes nothing, which is a touch.
    /// `build` is given the stamp for the new version, and may be called several times.
    ///
    /// Lock-free. Takes effect when the old version is superseded, or touched.
    pub(crate) fn update<E>(
        &self,
        key: &Key,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, P>, Tick) -> Result<Option<Owned<P>>, E>,
    ) -> Result<(), Refusal<E>> {
        let target = self.target(key);
        let guard = reclaim::pin();
        let visit = self.visit(self.shard(target.hash), moment, &guard);
        let result = visit.update(target, build);
        visit.maintain();
        result
    }

    /// Ends a session. False if there is none, or an expired one.
    ///
    /// Lock-free. Takes effect when the live version dies.
    pub(crate) fn remove(&self, key: &Key, moment: Moment<'_>) -> bool {
        let target = self.target(key);
        let guard = reclaim::pin();
        let visit = self.visit(self.shard(target.hash), moment, &guard);
        let removed = visit.remove(target);
        visit.maintain();
        removed
    }

    /// Ends all expired sessions, says how many, and gives back the memory that this leaves unused.
    pub(crate) fn sweep(&self, moment: Moment<'_>) -> usize {
        let mut expired = 0;
        for shard in &self.shards {
            let guard = reclaim::pin();
            let visit = self.visit(shard, moment, &guard);
            let swept = visit.sweep();
            visit.settle_down();
            drop(guard);
            reclaim::collect(swept.expired);
            expired += swept.expired;
        }
        expired
    }

    /// Ends some expired sessions, looking at no more than so many entries, nor at more than eight times as many slots. Stops after the first
    /// piece of work that has ended one. Says how many.
    pub(crate) fn sweep_some(&self, entries: usize, moment: Moment<'_>) -> usize {
        let spans = (entries * 8 / SPAN).min(self.spans_in_a_round());
        let first = self.hand.load(Ordering::Relaxed); // Relaxed, as below: only spreads the work.
        let (mut swept, mut ticket) = (Swept::default(), first);
        while ticket.wrapping_sub(first) < spans && swept.expired == 0 && swept.examined < entries {
            let shard = &self.shards[ticket % self.shards.len()];
            let start = (ticket / self.shards.len()).wrapping_mul(SPAN);
            let guard = reclaim::pin();
            let visit = self.visit(shard, moment, &guard);
            swept.add(visit.sweep_span(start..start.saturating_add(SPAN)));
            ticket = ticket.wrapping_add(1);
        }
        // The next one goes on where this one stopped. Of several at once, one moves the hand: none skips what none has looked at.
        let _ = self.hand.compare_exchange(first, ticket, Ordering::Relaxed, Ordering::Relaxed);
        swept.expired
    }

    /// How many spans make a partial sweep that misses nothing: they take the shards in turn.
    fn spans_in_a_round(&self) -> usize {
        let guard = reclaim::pin();
        let largest = self.shards.iter().map(|shard| {
            let array = shard.current(&guard);
            array.next(&guard).map_or(0, Array::capacity).max(array.capacity())
        });
        largest.max().unwrap_or(0).div_ceil(SPAN) * self.shards.len()
    }

    /// The number of sessions, expired ones included. Exact when no operation is under way.
    pub(crate) fn len(&self) -> usize {
        self.population.count(self.shards.iter().map(Shard::sessions))
    }

    /// The number of slots that the current arrays have.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        let guard = reclaim::pin();
        self.shards.iter().map(|shard| shard.current(&guard).capacity()).sum()
    }
}

impl<P: Payload> Drop for Table<P> {
    fn drop(&mut self) {
        let guard = reclaim::pin();
        let timeless = Moment::new(Tick::new(0), u64::MAX, &|| Tick::new(0));
        for shard in &self.shards {
            self.visit(shard, timeless, &guard).finish_all();
        }
        drop(guard);
        // The arrays that were left last, each in a bag of its own. A matter of time only, which the models need not explore.
        if !cfg!(loom) {
            reclaim::collect(2 * self.shards.len() * reclaim::BAG);
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

/// An entry counted in its shard before it arrives. Counted out again when dropped, unless it has arrived.
struct Arrival<'a>(&'a Shard);

impl<'a> Arrival<'a> {
    fn new(shard: &'a Shard) -> Self {
        shard.count_in();
        step("counted in");
        Self(shard)
    }

    fn arrived(self) {
        core::mem::forget(self);
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.0.count_out();
    }
}
