//! The number of sessions, and the limit that it never exceeds.
//!
//! Without a limit every shard counts its own sessions, so that threads at work on different shards share no cache
//! line. With a limit a single counter decides. A session takes a place before it is inserted, and gives it back right
//! after it died. So the number of sessions exceeds the limit at no instant. A thread that is suspended between the two
//! keeps its place taken: a creation may then be refused early, and nothing else is affected.
//!
//! The place of a session also holds its bytes, if those are limited ([`budget`](super::budget)).
//!
//! Reservations are counted apart: there may be as many as sessions, and [`MOST_RESERVATIONS`] if sessions are not
//! limited.

use super::budget::Budget;
use crate::sync::{AtomicUsize, Ordering, ordered};
use crossbeam_utils::CachePadded;

/// The most reservations of a table whose sessions are not limited. Each takes some 200 bytes.
const MOST_RESERVATIONS: usize = 1 << 18;

/// The count of sessions of a whole table.
pub(crate) struct Population {
    /// 0: unlimited, and counted per shard.
    limit: usize,
    /// Whether there is a limit on the sessions or on their bytes.
    limited: bool,
    total: CachePadded<AtomicUsize>,
    budget: Budget,
    reservations: CachePadded<AtomicUsize>,
}

impl Population {
    /// At most `limit` sessions, which together take at most `bytes` bytes (0: any number).
    pub(crate) fn new(limit: usize, bytes: usize) -> Self {
        let zero = || CachePadded::new(AtomicUsize::new(0));
        let (total, reservations) = (zero(), zero());
        Self { limit, limited: limit > 0 || bytes > 0, total, budget: Budget::new(bytes), reservations }
    }

    /// The bytes of the sessions.
    #[inline]
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Takes a place without bytes for a session of the shard that counts in `stripe`, if one is free. Lock-free.
    pub(crate) fn enter<'a>(&'a self, stripe: &'a AtomicUsize) -> Option<Place<'a>> {
        if self.limit == 0 {
            stripe.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
        } else {
            let one_more = |taken: usize| (taken < self.limit).then(|| taken + 1);
            // Acquire: the session that left this place died before the new one is inserted; pairs with P2.
            self.total.fetch_update(ordered("P1", Ordering::Acquire), Ordering::Relaxed, one_more).ok()?;
        }
        Some(Place { population: self, stripe, bytes: 0 })
    }

    /// Takes over the place of a session that has died in the shard that counts in `old`, for one in another shard, and
    /// `bytes` of its bytes.
    pub(crate) fn take_over<'a>(&'a self, old: &AtomicUsize, new: &'a AtomicUsize, bytes: usize) -> Place<'a> {
        if self.limit == 0 && !core::ptr::eq(old, new) {
            new.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
            old.fetch_sub(1, Ordering::Relaxed); // Relaxed: as above.
        }
        Place { population: self, stripe: new, bytes }
    }

    /// Gives back the place and the bytes of a session that has died.
    #[inline]
    pub(crate) fn leave(&self, stripe: &AtomicUsize, bytes: impl FnOnce() -> usize) {
        if self.limited {
            self.leave_limited(stripe, bytes);
        } else {
            stripe.fetch_sub(1, Ordering::Relaxed); // Relaxed: a mere number.
        }
    }

    /// Out of line, so that no limit costs nothing.
    #[inline(never)]
    fn leave_limited(&self, stripe: &AtomicUsize, bytes: impl FnOnce() -> usize) {
        if self.budget.is_limited() {
            self.budget.give_back(bytes());
        }
        self.vacate(stripe);
    }

    /// Gives back a place without bytes.
    fn vacate(&self, stripe: &AtomicUsize) {
        if self.limit == 0 {
            stripe.fetch_sub(1, Ordering::Relaxed); // Relaxed: a mere number.
        } else {
            self.total.fetch_sub(1, ordered("P2", Ordering::Release)); // Release: pairs with P1.
        }
    }

    /// Counts one more reservation, if there are fewer than the limit. Lock-free.
    pub(crate) fn count_reservation(&self) -> Option<CountedReservation<'_>> {
        let limit = if self.limit == 0 { MOST_RESERVATIONS } else { self.limit };
        let one_more = |count: usize| (count < limit).then(|| count + 1);
        // Relaxed, as below: a mere number.
        self.reservations.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(CountedReservation(self))
    }

    /// Counts a reservation out that has ended or has been fulfilled.
    pub(crate) fn reservation_ended(&self) {
        self.reservations.fetch_sub(1, Ordering::Relaxed); // Relaxed: a mere number.
    }

    /// The number of reservations.
    pub(crate) fn reservations(&self) -> usize {
        self.reservations.load(Ordering::Relaxed) // Relaxed: a mere number.
    }

    /// The number of sessions, given the shards' own counts.
    pub(crate) fn count<'a>(&self, stripes: impl Iterator<Item = &'a AtomicUsize>) -> usize {
        if self.limit == 0 {
            // Relaxed: a mere number. A session may move and end before its place is taken over. Then one stripe is
            // negative, and so may be the sum, if the place is taken over while the stripes are read.
            let sum = stripes.map(|stripe| stripe.load(Ordering::Relaxed)).fold(0, usize::wrapping_add);
            if sum > usize::MAX / 2 { 0 } else { sum }
        } else {
            self.total.load(Ordering::Relaxed) // Relaxed: a mere number.
        }
    }
}

