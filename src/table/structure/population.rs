//! How many sessions there are, and that there are never more than allowed.
//!
//! Without a limit every shard counts for itself, so that threads at work on different shards share no line. With one, a single
//! counter decides: a session takes its place before it is inserted and gives it back right after it died, so the number of
//! sessions never exceeds the limit at any instant. A thread that is suspended between the two leaves its place taken until it goes
//! on: creation may then refuse early, and nothing else notices.

use crate::sync::{AtomicUsize, Ordering, ordered};
use crossbeam_utils::CachePadded;

/// The count of sessions of a whole table.
pub(crate) struct Population {
    /// 0: unlimited, and counted shard by shard.
    limit: usize,
    total: CachePadded<AtomicUsize>,
}

impl Population {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, total: CachePadded::new(AtomicUsize::new(0)) }
    }

    /// Takes a place for a session of the shard that counts in `stripe`, if there is one. Lock-free.
    pub(crate) fn enter<'a>(&'a self, stripe: &'a AtomicUsize) -> Option<Place<'a>> {
        if self.limit == 0 {
            stripe.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
        } else {
            let one_more = |taken: usize| (taken < self.limit).then(|| taken + 1);
            // Acquire: the session that left this place died before the new one is there; pairs with P2.
            self.total.fetch_update(ordered("P1", Ordering::Acquire), Ordering::Relaxed, one_more).ok()?;
        }
        Some(Place { population: self, stripe })
    }

    /// Takes over the place of a session that has died in the shard that counts in `old`, for one in another shard.
    pub(crate) fn take_over<'a>(&'a self, old: &AtomicUsize, new: &'a AtomicUsize) -> Place<'a> {
        if self.limit == 0 && !core::ptr::eq(old, new) {
            new.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
            old.fetch_sub(1, Ordering::Relaxed); // Relaxed: as above.
        }
        Place { population: self, stripe: new }
    }

    /// Gives back the place of a session that has died.
    pub(crate) fn leave(&self, stripe: &AtomicUsize) {
        if self.limit == 0 {
            stripe.fetch_sub(1, Ordering::Relaxed); // Relaxed: a mere number.
        } else {
            self.total.fetch_sub(1, ordered("P2", Ordering::Release)); // Release: pairs with P1.
        }
    }

    /// The number of sessions, given the shards' own counts.
    pub(crate) fn count<'a>(&self, stripes: impl Iterator<Item = &'a AtomicUsize>) -> usize {
        if self.limit == 0 {
            // Relaxed: a mere number. A session may have moved and ended before its place has been taken over: then one
            // stripe has less than none, and so may all that have been read, if the place was taken over meanwhile.
            let sum = stripes.map(|stripe| stripe.load(Ordering::Relaxed)).fold(0, usize::wrapping_add);
            if sum > usize::MAX / 2 { 0 } else { sum }
        } else {
            self.total.load(Ordering::Relaxed) // Relaxed: a mere number.
        }
    }
}

/// A place taken for one session. It goes back when dropped, unless a session has moved in.
pub(crate) struct Place<'a> {
    population: &'a Population,
    stripe: &'a AtomicUsize,
}

impl Place<'_> {
    /// The session is there; whoever kills it gives the place back.
    pub(crate) fn occupy(self) {
        core::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.population.leave(self.stripe);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_place_beyond_the_limit_and_one_again_after_a_leave() {
        let (population, stripe) = (Population::new(1), AtomicUsize::new(0));
        population.enter(&stripe).expect("the first place").occupy();
        assert!(population.enter(&stripe).is_none());
        population.leave(&stripe);
        drop(population.enter(&stripe).expect("free again"));
        assert_eq!(population.count([&stripe].into_iter()), 0);
    }

    #[test]
    fn without_a_limit_the_stripes_count() {
        let (population, stripes) = (Population::new(0), [AtomicUsize::new(0), AtomicUsize::new(0)]);
        population.enter(&stripes[0]).expect("unlimited").occupy();
        population.enter(&stripes[1]).expect("unlimited").occupy();
        assert_eq!(population.count(stripes.iter()), 2);
        population.leave(&stripes[0]);
        assert_eq!(population.count(stripes.iter()), 1);
    }

    /// As if the thread that moves a session were suspended before it could move the place, and another one had ended
    /// the session.
    #[test]
    fn a_place_is_counted_right_that_is_left_in_another_stripe_before_it_has_been_taken_over() {
        let (population, stripes) = (Population::new(0), [AtomicUsize::new(0), AtomicUsize::new(0)]);
        population.enter(&stripes[0]).expect("unlimited").occupy();
        population.leave(&stripes[1]);
        assert_eq!(population.count(stripes.iter()), 0);
        assert_eq!(population.count([&stripes[1]].into_iter()), 0, "read before the place was taken over");
        population.take_over(&stripes[0], &stripes[1]).occupy();
        assert_eq!(population.count(stripes.iter()), 0);
    }
}
