//! Sweeps: ending expired sessions slot by slot.

use crate::entry::life::Life;
use crate::entry::{EntryRef, Payload};
use crate::expiry::Moment;
use crate::memory::{self, FreesMany};
use crate::sync::{Ordering, step};
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned};
use crate::table::structure::array::Array;
use crate::table::structure::probe::LINE;
use crate::table::structure::slot::{Slot, Word};
use core::cell::OnceCell;
use core::ops::Range;

/// Slots that a partial sweep looks at while the thread is pinned once.
pub(in crate::table) const SPAN: usize = LINE * 8;

/// The distance, in lines of slots, at which a sweep prefetches entries.
const LINES_AHEAD: usize = 2;

/// The result of a sweep over some slots.
#[derive(Clone, Copy, Default)]
pub(in crate::table) struct Swept {
    /// The number of entries that were examined.
    pub(super) examined: usize,
    /// The number of expired sessions that this sweep has ended.
    pub(super) expired: usize,
}

impl Swept {
    pub(in crate::table) fn add(&mut self, other: Self) {
        self.examined += other.examined;
        self.expired += other.expired;
    }
}

impl<P: Payload> Table<P> {
    /// Ends all expired sessions, returns their number, and frees the memory that this leaves unused.
    pub(crate) fn sweep(&self, moment: Moment<'_>) -> usize {
        let mut expired = 0;
        let _all_comes_back = FreesMany::begin();
        for shard in &self.shards {
            let swept = self.pin_to(shard, moment, |pinned| {
                let swept = pinned.sweep();
                pinned.finish_and_shrink();
                swept
            });
            memory::collect(swept.expired);
            expired += swept.expired;
        }
        memory::flush(0);
        expired
    }

    /// Ends some expired sessions and returns their number. Examines at most `entries` entries, and at most eight times
    /// as many slots. Stops after the first span of slots in which it has ended a session.
    pub(crate) fn sweep_some(&self, entries: usize, moment: Moment<'_>) -> usize {
        let (most, round) = (entries * 8 / SPAN, OnceCell::new());
        let first = self.cursor.load(Ordering::Relaxed); // Relaxed, as below: only spreads the work.
        let (mut swept, mut ticket) = (Swept::default(), first);
        let more = |spans| spans < most && self.is_within_a_round(spans, &round);
        while swept.expired == 0 && swept.examined < entries && more(ticket.wrapping_sub(first)) {
            let shard = &self.shards[ticket % self.shards.len()];
            let start = (ticket / self.shards.len()).wrapping_mul(SPAN);
            swept.add(self.pin_to(shard, moment, |pinned| pinned.sweep_span(start..start.saturating_add(SPAN))));
            ticket = ticket.wrapping_add(1);
        }
        step("part swept");
        // The next partial sweep goes on where this one stopped. Of several at once only one moves the cursor, so that
        // no span is skipped that none of them has examined.
        // Relaxed: only spreads the work.
        let _ = self.cursor.compare_exchange(first, ticket, Ordering::Relaxed, Ordering::Relaxed);
        swept.expired
    }

    /// Whether a partial sweep may go on after `spans` spans: it stops after a full round. A round has at least one
    /// span for each shard. The exact number takes a look at every shard and is computed only when it matters, so that
    /// a short search costs the same for any number of shards.
    pub(in crate::table) fn is_within_a_round(&self, spans: usize, round: &OnceCell<usize>) -> bool {
        spans < self.shards.len() || spans < *round.get_or_init(|| self.spans_in_a_round())
    }

    /// The number of spans in a full round, which takes the shards in turn.
    fn spans_in_a_round(&self) -> usize {
        let guard = memory::pin();
        let largest = self.shards.iter().map(|shard| {
            step("shard measured");
            let array = shard.current(&guard);
            array.next(&guard).map_or(0, Array::capacity).max(array.capacity())
        });
        largest.max().unwrap_or(0).div_ceil(SPAN) * self.shards.len()
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Sweeps all slots of the shard. Examines each session that is there throughout, a moving one in its old or its
    /// new slot.
    pub(in crate::table) fn sweep(&self) -> Swept {
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

    /// Sweeps a range of slots of the current array and of the next one. The range wraps around the end of an array.
    pub(in crate::table) fn sweep_span(&self, span: Range<usize>) -> Swept {
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
                self.clear_swept(previous, slot, word, entry);
            }
        }
        swept
    }

    /// Prefetches the entries of a line of slots.
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

    /// Ends the session of this entry if it has expired. True if this call did it.
    fn end_if_expired(&self, entry: EntryRef<'g, P>) -> bool {
        let mut version = entry;
        loop {
            match version.life().load() {
                Life::Dead | Life::Pending => return false,
                Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                Life::Live(stamp) => match self.judge(version, stamp) {
                    Judgement::Live | Judgement::Forward | Judgement::Reserved => return false,
                    Judgement::Expired => return version.is_session(),
                    Judgement::Revoked if self.kill(version, stamp, self.cause_of_revoked(version)) => {
                        return version.is_session();
                    }
                    Judgement::Revoked | Judgement::Changed => {}
                },
            }
        }
    }

    /// Clears the slot of an ended entry: directly in the current array, and by the writer's search in the next one.
    fn clear_swept(&self, previous: Option<&'g Array>, slot: &Slot, word: Word, entry: EntryRef<'g, P>) {
        let key = entry.key();
        if !(previous.is_none() && self.clear(slot, word, entry) && entry.life().load() == Life::Dead) {
            self.locate(self.target(key));
        }
    }
}

/// A range of slots, wrapped around the end of an array of `capacity` slots. Spans and capacities are powers of two, so
/// a wrapped span is one range.
pub(in crate::table) fn wrapped(span: &Range<usize>, capacity: usize) -> Range<usize> {
    let start = span.start % capacity;
    start..(start + span.len()).min(capacity)
}