/// A place that is taken for one session, and bytes that are reserved for it. Dropping it gives both back, unless a
/// session occupies it.
pub(crate) struct Place<'a> {
    population: &'a Population,
    stripe: &'a AtomicUsize,
    bytes: usize,
}

impl Place<'_> {
    /// Reserves so many bytes, neither more nor less. False, and nothing done, if the limit does not allow it.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        self.population.budget.resize(&mut self.bytes, bytes)
    }

    /// Adds the bytes of another place, which is given back.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.bytes += other.into_bytes();
    }

    /// Gives back the place, and leaves its bytes to the caller.
    pub(crate) fn into_bytes(mut self) -> usize {
        core::mem::take(&mut self.bytes)
    }

    /// Whether the place holds exactly these bytes, where bytes are limited.
    pub(crate) fn holds(&self, bytes: usize) -> bool {
        !self.population.budget.is_limited() || self.bytes == bytes
    }

    /// Leaves the place to a session that has been inserted. The thread that kills the session gives the place back.
    pub(crate) fn occupy(self) {
        core::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.population.budget.give_back(self.bytes);
        self.population.vacate(self.stripe);
    }
}

/// A reservation that is counted. Dropping it counts it out, unless it is in the table.
pub(crate) struct CountedReservation<'a>(&'a Population);

impl CountedReservation<'_> {
    /// Leaves the count to the reservation in the table. The thread that ends or fulfils it counts it out.
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for CountedReservation<'_> {
    fn drop(&mut self) {
        self.0.reservation_ended();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_place_beyond_the_limit_and_one_again_after_a_leave() {
        let (population, stripe) = (Population::new(1, 0), AtomicUsize::new(0));
        population.enter(&stripe).expect("the first place").occupy();
        assert!(population.enter(&stripe).is_none());
        population.leave(&stripe, || 0);
        drop(population.enter(&stripe).expect("free again"));
        assert_eq!(population.count([&stripe].into_iter()), 0);
    }

    #[test]
    fn without_a_limit_the_stripes_count() {
        let (population, stripes) = (Population::new(0, 0), [AtomicUsize::new(0), AtomicUsize::new(0)]);
        population.enter(&stripes[0]).expect("unlimited").occupy();
        population.enter(&stripes[1]).expect("unlimited").occupy();
        assert_eq!(population.count(stripes.iter()), 2);
        population.leave(&stripes[0], || 0);
        assert_eq!(population.count(stripes.iter()), 1);
    }

    /// As if the thread that moves a session were suspended before it could move the place, and another one had ended
    /// the session.
    #[test]
    fn the_count_is_right_when_a_place_is_left_in_another_stripe_before_it_is_taken_over() {
        let (population, stripes) = (Population::new(0, 0), [AtomicUsize::new(0), AtomicUsize::new(0)]);
        population.enter(&stripes[0]).expect("unlimited").occupy();
        population.leave(&stripes[1], || 0);
        assert_eq!(population.count(stripes.iter()), 0);
        assert_eq!(population.count([&stripes[1]].into_iter()), 0, "read before the place was taken over");
        population.take_over(&stripes[0], &stripes[1], 0).occupy();
        assert_eq!(population.count(stripes.iter()), 0);
    }

    #[test]
    fn a_place_is_given_back_with_its_bytes_or_without() {
        let (population, stripe) = (Population::new(0, 100), AtomicUsize::new(0));
        let enter = |bytes| {
            let mut place = population.enter(&stripe).expect("any number of sessions");
            place.resize(bytes).then_some(place)
        };
        let state = || (population.count([&stripe].into_iter()), population.budget().taken());
        enter(60).expect("there is room").occupy();
        assert!(enter(41).is_none());
        assert_eq!(state(), (1, 60));
        let bytes = enter(40).expect("there is room").into_bytes();
        assert_eq!(state(), (1, 100));
        let mut other = enter(0).expect("a place without bytes");
        other.absorb(population.take_over(&stripe, &stripe, 60));
        assert_eq!(state(), (1, 100));
        assert!(other.holds(60));
        drop(other);
        assert_eq!(state(), (0, bytes));
    }
}
