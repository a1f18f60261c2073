//! `evict_expired_within`: ending expired sessions piece by piece.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{Clock, ManualClock, SessionStore};

use crate::support::{TICK, TTL, crowd, session, store, store_with};

const ALL: usize = 5_000;
const FOR_EVER: Duration = Duration::MAX;

/// Calls it until a round is complete. Returns the number of ended sessions, and the number of calls.
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
fn a_call_with_any_budget_ends_with_the_round() {
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
fn a_call_with_budget_left_has_completed_the_round() {
    let (store, clock) = store();
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    assert_eq!(round(&store, Duration::from_secs(3_600)), (ALL, 1));
}

#[test]
fn a_call_without_budget_does_one_piece_and_the_next_call_continues() {
    for shards in [1, 64] {
        let (store, clock) = store_with(|builder| builder.shards(shards));
        crowd(&store, ALL);
        clock.advance(TTL + TICK);
        let first = store.evict_expired_within(Duration::ZERO);
        assert!((1..=64).contains(&first.ended) && !first.complete, "{first:?}");
        let (ended, calls) = round(&store, Duration::ZERO);
        // A shard that shrinks after its last piece leaves no session for the next round.
        assert_eq!(first.ended + ended, ALL);
        assert!(calls >= ALL / 64, "{calls} calls");
        assert_eq!(store.count(), 0);
    }
}

#[test]
fn eviction_neither_ends_nor_touches_a_live_session() {
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
fn an_empty_store_has_complete_rounds() {
    let (store, _) = store_with(|builder| builder.shards(4));
    assert_eq!(round(&store, Duration::ZERO), (0, 4));
    assert_eq!(round(&store, FOR_EVER), (0, 1));
}

#[test]
fn concurrent_calls_share_the_round() {
    let (store, clock) = store();
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ended.fetch_add(round(&store, Duration::ZERO).0, Ordering::Relaxed));
        }
    });
    // Sessions of shards that have shrunk during the round may be left for the next one.
    let (ended, left) = (ended.into_inner(), store.count());
    assert!(left < ALL / 8, "{left} are left");
    assert_eq!((ended + left, store.evict_expired()), (ALL, left), "none is ended twice");
}

#[test]
fn sessions_created_during_a_round_do_not_prolong_it() {
    let (store, clock) = store_with(|builder| builder.shards(1));
    crowd(&store, ALL);
    let mut calls = 0;
    while !store.evict_expired_within(Duration::ZERO).complete {
        crowd(&store, 10);
        calls += 1;
        assert!(calls < ALL, "the round does not end");
    }
    clock.advance(TTL + TICK);
    let all = store.count();
    assert_eq!(round(&store, FOR_EVER), (all, 1));
}

#[test]
fn arrays_shrink_as_in_a_whole_eviction() {
    let (store, clock) = store_with(|builder| builder.shards(1));
    crowd(&store, ALL);
    clock.advance(TTL + TICK);
    round(&store, Duration::ZERO);
    // One piece covers an array for one session, so the array must have shrunk.
    session(&store);
    assert_eq!(round(&store, Duration::ZERO), (0, 1));
}

/// A clock that panics on demand.
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

/// The first reading is that of the call. The next ones confirm that a session has expired.
#[test]
fn sessions_left_out_after_a_panic_of_the_clock_end_in_the_next_round() {
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
