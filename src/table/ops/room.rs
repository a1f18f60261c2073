//! Making room in a full table, for a new session or for one that becomes larger, by ending another session.
//!
//! The thread examines a sample of the sessions, from a cursor that goes round the table, and chooses the idlest one.
//! It ends that session only if its stamp is still the one by which it was chosen, so a session that is used meanwhile
//! survives. The place below the limit and its bytes pass directly to the caller, so that no other thread takes them
//! and the limits hold at every instant.
//!
//! A keyed hash decides where an entry lies in the table, so every stretch of slots is as good a sample as any other.

use super::sweep::{SPAN, wrapped};
use crate::entry::life::Life;
use crate::entry::{Key, Payload};
use crate::expiry::{Moment, Tick};
use crate::sync::Ordering;
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned};
use crate::table::structure::array::Array;
use crate::table::structure::population::Place;
use core::cell::OnceCell;
use core::ops::Range;

/// The sessions that may be ended to make room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The idlest session.
    Any,
    /// The idlest session without a principal.
    Unbound,
    /// The idlest session without a principal, or the idlest session if all have one.
    UnboundFirst,
}

/// The number of candidates in a sample.
pub(crate) const SAMPLE: usize = 32;

/// The outcome of an attempt to make room.
pub(crate) enum Room<'a> {
    /// The place and the bytes of a session that this call has ended.
    Place(Place<'a>),
    /// The chosen session has been used or has ended meanwhile. The caller may try again.
    Again,
    /// The search has found no session that may be ended.
    None,
}

/// A session that may be ended.
#[derive(Clone, Copy)]
struct Candidate {
    key: Key,
    stamp: Tick,
    bound: bool,
}

/// The result of a search.
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

    /// Whether the sample is large enough.
    fn is_enough(&self, whose: Whose) -> bool {
        (if whose == Whose::Any { self.examined } else { self.unbound }) >= SAMPLE
    }

    fn choice(&self, whose: Whose) -> Option<Candidate> {
        match whose {
            Whose::Any => self.idlest,
            Whose::Unbound => self.idlest_unbound,
            Whose::UnboundFirst => self.idlest_unbound.or(self.idlest),
        }
    }
}

impl<P: Payload> Table<P> {
    /// Ends a session in favour of another one, with the key `newcomer`, after a search among at most `among` sessions.
    ///
    /// Lock-free. Takes effect when the session's live version dies.
    pub(crate) fn make_room(&self, newcomer: &Key, whose: Whose, among: usize, moment: Moment<'_>) -> Room<'_> {
        let Some(choice) = self.sample(newcomer, whose, among, moment).choice(whose) else { return Room::None };
        self.pin(&choice.key, moment, |pinned, target| {
            let Some(found) = pinned.locate(target) else { return Room::Again };
            let cause = match pinned.judge(found.entry, found.stamp) {
                Judgement::Live => RemovalCause::Capacity,
                Judgement::Revoked => pinned.cause_of_revoked(found.entry),
                Judgement::Forward | Judgement::Reserved | Judgement::Expired | Judgement::Changed => {
                    return Room::Again;
                }
            };
            if found.stamp != choice.stamp || found.entry.is_bound() != choice.bound {
                return Room::Again;
            }
            if cause == RemovalCause::Capacity && pinned.spare_if_held(found.entry, found.stamp) {
                return Room::Again;
            }
            if !pinned.kill_keeping_the_place(found.entry, found.stamp, cause) {
                return Room::Again;
            }
            let place = self.take_over_from(pinned.shard, found.entry, newcomer);
            pinned.clear_found(&found, target);
            pinned.maintain();
            Room::Place(place)
        })
    }

    /// Samples the sessions except the one with the key `newcomer`.
    fn sample(&self, newcomer: &Key, whose: Whose, among: usize, moment: Moment<'_>) -> Sample {
        let round = OnceCell::new();
        let first = self.sample_cursor.load(Ordering::Relaxed); // Relaxed, as below: only spreads the choice.
        let (mut sample, mut ticket) = (Sample::default(), first);
        let more = |spans| self.is_within_a_round(spans, &round);
        while sample.examined < among && !sample.is_enough(whose) && more(ticket.wrapping_sub(first)) {
            let start = (ticket / self.shards.len()).wrapping_mul(SPAN);
            let shard = &self.shards[ticket % self.shards.len()];
            self.pin_to(shard, moment, |pinned| {
                pinned.sample_span(&(start..start.saturating_add(SPAN)), newcomer, &mut sample);
            });
            ticket = ticket.wrapping_add(1);
        }
        // Relaxed: only spreads the choice.
        let _ = self.sample_cursor.compare_exchange(first, ticket, Ordering::Relaxed, Ordering::Relaxed);
        sample
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Samples the sessions in a range of slots of the current array and of the next one. The range wraps around the
    /// end of an array.
    fn sample_span(&self, span: &Range<usize>, newcomer: &Key, sample: &mut Sample) {
        let array = self.shard.current(self.guard);
        self.sample_slots(array, wrapped(span, array.capacity()), newcomer, sample);
        if let Some(next) = array.next(self.guard) {
            self.sample_slots(next, wrapped(span, next.capacity()), newcomer, sample);
        }
    }

    fn sample_slots(&self, array: &'g Array, slots: Range<usize>, newcomer: &Key, sample: &mut Sample) {
        for word in slots.map(|index| array.slot(index).load()).filter(|word| word.holds_entry()) {
            let mut version = self.entry(word);
            loop {
                match version.life().load() {
                    Life::Dead | Life::Pending => break,
                    Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                    Life::Live(stamp) => {
                        if version.is_session() && version.key() != newcomer {
                            sample.add(version.key(), stamp, version.is_bound());
                        }
                        break;
                    }
                }
            }
        }
    }
}
