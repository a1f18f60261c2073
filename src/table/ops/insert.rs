//! Inserting a session.
//!
//! Random keys never collide, but the table does not rely on it: of several inserts of one key, one wins. During a
//! migration this takes two rules. An insert into the next array first freezes the empty slot that ends the key's probe
//! in the old array, so that no thread can put the key there any more. And an insert into the current array that meets
//! a frozen slot starts over, because it has missed the beginning of a migration.

use crate::entry::life::Life;
use crate::entry::{Key, Owned, Payload};
use crate::expiry::Moment;
use crate::sync::step;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::structure::array::Array;
use crate::table::structure::counters::Counters;
use crate::table::structure::population::Place;
use crate::table::structure::shard::Shard;
use crate::table::structure::slot::{Slot, Word};

/// The outcome of one attempt to insert.
enum Step {
    Inserted,
    /// There is a live session with this key.
    Taken,
    /// The arrays have changed since it began.
    StartOver,
}

/// What an insert does after it has met a word in a slot.
enum Met {
    /// Gives up: there is a live session with the key.
    Taken,
    /// Looks at the slot again, because it has changed.
    Again,
    /// Goes on to the next slot.
    Pass,
}

/// An insert under way: the word to put into a slot, and whether it has a reservation.
///
/// An insert reserves a slot once, in the array that it finds. The reservation stays valid across migrations: the
/// insert was counted before that array was sealed, so each later array is made with a slot reserved for it. (If it had
/// to reserve a slot in each array anew, inserts could push one another from array to array without end.)
pub(in crate::table) struct Insertion<'k> {
    pub(super) target: Target<'k>,
    pub(super) word: Word,
    has_slot: bool,
}

impl<'k> Insertion<'k> {
    pub(in crate::table) fn new(target: Target<'k>, word: Word) -> Self {
        Self { target, word, has_slot: false }
    }

    /// Reserves a slot of `array`, unless the insert has a reservation.
    fn reserve_slot(&mut self, array: &Array) -> bool {
        self.has_slot = self.has_slot || array.reserve_slot();
        self.has_slot
    }
}

impl<P: Payload> Table<P> {
    /// Takes a place without bytes for a session with this key, if the limit allows another session. Lock-free.
    pub(crate) fn enter(&self, key: &Key) -> Option<Place<'_>> {
        self.population.enter(self.shard(self.target(key).hash).sessions())
    }

    /// Inserts a session. Returns the entry if there is a live session with its key.
    ///
    /// Lock-free. Takes effect when a slot is filled.
    pub(crate) fn insert(&self, place: Place<'_>, new: Owned<P>, moment: Moment<'_>) -> Result<(), Owned<P>> {
        debug_assert!(place.holds(new.borrow().charge()), "a session takes what was reserved for it");
        self.put(new, moment)?.created();
        place.occupy();
        Ok(())
    }

    /// Puts a live or pending version into the table, unless there is a live or pending version of its key. Returns the
    /// counters that count it as created.
    pub(in crate::table) fn put(&self, new: Owned<P>, moment: Moment<'_>) -> Result<&Counters, Owned<P>> {
        let key = *new.key();
        self.pin(&key, moment, |pinned, target| {
            let arrival = Arrival::new(pinned.shard, new.borrow().size());
            let word = Word::entry(new.pointer(), target.hash);
            if !pinned.insert(Insertion::new(target, word)) {
                return Err(new);
            }
            step("arrived");
            new.publish();
            arrival.arrived();
            Ok(self.shard(target.hash).counters())
        })
    }
}

/// An entry that is counted in its shard before it is inserted. Dropping this counts it out again, unless it has
/// arrived.
struct Arrival<'a>(&'a Shard, usize);

