//! Sweeps: ending expired sessions by going through the slots rather than by key.

use super::array::Array;
use super::probe::LINE;
use super::visit::{Judgement, Visit};
use super::word::{Slot, Word};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Payload};
use crate::removal::RemovalCause;
use crate::sync::{planted, step};
use core::ops::Range;

/// How far ahead of a sweep entries are fetched.
const LINES_AHEAD: usize = 2;

/// What a sweep over some slots came to.
#[derive(Clone, Copy, Default)]
pub(super) struct Swept {
    /// Entries that were looked at.
    pub(super) examined: usize,
    /// Sessions that were found expired, and ended.
    pub(super) expired: usize,
}

impl Swept {
    pub(super) fn add(&mut self, other: Self) {
        self.examined += other.examined;
        self.expired += other.expired;
    }
}

impl<'g, P: Payload> Visit<'g, P> {
    /// Goes through all slots of the shard. Each session that was there all the time is looked at, a moving one in its old place
    /// or its new one.
    pub(super) fn sweep(&self) -> Swept {
        let mut swept = Swept::default();
        let mut array = self.shard.current(self.guard);
        let mut previous = None;
        loop {
            swept.add(self.sweep_slots(array, previous, 0..array.capacity()));
            previous = Some(array);
            match array.next(self.guard) {
                Some(next) => array = next,
                None => return swept,
            }
        }
    }

    /// Goes through a range of slots, counted round and round, of the current array and of the one it is being left for.
    pub(super) fn sweep_span(&self, span: Range<usize>) -> Swept {
        let array = self.shard.current(self.guard);
        let mut swept = self.sweep_slots(array, None, wrapped(&span, array.capacity()));
        if let Some(next) = array.next(self.guard) {
            swept.add(self.sweep_slots(next, Some(array), wrapped(&span, next.capacity())));
        }
        swept
    }

    fn sweep_slots(&self, array: &'g Array, previous: Option<&'g Array>, slots: Range<usize>) -> Swept {
        let mut swept = Swept::default();
        for index in slots {
            if index % LINE == 0 {
                self.prefetch(array, index + LINE * LINES_AHEAD);
            }
            let slot = array.slot(index);
            let word = slot.load();
            if !word.holds_entry() {
                continue;
            }
            let entry = self.entry(word);
            step("slot swept");
            swept.examined += 1;
            if self.end_if_expired(entry) {
                swept.expired += 1;
            }
            if matches!(entry.life().load(), Life::Dead | Life::Superseded) {
                step("ended");
                self.tidy(previous, slot, word, entry);
            }
        }
        swept
    }

    /// Has the entries of a line of slots fetched, which lie all over the memory.
    #[inline]
    fn prefetch(&self, array: &'g Array, line: usize) {
        if cfg!(loom) || line + LINE > array.capacity() {
            return;
        }
        for index in line..line + LINE {
            let word = array.slot(index).load();
            if word.holds_entry() {
                self.entry(word).prefetch();
            }
        }
    }

    /// Ends the session that this entry is a version of, if it has expired. True if this call did it.
    fn end_if_expired(&self, entry: EntryRef<'g, P>) -> bool {
        let mut version = entry;
        loop {
            match version.life().load() {
                Life::Dead | Life::Pending => return false,
                Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                Life::Live(stamp) => match self.judge(version, stamp) {
                    Judgement::Live | Judgement::Forward => return false,
                    Judgement::Expired => return !version.is_forward(),
                    Judgement::Revoked if self.kill(version, stamp, RemovalCause::Principal) => return true,
                    Judgement::Revoked | Judgement::Changed => {}
                },
            }
        }
    }

    /// Takes what has ended out of its slot: at once in the current array; with the writer's care for the one before elsewhere.
    fn tidy(&self, previous: Option<&'g Array>, slot: &Slot, word: Word, entry: EntryRef<'g, P>) {
        let key = entry.key();
        if planted("sweep-skips-the-old-array") {
            self.clear(slot, word, entry);
            return;
        }
        if !(previous.is_none() && self.clear(slot, word, entry) && entry.life().load() == Life::Dead) {
            self.locate(self.target(key));
        }
    }
}

/// A range of slots, counted round and round, in an array of `capacity`; both are powers of two long or aligned to each other.
pub(super) fn wrapped(span: &Range<usize>, capacity: usize) -> Range<usize> {
    let start = span.start % capacity;
    start..(start + span.len()).min(capacity)
}
