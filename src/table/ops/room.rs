//! Room for a newcomer in a full table, at the cost of a session that is there.
//!
//! A sample of the sessions is looked at, from a hand that goes round, and the idlest one chosen. It is ended from the very stamp by which it was
//! chosen, so that a session which is used meanwhile is not; its place is not given back, but goes to the newcomer, so that nobody
//! else takes it and the limit holds at every instant.
//!
//! Where entries lie in the table, a keyed hash of random keys decides: any stretch of it is as good a sample as any other.

use super::sweep::{SPAN, wrapped};
use crate::entry::life::Life;
use crate::entry::{Key, Payload};
use crate::events::RemovalCause;
use crate::expiry::{Moment, Tick};
use crate::sync::{Ordering, planted};
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned};
use crate::table::structure::array::Array;
use crate::table::structure::population::Place;
use core::cell::OnceCell;
use core::ops::Range;

/// Whose end makes room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The idlest session's.
    Anyones,
    /// The idlest one's of those that are bound to nobody.
    Unbound,
    /// The same, or if there is none, the idlest one's of the others.
    UnboundFirst,
}

/// So many sessions that may be ended make a sample.
pub(crate) const SAMPLE: usize = 32;

/// What an attempt to make room has come to.
pub(crate) enum Room<'a> {
    /// This place, which was that of a session which has ended.
    Place(Place<'a>),
    /// A session that was chosen has been used or has ended meanwhile: there may be a place, and there may be another one to choose.
    Again,
    /// There is nobody to be ended, as far as was searched.
    None,
}

/// A session that may have to go.
#[derive(Clone, Copy)]
struct Candidate {
    key: Key,
    stamp: Tick,
    bound: bool,
}

/// What a search has found.
#[derive(Default)]
struct Sample {
    examined: usize,
    unbound: usize,
    idlest: Option<Candidate>,
    idlest_unbound: Option<Candidate>,
}

impl Sample {
    fn add(&mut self, key: &Key, stamp: Tick, bound: bool) {
        let keep = |idlest: &mut Option<Candidate>| {
            if idlest.is_none_or(|idlest| stamp < idlest.stamp) {
                *idlest = Some(Candidate { key: *key, stamp, bound });
            }
        };
        self.examined += 1;
        keep(&mut self.idlest);
        if !bound {
            self.unbound += 1;
            keep(&mut self.idlest_unbound);
        }
    }

    /// Whether it is large enough.
    fn is_enough(&self, whose: Whose) -> bool {
        (if whose == Whose::Anyones { self.examined } else { self.unbound }) >= SAMPLE
    }

    fn choice(&self, whose: Whose) -> Option<Candidate> {
        match whose {
            Whose::Anyones => self.idlest,
            Whose::Unbound => self.idlest_unbound,
            Whose::UnboundFirst => self.idlest_unbound.or(self.idlest),
        }
    }
}

impl<P: Payload> Table<P> {
    /// Ends a session in favour of one with the key `newcomer`, after a search among so many sessions, or all if there are fewer.
    ///
    /// Lock-free. Takes effect when the session's live version dies.
    pub(crate) fn make_room(&self, newcomer: &Key, whose: Whose, among: usize, moment: Moment<'_>) -> Room<'_> {
        let Some(choice) = self.sample(whose, among, moment).choice(whose) else { return Room::None };
        self.pin(&choice.key, moment, |pinned, target| {
            let Some(found) = pinned.locate(target) else { return Room::Again };
            let cause = match pinned.judge(found.entry, found.stamp) {
                Judgement::Live => RemovalCause::Capacity,
                Judgement::Revoked => RemovalCause::Principal,
                Judgement::Forward | Judgement::Expired | Judgement::Changed => return Room::Again,
            };
            let same = found.stamp == choice.stamp || planted("victim-used-meanwhile");
            if !same || found.entry.is_bound() != choice.bound {
                return Room::Again;
            }
            let killed = if planted("victims-place-given-twice") {
                pinned.kill(found.entry, found.stamp, cause)
            } else {
                pinned.kill_keeping_the_place(found.entry, found.stamp, cause)
            };
            if !killed {
                return Room::Again;
            }
            let place = self.take_over(pinned.shard, newcomer);
            pinned.clean_up(&found, target);
            pinned.maintain();
            Room::Place(place)
        })
    }

    fn sample(&self, whose: Whose, among: usize, moment: Moment<'_>) -> Sample {
        let round = OnceCell::new();
        let first = self.sample_cursor.load(Ordering::Relaxed); // Relaxed, as below: only spreads the choice.
        let (mut sample, mut ticket) = (Sample::default(), first);
        let more = |spans| self.is_within_a_round(spans, &round);
        while sample.examined < among && !sample.is_enough(whose) && more(ticket.wrapping_sub(first)) {
            let start = (ticket / self.shards.len()).wrapping_mul(SPAN);
            let shard = &self.shards[ticket % self.shards.len()];
            self.pin_to(shard, moment, |pinned| {
                pinned.sample_span(&(start..start.saturating_add(SPAN)), &mut sample);
            });
            ticket = ticket.wrapping_add(1);
        }
        let _ = self.sample_cursor.compare_exchange(first, ticket, Ordering::Relaxed, Ordering::Relaxed);
        sample
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Looks at the sessions in a range of slots, counted round and round, of the current array and of the one it is being left for.
    fn sample_span(&self, span: &Range<usize>, sample: &mut Sample) {
        let array = self.shard.current(self.guard);
        self.sample_slots(array, wrapped(span, array.capacity()), sample);
        if let Some(next) = array.next(self.guard) {
            self.sample_slots(next, wrapped(span, next.capacity()), sample);
        }
    }

    fn sample_slots(&self, array: &'g Array, slots: Range<usize>, sample: &mut Sample) {
        for word in slots.map(|index| array.slot(index).load()).filter(|word| word.holds_entry()) {
            let mut version = self.entry(word);
            loop {
                match version.life().load() {
                    Life::Dead | Life::Pending => break,
                    Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                    Life::Live(stamp) => {
                        if !version.is_forward() {
                            sample.add(version.key(), stamp, version.is_bound());
                        }
                        break;
                    }
                }
            }
        }
    }
}
