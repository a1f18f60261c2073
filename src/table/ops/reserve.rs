//! Reservations: a caller reserves a key, asks another store for its session, and fulfils the reservation with the
//! answer, unless the session has ended in the meantime.
//!
//! ```text
//! 1. reserve   the key: EMPTY → reservation              found by no look-up
//! 2. end       reservation: Live(t) → Dead               by a delete, an insert, its owner, or expiry
//!    or fulfil reservation's successor: null → session   by its owner
//!              reservation: Live(t) → Superseded         the fulfilment takes effect; any thread may do it
//! ```
//!
//! A reservation is a version of its own shape ([`crate::entry`]) that is judged [`Reserved`](Judgement::Reserved). It
//! is never touched. Ending and fulfilling start from the same stamp, so one of them wins. A fulfilment is an update of
//! the reservation: readers, migrations and other writers treat it as any update. Its owner is not pinned between the
//! two steps, so it recognises its reservation by a number that no other one has.
//!
//! A reservation takes no place below the limit of sessions. There may be as many reservations as sessions,
//! and a fixed number if sessions are not limited.
//!
//! A *bar* is a reservation that nobody can fulfil. It has the number [`BAR`], and keeps others from reserving the key.

use crate::entry::life::Life;
use crate::entry::{BAR, Key, Owned, Payload};
use crate::expiry::{Moment, Tick};
use crate::sync::step;
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::structure::population::Place;

/// Why a key cannot be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// By a session, or a forward to one.
    Session,
    /// By the reservation of this number.
    Reservation(u64),
    /// By a bar.
    Bar,
    /// There are as many reservations as the limit allows.
    Full,
}

impl<P: Payload> Table<P> {
    /// Reserves a key under a number that is not 0, until `end`. `absent` is the payload of the reservation.
    ///
    /// Lock-free. Takes effect when a slot is filled.
    pub(crate) fn reserve_key(
        &self,
        key: &Key,
        number: u64,
        end: Tick,
        absent: P,
        moment: Moment<'_>,
    ) -> Result<(), Taken> {
        debug_assert_ne!(number, BAR);
        let counted = self.population.count_reservation().ok_or(Taken::Full)?;
        let mut new = Owned::reservation(*key, moment.now(), absent, number, end);
        loop {
            match self.put(new, moment) {
                Ok(_) => {
                    counted.keep();
                    return Ok(());
                }
                Err(back) => new = back,
            }
            if let Some(taken) = self.taken(key, moment) {
                return Err(taken);
            }
            // Whatever was there has ended since.
        }
    }

    /// What has the key, if a session or a reservation has it.
    ///
    /// Lock-free. Takes effect when its life word is loaded.
    pub(crate) fn taken(&self, key: &Key, moment: Moment<'_>) -> Option<Taken> {
        self.pin(key, moment, |pinned, target| pinned.taken(target))
    }

    /// Ends the reservation or the bar of this key, if `which` says so of its number. True if this call did it.
    ///
    /// Lock-free. Takes effect when the reservation dies.
    pub(crate) fn end_reservation(&self, key: &Key, which: impl Fn(u64) -> bool) -> bool {
        // Nothing is judged: an expired reservation may be ended too. So a clock that panics does no harm here.
        self.pin(key, Moment::TIMELESS, |pinned, target| {
            while let Some(found) = pinned.locate(target) {
                if !found.entry.reservation().is_some_and(&which) {
                    return false;
                }
                if pinned.kill(found.entry, found.stamp, RemovalCause::Deleted) {
                    pinned.clear_found(&found, target);
                    pinned.maintain();
                    return true;
                }
            }
            false
        })
    }

    /// Puts the session that `build` makes in place of the reservation of this number. `build` is called once at most.
    /// False if the reservation has ended.
    ///
    /// Lock-free. Takes effect when the reservation is superseded.
    pub(crate) fn fulfil(
        &self,
        key: &Key,
        number: u64,
        place: Place<'_>,
        moment: Moment<'_>,
        build: impl FnOnce(Tick) -> Owned<P>,
    ) -> bool {
        self.pin(key, moment, |pinned, target| {
            if !pinned.fulfil(target, number, build) {
                return false;
            }
            place.occupy();
            pinned.shard.counters().created();
            self.population.reservation_ended();
            true
        })
    }

    /// Ends the session of this key, also one to which it forwards, and its reservation, and bars the key until `end`.
    /// Returns whether it has ended a session.
    ///
    /// Lock-free. Takes effect when the bar is put into its slot; the session has ended before.
    pub(crate) fn bar(&self, key: &Key, end: Tick, absent: P, moment: Moment<'_>) -> bool {
        let mut new = Owned::reservation(*key, moment.now(), absent, BAR, end);
        let mut ended = false;
        loop {
            ended |= self.remove(key, moment);
            self.end_reservation(key, |_| true);
            match self.put(new, moment) {
                Ok(_) => return ended,
                // Another thread has inserted, reserved or barred the key in between.
                Err(back) => new = back,
            }
        }
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    fn fulfil(&self, target: Target<'_>, number: u64, build: impl FnOnce(Tick) -> Owned<P>) -> bool {
        let found = loop {
            let Some(found) = self.locate(target) else { return false };
            if found.entry.reservation() != Some(number) {
                return false;
            }
            match self.judge(found.entry, found.stamp) {
                Judgement::Reserved => break found,
                Judgement::Changed => {}
                Judgement::Expired => {
                    self.clear_found(&found, target);
                    return false;
                }
                Judgement::Revoked | Judgement::Live | Judgement::Forward => return false,
            }
        };
        // Of the reservation's era, because it was judged live: if the era ends meanwhile, the session ends with it.
        let new = build(self.moment.now().max(found.stamp));
        step("built");
        match found.entry.succeed(new) {
            Ok(new) => self.complete(&found, new, target),
            // Another owner of the same reservation was first.
            Err((_, first)) => {
                self.complete(&found, first, target);
                false
            }
        }
    }

    fn taken(&self, target: Target<'_>) -> Option<Taken> {
        let mut version = self.find(target)?;
        loop {
            match version.life().load() {
                Life::Pending => return Some(Taken::Session),
                Life::Dead => return None,
                Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                Life::Live(stamp) => match self.judge(version, stamp) {
                    Judgement::Live | Judgement::Forward => return Some(Taken::Session),
                    Judgement::Reserved if version.is_bar() => return Some(Taken::Bar),
                    Judgement::Reserved => return version.reservation().map(Taken::Reservation),
                    Judgement::Expired | Judgement::Revoked => return None,
                    Judgement::Changed => {}
                },
            }
        }
    }
}
