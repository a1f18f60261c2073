//! `evict_expired_within`: the end of expired sessions, a piece at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{Clock, ManualClock, SessionStore};

use crate::support::{TICK, TTL, crowd, session, store, store_with};

const ALL: usize = 5_000;
const FOR_EVER: Duration = Duration::MAX;

/// Ends what one call after the other ends, until a round is complete; returns how many, and by how many calls.
fn round(store: &SessionStore, budget: Duration) -> (usize, usize) {
    let (mut ended, mut calls) = (0, 0);
    loop {
        let eviction = store.evict_expired_within(budget);
        ended += eviction.ended;
        calls += 1;
        if eviction.complete {
            return (ended, calls);
        }
    }
}

#[test]
fn a_budget_of_any_length_ends_a_round_at_the_latest() {
    let (store, clock) = store();
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    let live = session(&store);
    let eviction = store.evict_expired_within(FOR_EVER);
    assert_eq!((eviction.ended, eviction.complete), (ALL, true));
    assert_eq!(store.count(), 1);
    assert!(store.exists(&live));
}

#[test]
fn a_budget_that_is_not_used_up_is_enough_for_the_round() {
    let (store, clock) = store();
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    assert_eq!(round(&store, Duration::from_secs(3_600)), (ALL, 1));
}

#[test]
fn without_a_budget_each_call_does_a_piece_and_the_next_goes_on_there() {
    for shards in [1, 64] {
        let (store, clock) = store_with(|builder| builder.shards(shards));
        crowd(&store, ALL);
        clock.advance(TTL + TICK);
        let first = store.evict_expired_within(Duration::ZERO);
        assert!((1..=64).contains(&first.ended) && !first.complete, "{first:?}");
        let (ended, calls) = round(&store, Duration::ZERO);
        // A shard that shrinks behind its last piece leaves nothing behind.
        assert_eq!(first.ended + ended, ALL);
        assert!(calls >= ALL / 64, "{calls} calls");
        assert_eq!(store.count(), 0);
    }
}

#[test]
fn a_live_session_is_not_evicted_nor_touched() {
    let (store, clock) = store();
    let id = session(&store);
    clock.advance(TTL);
    assert_eq!(round(&store, Duration::ZERO).0, 0);
    assert!(store.exists(&id));
    clock.advance(TICK);
    assert_eq!(round(&store, Duration::ZERO).0, 1);
    assert_eq!(store.count(), 0);
}

#[test]
fn an_empty_store_is_a_round_too() {
    let (store, _) = store_with(|builder| builder.shards(4));
    assert_eq!(round(&store, Duration::ZERO), (0, 4));
    assert_eq!(round(&store, FOR_EVER), (0, 1));
}

#[test]
fn threads_at_it_together_share_the_work() {
    let (store, clock) = store();
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ended.fetch_add(round(&store, Duration::ZERO).0, Ordering::Relaxed));
        }
    });
    // Some may be left for the next round, of the parts that have shrunk while the round was within them.
    let (ended, left) = (ended.into_inner(), store.count());
    assert!(left < ALL / 8, "{left} are left");
    assert_eq!((ended + left, store.evict_expired()), (ALL, left), "none is ended twice");
}

#[test]
fn sessions_that_come_during_a_round_do_not_prolong_it() {
    let (store, clock) = store_with(|builder| builder.shards(1));
    crowd(&store, ALL);
    let mut calls = 0;
    while !store.evict_expired_within(Duration::ZERO).complete {
        crowd(&store, 10);
        calls += 1;
        assert!(calls < ALL, "the round goes on and on");
    }
    clock.advance(TTL + TICK);
    let all = store.count();
    assert_eq!(round(&store, FOR_EVER), (all, 1));
}

#[test]
fn memory_is_given_back_as_by_a_whole_eviction() {
    let (store, clock) = store_with(|builder| builder.shards(1));
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    round(&store, Duration::ZERO);
    // An array for one session is gone through in one piece, and that only because it has shrunk again.
    session(&store);
    assert_eq!(round(&store, Duration::ZERO), (0, 1));
}

/// Panics when told to.
struct Moody(ManualClock, AtomicUsize);

impl Clock for Moody {
    fn now(&self) -> Duration {
        let left = self.1.load(Ordering::Relaxed);
        if left == 1 {
            self.1.store(0, Ordering::Relaxed);
            panic!("the clock is out of order");
        }
        self.1.store(left.saturating_sub(1), Ordering::Relaxed);
        self.0.now()
    }
}

/// The first reading is the call's own; the next ones make sure of what seems to have expired.
#[test]
fn what_a_panicking_clock_has_left_out_the_next_round_ends() {
    let clock = Arc::new(Moody(ManualClock::new(), AtomicUsize::new(0)));
    let store = SessionStore::builder().ttl(TTL).clock(Arc::clone(&clock)).build().expect("valid settings");
    crowd(&store, 100);
    clock.0.advance(TTL + TICK);
    clock.1.store(10, Ordering::Relaxed);
    let evict = AssertUnwindSafe(|| store.evict_expired_within(FOR_EVER));
    assert!(catch_unwind(evict).is_err());
    assert_eq!(store.count(), 100 - 8, "eight were judged before");
    round(&store, FOR_EVER);
    round(&store, FOR_EVER);
    assert_eq!(store.count(), 0);
}
