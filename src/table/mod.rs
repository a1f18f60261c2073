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

mod array;
mod deaths;
mod find;
mod forward;
mod grow;
mod insert;
#[cfg(loom)]
mod inspect;
mod keys;
mod population;
mod probe;
mod revoke;
mod room;
mod rotate;
mod round;
mod shard;
mod sweep;
mod tally;
#[cfg(all(test, not(loom)))]
mod tests;
mod update;
mod visit;
mod word;

#[cfg_attr(loom, allow(unused_imports, reason = "not every model looks at what has ended"))]
pub(crate) use deaths::{Bound, Ended, Observer};
pub(crate) use population::{Place, Population};
#[cfg_attr(loom, allow(unused_imports, reason = "not every model uses them"))]
pub(crate) use room::{Room, Whose};
#[cfg_attr(loom, allow(unused_imports, reason = "not every model rotates"))]
pub(crate) use rotate::Former;
#[cfg_attr(loom, allow(unused_imports, reason = "as above"))]
pub(crate) use round::Part;
pub(crate) use tally::{Tallied, Tally};
pub(crate) use update::{Change, Refusal};

use crate::block::FreesMany;
use crate::entry::account::Binding;
use crate::entry::{EntryRef, Key, Owned, Payload, free_with_successors};
use crate::expiry::{Moment, Tick};
use crate::hash::KeyHasher;
use crate::reclaim::{self, Guard};
use crate::removal::RemovalCause;
use crate::sync::{AtomicUsize, MODEL, Ordering, planted, step};
use array::{Array, MIN_CAPACITY};
use core::cell::OnceCell;
use core::marker::PhantomData;
use crossbeam_utils::CachePadded;
use deaths::Deaths;
use find::NotHere;
use insert::Insertion;
use probe::{Hash, LINE};
use round::Round;
use shard::Shard;
use sweep::Swept;
use update::Removed;
use visit::{Judgement, Target, Visit};
use word::Word;

/// Slots that a partial sweep looks at in one go.
const SPAN: usize = LINE * 8;

/// Why a session is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// There is none with this key.
    Unknown,
    /// There was, but it had expired, and is removed now.
    Expired,
}

/// A concurrent map from keys to sessions.
pub(crate) struct Table<P: Payload> {
    shards: Box<[Shard]>,
    hasher: KeyHasher,
    population: Population,
    /// Where the next partial sweep begins.
    hand: CachePadded<AtomicUsize>,
    /// Where the next sample of a full table begins.
    sample_hand: CachePadded<AtomicUsize>,
    round: CachePadded<Round>,
    observer: Option<Box<dyn Observer>>,
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
            hand: CachePadded::new(AtomicUsize::new(0)),
            sample_hand: CachePadded::new(AtomicUsize::new(0)),
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