impl<'a> Arrival<'a> {
    fn new(shard: &'a Shard, size: usize) -> Self {
        shard.count_in();
        shard.counters().resized(0, size);
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
        self.0.counters().resized(self.1, 0);
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Puts the entry into the table, unless there is a live session with its key. Takes effect when a slot is filled.
    pub(in crate::table) fn insert(&self, mut insertion: Insertion<'_>) -> bool {
        loop {
            let array = self.shard.current(self.guard);
            let step = match array.next(self.guard) {
                None => self.insert_into_current(&mut insertion, array),
                Some(next) => self.insert_into_next(&mut insertion, array, next),
            };
            match step {
                Step::Inserted => return true,
                Step::Taken => return false,
                Step::StartOver => {}
            }
        }
    }

    fn insert_into_current(&self, insertion: &mut Insertion<'_>, array: &'g Array) -> Step {
        for (number, place) in array.places(insertion.target.hash).enumerate() {
            let slot = place.slot;
            loop {
                let word = slot.load();
                if word.is_frozen() {
                    return Step::StartOver;
                }
                if word.is_empty() {
                    step("place in the current");
                    if !insertion.reserve_slot(array) {
                        self.begin(array);
                        return Step::StartOver;
                    }
                    step("slot reserved");
                    place.announce();
                    step("announced");
                    if slot.fill(insertion.word) {
                        array.probed(number);
                        return Step::Inserted;
                    }
                    continue;
                }
                match self.meet(array, None, slot, word, insertion.target) {
                    Met::Taken => return Step::Taken,
                    Met::Again => {}
                    Met::Pass => break,
                }
            }
        }
        self.begin(array);
        Step::StartOver
    }

    fn insert_into_next(&self, insertion: &mut Insertion<'_>, array: &'g Array, next: &'g Array) -> Step {
        if let Some(step) = self.close(insertion.target, array) {
            return step;
        }
        step("closed");
        // Each insert into `next` first moves a chunk, so that the free slots of `next` last until the migration is
        // over.
        self.help(array);
        if !insertion.reserve_slot(next) {
            self.finish(array);
            return Step::StartOver;
        }
        step("slot reserved in the next");
        for (number, place) in next.places(insertion.target.hash).enumerate() {
            let slot = place.slot;
            loop {
                let word = slot.load();
                if word.is_frozen() {
                    return Step::StartOver;
                }
                if word.is_empty() {
                    step("place in the next");
                    place.announce();
                    step("announced in the next");
                    if slot.fill(insertion.word) {
                        next.probed(number);
                        return Step::Inserted;
                    }
                    continue;
                }
                match self.meet(next, Some(array), slot, word, insertion.target) {
                    Met::Taken => return Step::Taken,
                    Met::Again => {}
                    Met::Pass => break,
                }
            }
        }
        // The reservations of `next` are used up. It can be migrated once this array has been.
        self.finish(array);
        Step::StartOver
    }

    /// Makes sure that the key is not, and never will be, in an array that is being migrated.
    fn close(&self, target: Target<'_>, array: &'g Array) -> Option<Step> {
        for slot in array.probe(target.hash) {
            loop {
                let word = slot.load();
                if word.is_empty() {
                    step("end of the probe");
                    if word.is_frozen() || slot.freeze(word) {
                        return None;
                    }
                    continue;
                }
                match self.meet(array, None, slot, word, target) {
                    Met::Taken => return Some(Step::Taken),
                    Met::Again => {}
                    Met::Pass => break,
                }
            }
        }
        None
    }

    fn meet(
        &self,
        array: &'g Array,
        previous: Option<&'g Array>,
        slot: &'g Slot,
        word: Word,
        target: Target<'_>,
    ) -> Met {
        let Some(entry) = self.entry_with_key(word, target) else { return Met::Pass };
        match entry.life().load() {
            Life::Pending => return Met::Taken,
            Life::Live(stamp) => {
                let taken = match self.judge(entry, stamp) {
                    Judgement::Live | Judgement::Reserved => true,
                    Judgement::Forward => !self.end_idle_forward(entry, stamp),
                    Judgement::Revoked => {
                        self.kill(entry, stamp, self.cause_of_revoked(entry));
                        false
                    }
                    Judgement::Expired | Judgement::Changed => false,
                };
                return if taken { Met::Taken } else { Met::Again };
            }
            Life::Dead | Life::Superseded => {}
        }
        step("met what has ended");
        if word.is_frozen() {
            self.finish_copy(array, slot, word, target.hash);
            return Met::Pass;
        }
        if let Some(previous) = previous {
            self.finish_moves_of(previous, target);
        }
        self.clear(slot, word, entry);
        Met::Again
    }
}
