//! The near cache of a node: reserve, fulfil, kill, bar, flush.

use crate::rules::Rule;
use crate::scenario::Setup;
use crate::{Key, Time};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Cached {
    pub(crate) version: u8,
    /// The last instant at which it may be served.
    pub(crate) until: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Slot {
    Empty,
    /// By the fetch with this number. Readers do not see it.
    Reserved(u8),
    Value(Cached),
    /// Refuses reservations.
    Barred,
}

/// A session that was fetched, and is not near before its generation is known and tracked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Unproven {
    pub(crate) number: u8,
    pub(crate) cached: Cached,
    pub(crate) generation: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Near {
    slots: [Slot; 2],
}

impl Near {
    pub(crate) const EMPTY: Self = Self { slots: [Slot::Empty; 2] };

    pub(crate) fn slot(&self, key: Key) -> Slot {
        self.slots[key as usize]
    }

    /// Returns what a look-up finds.
    pub(crate) fn value(&self, key: Key, now: Time, setup: Setup) -> Option<Cached> {
        match self.slot(key) {
            Slot::Value(cached) if now <= cached.until || setup.breaks(Rule::NearWithoutDeadline) => Some(cached),
            _ => None,
        }
    }

    pub(crate) fn reserve(&mut self, key: Key, number: u8) -> bool {
        let free = self.slot(key) == Slot::Empty;
        if free {
            self.slots[key as usize] = Slot::Reserved(number);
        }
        free
    }

    /// Ends a reservation, if it is still there.
    pub(crate) fn abandon(&mut self, key: Key, number: u8) {
        if self.slot(key) == Slot::Reserved(number) {
            self.slots[key as usize] = Slot::Empty;
        }
    }

    pub(crate) fn fulfil(&mut self, key: Key, number: u8, cached: Cached, setup: Setup) {
        let reserved = match self.slot(key) {
            Slot::Reserved(other) => other == number || setup.breaks(Rule::AnotherReservationFulfilled),
            Slot::Empty => setup.breaks(Rule::FilledWithoutReservation),
            _ => false,
        };
        if reserved {
            self.slots[key as usize] = Slot::Value(cached);
        }
    }

    /// Puts a value there whatever there was, as nothing should.
    pub(crate) fn put(&mut self, key: Key, cached: Cached) {
        self.slots[key as usize] = Slot::Value(cached);
    }

    /// Ends the session and the reservation of a key. A bar stays.
    pub(crate) fn kill(&mut self, key: Key, reservations_too: bool) {
        let slot = &mut self.slots[key as usize];
        match slot {
            Slot::Value(_) => *slot = Slot::Empty,
            Slot::Reserved(_) if reservations_too => *slot = Slot::Empty,
            _ => {}
        }
    }

    pub(crate) fn kill_all(&mut self, reservations_too: bool) {
        self.kill(Key::Old, reservations_too);
        self.kill(Key::New, reservations_too);
    }

    pub(crate) fn bar(&mut self, key: Key) {
        self.slots[key as usize] = Slot::Barred;
    }

    pub(crate) fn lift_bar(&mut self, key: Key) {
        if self.slot(key) == Slot::Barred {
            self.slots[key as usize] = Slot::Empty;
        }
    }
}