    /// To be made before the thread pins itself, so that it is dropped after the guard.
    #[inline]
    fn deaths(&self) -> Deaths<'_> {
        Deaths::new(&self.observer)
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
    fn visit<'g>(
        &'g self,
        shard: &'g Shard,
        moment: Moment<'g>,
        guard: &'g Guard,
        deaths: &'g Deaths<'g>,
    ) -> Visit<'g, P> {
        Visit { table: self, shard, moment, guard, deaths }
    }

    /// Takes a place for a session with this key, if the limit allows one more. Lock-free.
    pub(crate) fn enter(&self, key: &Key) -> Option<Place<'_>> {
        self.population.enter(self.shard(self.target(key).hash).sessions())
    }

    /// Inserts a session. Gives the entry back if there is a live one with its key.
    ///
    /// Lock-free. Takes effect when a slot is filled.
    pub(crate) fn insert(&self, place: Place<'_>, new: Owned<P>, moment: Moment<'_>) -> Result<(), Owned<P>> {
        self.put(new, moment)?.created();
        place.occupy();
        Ok(())
    }

    /// Puts a live or a pending version into the table, unless there is a live or a pending one with its key, and returns where to
    /// count it as created.
    fn put(&self, new: Owned<P>, moment: Moment<'_>) -> Result<&Tally, Owned<P>> {
        let target = self.target(new.key());
        let shard = self.shard(target.hash);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        if planted("counted-in-late") {
            shard.count_out();
        }
        let arrival = Arrival::new(shard, new.borrow().size());
        let word = Word::entry(new.pointer(), target.hash);
        if !self.visit(shard, moment, &guard, &deaths).insert(Insertion::new(target, word)) {
            return Err(new);
        }
        if planted("counted-in-late") {
            shard.count_in();
        }
        step("arrived");
        new.publish();
        arrival.arrived();
        Ok(shard.tally())
    }

    /// Shows `f` the live version of a session; touches the session first if told to. Follows a forward.
    ///
    /// Lock-free. Takes effect when the stamp is moved, or where it is not, when it is loaded.
    #[inline(always)]
    pub(crate) fn read<R>(
        &self,
        key: &Key,
        touch: bool,
        moment: Moment<'_>,
        f: impl FnOnce(EntryRef<'_, P>) -> R,
    ) -> Result<R, Absence> {
        let target = self.target(key);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        let visit = self.visit(self.shard(target.hash), moment, &guard, &deaths);
        match visit.live_version(target, touch) {
            Ok(version) => Ok(f(version)),
            Err(NotHere::Forward(forward)) => visit.follow(forward, touch).map(f),
            Err(NotHere::Absent(absence)) => Err(absence),
        }
    }

    /// Does to the live version of a session what `build` says of it. `build` is given the stamp for the new version, and may be called
    /// several times.
    ///
    /// Lock-free. Takes effect when the old version is superseded, touched or ended; where it is kept, when it was seen live.
    pub(crate) fn update<E>(
        &self,
        key: &Key,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, P>, Tick) -> Result<Change<P>, E>,
    ) -> Result<(), Refusal<E>> {
        let target = self.target(key);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        let visit = self.visit(self.shard(target.hash), moment, &guard, &deaths);
        let result = visit.update(target, build);
        visit.maintain();
        result
    }

    /// The key of the principal that a session is bound to, if it is bound, and the binding. Follows a forward.
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded.
    pub(crate) fn read_bound(&self, key: &Key, moment: Moment<'_>) -> Result<Option<(Key, Binding)>, Absence> {
        // Pinned before the session is looked up, and so when it is seen live.
        let guard = reclaim::pin();
        let binding = self.read(key, false, moment, |version| version.binding())?;
        Ok(binding.map(|binding| {
            // SAFETY: the session was a user of its account when it was seen live.
            (*unsafe { binding.account(&guard) }.key(), binding)
        }))
    }

    /// Whether there is a session of this very key, or one that is about to be: a pending version.
    pub(crate) fn holds(&self, key: &Key, moment: Moment<'_>) -> bool {
        let target = self.target(key);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        self.visit(self.shard(target.hash), moment, &guard, &deaths).holds(target)
    }

    /// Ends a session that was touched last at `stamp`, and was revoked by nobody, in favour of one with the key `newcomer`, for which its
    /// place is returned. `None` if it has been used or has ended since.
    ///
    /// Lock-free. Takes effect when the session's live version dies.
    pub(crate) fn end_for(
        &self,
        key: &Key,
        stamp: Tick,
        newcomer: &Key,
        cause: RemovalCause,
        moment: Moment<'_>,
    ) -> Option<Place<'_>> {
        let target = self.target(key);
        let shard = self.shard(target.hash);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        let visit = self.visit(shard, moment, &guard, &deaths);
        let found = visit.locate(target)?;
        if found.stamp != stamp || visit.judge(found.entry, stamp) != Judgement::Live {
            return None;
        }
        if !visit.kill_keeping_the_place(found.entry, stamp, cause) {
            return None;
        }
        let place = self.population.take_over(shard.sessions(), self.shard(self.target(newcomer).hash).sessions());
        visit.clean_up(&found, target);
        visit.maintain();
        Some(place)
    }

    /// Ends a session, also one that a forward under this key leads to. False if there is none, or an expired one.
    ///
    /// Lock-free. Takes effect when the live version dies.
    pub(crate) fn remove(&self, key: &Key, moment: Moment<'_>) -> bool {
        let target = self.target(key);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        let visit = self.visit(self.shard(target.hash), moment, &guard, &deaths);
        let removed = match visit.remove(target) {
            Removed::Forwards(forward) => visit.remove_target(forward),
            removed => removed,
        };
        visit.maintain();
        matches!(removed, Removed::Ended)
    }

    /// Ends all expired sessions, says how many, and gives back the memory that this leaves unused.
    pub(crate) fn sweep(&self, moment: Moment<'_>) -> usize {
        let mut expired = 0;
        let _all_comes_back = FreesMany::begin();
        for shard in &self.shards {
            let deaths = self.deaths();
            let guard = reclaim::pin();
            let visit = self.visit(shard, moment, &guard, &deaths);
            let swept = visit.sweep();
            visit.settle_down();
            drop(guard);
            drop(deaths);
            reclaim::collect(swept.expired);
            expired += swept.expired;
        }
        reclaim::flush(0);
        expired
    }

    /// Ends some expired sessions, looking at no more than so many entries, nor at more than eight times as many slots. Stops after the first
    /// piece of work that has ended one. Says how many.
    pub(crate) fn sweep_some(&self, entries: usize, moment: Moment<'_>) -> usize {
        let (most, round) = (entries * 8 / SPAN, OnceCell::new());
        let first = self.hand.load(Ordering::Relaxed); // Relaxed, as below: only spreads the work.
        let (mut swept, mut ticket) = (Swept::default(), first);
        let more = |spans| spans < most && self.is_within_a_round(spans, &round);
        while swept.expired == 0 && swept.examined < entries && more(ticket.wrapping_sub(first)) {
            let shard = &self.shards[ticket % self.shards.len()];
            let start = (ticket / self.shards.len()).wrapping_mul(SPAN);
            let deaths = self.deaths();
            let guard = reclaim::pin();
            let visit = self.visit(shard, moment, &guard, &deaths);
            swept.add(visit.sweep_span(start..start.saturating_add(SPAN)));
            ticket = ticket.wrapping_add(1);
        }
        step("part swept");
        // The next one goes on where this one stopped. Of several at once, one moves the hand: none skips what none has looked at.
        let _ = self.hand.compare_exchange(first, ticket, Ordering::Relaxed, Ordering::Relaxed);
        swept.expired
    }

    /// Whether a partial sweep that has looked at so many spans may have missed something. A round has a span of each
    /// shard at the least; how many it has, which takes a look at every shard, is found out only when it matters. So a
    /// short search costs the same however many shards there are.
    fn is_within_a_round(&self, spans: usize, round: &OnceCell<usize>) -> bool {
        spans < self.shards.len() || spans < *round.get_or_init(|| self.spans_in_a_round())
    }

    /// How many spans make a partial sweep that misses nothing: they take the shards in turn.
    fn spans_in_a_round(&self) -> usize {
        let guard = reclaim::pin();
        let largest = self.shards.iter().map(|shard| {
            step("shard measured");
            let array = shard.current(&guard);
            array.next(&guard).map_or(0, Array::capacity).max(array.capacity())
        });
        largest.max().unwrap_or(0).div_ceil(SPAN) * self.shards.len()
    }

    /// The number of sessions, expired ones included. Exact when no operation is under way.
    pub(crate) fn len(&self) -> usize {
        self.population.count(self.shards.iter().map(Shard::sessions))
    }

    /// What has come and gone since the table was made.
    pub(crate) fn tallied(&self) -> Tallied {
        let mut sum = Tallied::default();
        self.shards.iter().for_each(|shard| shard.tally().add_to(&mut sum));
        sum
    }

    /// The number of slots that the current arrays have.
    pub(crate) fn capacity(&self) -> usize {
        let guard = reclaim::pin();
        self.shards.iter().map(|shard| shard.current(&guard).capacity()).sum()
    }

    /// The number of entries in the slots, with those that are about to come or have just gone.
    pub(crate) fn occupied(&self) -> usize {
        self.shards.iter().map(Shard::occupied).sum()
    }

    /// How many slots were tried at the most to put an entry into one of the current arrays.
    pub(crate) fn longest_probe(&self) -> usize {
        let guard = reclaim::pin();
        self.shards.iter().map(|shard| shard.current(&guard).longest_probe()).max().unwrap_or(0)
    }
}

impl<P: Payload> Drop for Table<P> {
    fn drop(&mut self) {
        let deaths = Deaths::new(&None);
        let guard = reclaim::pin();
        let timeless = Moment::new(Tick::new(0), u64::MAX, &|| Tick::new(0));
        for shard in &self.shards {
            self.visit(shard, timeless, &guard, &deaths).finish_all();
        }
        drop(guard);
        drop(deaths);
        // The arrays that were left last, each in a bag of its own. A matter of time only, which the models need not explore.
        if !MODEL {
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

/// An entry of so many bytes, counted in its shard before it arrives. Counted out again when dropped, unless it has arrived.
struct Arrival<'a>(&'a Shard, usize);

impl<'a> Arrival<'a> {
    fn new(shard: &'a Shard, size: usize) -> Self {
        shard.count_in();
        shard.tally().resized(0, size);
        step("counted in");
        Self(shard, size)
    }

    fn arrived(self) {
        core::mem::forget(self);
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.0.count_out();
        self.0.tally().resized(self.1, 0);
    }
}
