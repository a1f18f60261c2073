//! Inserting a key that is not there.
//!
//! Keys that are drawn at random never meet, but the table does not count on it: of several inserts of one key, one wins. While an
//! array is being left this takes two rules. An insert into the next array first freezes the empty slot that ends the key's
//! probe in the old one, so that nobody can put the key there any more; and an insert that meets a frozen slot where it did not
//! expect one starts over, for it has missed the beginning of a migration.

use crate::entry::life::Life;
use crate::entry::{Key, Owned, Payload};
use crate::events::RemovalCause;
use crate::expiry::Moment;
use crate::sync::step;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::structure::array::Array;
use crate::table::structure::counters::Counters;
use crate::table::structure::population::Place;
use crate::table::structure::shard::Shard;
use crate::table::structure::slot::{Slot, Word};

/// What an insert has come to.
enum Step {
    Inserted,
    /// There is a live session with this key.
    Taken,
    /// The arrays are not what they were when it began.
    StartOver,
}

/// What an insert does about an entry that it meets.
enum Met {
    /// It is a live session with the key.
    Taken,
    /// The slot has changed, or this call has changed it.
    Again,
    /// It is none of its business, or not any more.
    Pass,
}

/// An insert on its way: the entry to put in, and whether a slot is spoken for it.
///
/// It is admitted once, to whichever array it finds, and that is good for all that follow: it was counted before that array was sealed, so
/// every later one is made with a slot spoken for it. (Were it to be admitted to each array anew, inserts could push one another from array
/// to array without end.)
pub(in crate::table) struct Insertion<'k> {
    pub(super) target: Target<'k>,
    pub(super) word: Word,
    admitted: bool,
}

impl<'k> Insertion<'k> {
    pub(in crate::table) fn new(target: Target<'k>, word: Word) -> Self {
        Self { target, word, admitted: false }
    }

    /// Speaks for a slot of `array`, unless that has been done.
    fn admit(&mut self, array: &Array) -> bool {
        self.admitted = self.admitted || array.admit();
        self.admitted
    }
}

impl<P: Payload> Table<P> {
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

/// An entry of so many bytes, counted in its shard before it arrives. Counted out again when dropped, unless it has arrived.
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
        for (number, slot) in array.probe(insertion.target.hash).enumerate() {
            loop {
                let word = slot.load();
                if word.is_frozen() {
                    return Step::StartOver;
                }
                if word.is_empty() {
                    step("place in the current");
                    if !insertion.admit(array) {
                        self.begin(array);
                        return Step::StartOver;
                    }
                    step("admitted");
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
        // One chunk before each slot that is taken from what `next` has left: so it lasts until the migration is over.
        self.help(array);
        if !insertion.admit(next) {
            self.finish(array);
            return Step::StartOver;
        }
        step("admitted to the next");
        for (number, slot) in next.probe(insertion.target.hash).enumerate() {
            loop {
                let word = slot.load();
                if word.is_frozen() {
                    return Step::StartOver;
                }
                if word.is_empty() {
                    step("place in the next");
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
        // More is spoken for in `next` than has come. Its turn to be left comes after this array's.
        self.finish(array);
        Step::StartOver
    }

    /// Makes sure that the key is not in an array that is being left, nor ever will be.
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
        let Some(entry) = self.bearing(word, target) else { return Met::Pass };
        match entry.life().load() {
            Life::Pending => return Met::Taken,
            Life::Live(stamp) => {
                let taken = match self.judge(entry, stamp) {
                    Judgement::Live => true,
                    Judgement::Forward => !self.end_idle_forward(entry, stamp),
                    Judgement::Revoked => {
                        self.kill(entry, stamp, RemovalCause::Principal);
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
            self.settle(previous, target);
        }
        self.clear(slot, word, entry);
        Met::Again
    }
}
