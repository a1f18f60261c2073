//! The bytes that the sessions of a table take, and the limit that they never exceed.
//!
//! Each session counts the [charge](crate::entry::EntryRef::charge) of its live version. With a limit a single counter
//! has the sum. A thread *reserves* bytes before a session begins or becomes larger, and gives bytes back after a
//! session has ended or become smaller. So the sum over the live versions exceeds the limit at no instant.
//!
//! | operation | before its effect | after its effect |
//! |---|---|---|
//! | creation | reserves the charge | |
//! | end, by any thread | | the winner of the kill gives the charge of the version back that it has killed |
//! | set, rotation: larger | reserves the difference | |
//! | set, rotation: smaller | | gives the difference back |
//! | set, rotation that came too late | | gives back what it has reserved |
//!
//! A thread that completes another thread's update counts nothing: the thread that made the new version settles. So a
//! thread that is suspended in a set keeps at most the bytes of its new version taken that are not needed, and in a
//! creation at most the bytes of the new session. Another thread may be refused early for that, and nothing else is
//! affected.
//!
//! Without a limit nothing is counted here.

use crate::sync::{AtomicUsize, Ordering, ordered};
use crossbeam_utils::CachePadded;

/// The bytes of a whole table.
pub(crate) struct Budget {
    /// 0: unlimited, and not counted.
    limit: usize,
    taken: CachePadded<AtomicUsize>,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, taken: CachePadded::new(AtomicUsize::new(0)) }
    }

    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.limit > 0
    }

    /// The bytes that are taken, reservations included. 0 without a limit.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed) // Relaxed: a mere number.
    }

    /// A reservation of no bytes, if there is a limit.
    #[inline]
    pub(crate) fn reservation(&self) -> Option<Reservation<'_>> {
        self.is_limited().then_some(Reservation { budget: self, bytes: 0, shortage: None })
    }

    /// Changes a number of reserved bytes. False, and nothing done, if the limit does not allow it.
    pub(crate) fn resize(&self, reserved: &mut usize, bytes: usize) -> bool {
        if bytes > *reserved {
            if !self.take(bytes - *reserved) {
                return false;
            }
        } else {
            self.give_back(*reserved - bytes);
        }
        *reserved = bytes;
        true
    }

    /// Takes all of the bytes if the limit allows it.
    fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        // Acquire: the version that gave these bytes back ended before the new one takes effect; pairs with P4.
        self.taken.fetch_update(ordered("P3", Ordering::Acquire), Ordering::Relaxed, more).is_ok()
    }

    /// Gives back the bytes of a version that has ended, or that never took effect.
    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.taken.fetch_sub(bytes, ordered("P4", Ordering::Release)); // Release: pairs with P3.
        }
    }
}

/// Bytes that one operation has reserved. Dropping it gives them back.
pub(crate) struct Reservation<'a> {
    budget: &'a Budget,
    bytes: usize,
    /// What the operation needs, if it has been refused for that.
    shortage: Option<Shortage>,
}

/// The bytes that an operation has to reserve before it can be repeated.
#[derive(Clone, Copy)]
pub(crate) struct Shortage {
    /// What the session would take.
    pub(crate) whole: usize,
    /// What it would take more than now.
    pub(crate) more: usize,
    /// Whether it would be bound to a principal.
    pub(crate) bound: bool,
}

impl Reservation<'_> {
    /// Changes the reservation to so many bytes. False, and nothing done, if the limit does not allow it.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        self.budget.resize(&mut self.bytes, bytes)
    }

    /// Reserves what a version that takes `to` bytes takes more than one that takes `from`. False if the limit does not
    /// allow it. Then [`shortage`](Self::shortage) tells what is needed.
    pub(crate) fn resize_for(&mut self, from: usize, to: usize, bound: bool) -> bool {
        let more = to.saturating_sub(from);
        let fits = self.resize(more);
        self.shortage = (!fits).then_some(Shortage { whole: to, more, bound });
        fits
    }

    /// What the operation needs that was refused last.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        self.shortage
    }

    /// Adds bytes that an ended session has left.
    pub(crate) fn absorb(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Leaves to a session what it takes more than before, and gives back the rest, and what it takes less than before.
    /// To be called after the version that takes `to` bytes has replaced one that took `from`.
    pub(crate) fn settle_for(&mut self, from: usize, to: usize) {
        let left = (from + self.bytes).checked_sub(to).expect("the difference was reserved");
        self.bytes = 0;
        self.budget.give_back(left);
    }
}

impl Drop for Reservation<'_> {
    #[inline]
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn reservation(budget: &Budget) -> Reservation<'_> {
        budget.reservation().expect("there is a limit")
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_reserve() {
        assert!(Budget::new(0).reservation().is_none());
    }

    #[test]
    fn no_bytes_beyond_the_limit_and_all_or_none() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (reservation(&budget), reservation(&budget));
        assert!(first.resize(60) && !second.resize(41) && second.resize(40));
        assert_eq!(budget.taken(), 100);
        assert!(!first.resize(61) && !first.resize(usize::MAX));
        assert!(first.resize(10) && second.resize(90));
        drop(first);
        assert_eq!(budget.taken(), 90);
    }

    #[test]
    fn a_session_keeps_what_it_takes_and_the_rest_is_given_back() {
        let budget = Budget::new(100);
        for (from, reserved, to) in [(30, 20, 50), (30, 40, 50), (30, 0, 10), (30, 40, 10), (30, 0, 30)] {
            assert!(budget.take(from));
            let mut reservation = reservation(&budget);
            assert!(reservation.resize(reserved));
            reservation.settle_for(from, to);
            drop(reservation);
            assert_eq!(budget.taken(), to, "{from} and {reserved} to {to}");
            budget.give_back(to);
        }
    }

    #[test]
    fn a_refusal_tells_what_is_needed() {
        let budget = Budget::new(100);
        let mut reservation = reservation(&budget);
        assert!(reservation.resize_for(50, 40, true) && reservation.shortage().is_none());
        assert!(!reservation.resize_for(50, 151, true));
        let Shortage { whole, more, bound } = reservation.shortage().expect("it was refused");
        assert_eq!((whole, more, bound), (151, 101, true));
        assert!(reservation.resize_for(50, 150, true) && reservation.shortage().is_none());
    }

    #[test]
    fn the_bytes_of_an_ended_session_pass_to_another_one() {
        let budget = Budget::new(100);
        assert!(budget.take(100));
        let mut reservation = reservation(&budget);
        reservation.absorb(100);
        assert_eq!(budget.taken(), 100);
        assert!(reservation.resize(70));
        assert_eq!(budget.taken(), 70);
        drop(reservation);
        assert_eq!(budget.taken(), 0);
    }
}
