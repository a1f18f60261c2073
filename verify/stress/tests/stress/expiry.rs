//! Time that passes while everybody works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{SessionId, SessionStore};

use crate::support::{THREADS, Ticks, operations, store, together};

const TTL: u64 = 5;

struct Kept {
    store: SessionStore,
    clock: Ticks,
    sessions: Vec<SessionId>,
    /// For each session, a tick at which or after which it was last touched.
    touched: Vec<AtomicU64>,
    evicted: AtomicUsize,
}

impl Kept {
    const KEEPERS: usize = 3;

    fn work(&self, number: usize) {
        match number {
            0 => self.let_time_pass(),
            1 => self.evict(),
            _ if number - 2 < Self::KEEPERS => self.keep(number - 2),
            _ => self.abandon(),
        }
    }

    /// Moves the clock on whenever all sessions that are kept have been touched within the TTL even so.
    fn let_time_pass(&self) {
        for _ in 0..operations() * 4 {
            // Acquire: the touch came before the tick.
            let oldest = self.touched.iter().map(|tick| tick.load(Ordering::Acquire)).min();
            if self.clock.get() < oldest.expect("there are keepers").saturating_add(TTL) {
                self.clock.advance();
            } else {
                thread::yield_now();
            }
        }
    }

    fn evict(&self) {
        for _ in 0..operations() / 8 {
            self.evicted.fetch_add(self.store.evict_expired(), Ordering::Relaxed);
            thread::yield_now();
        }
    }

    fn keep(&self, kept: usize) {
        let id = &self.sessions[kept];
        for turn in 0..operations() {
            let now = self.clock.get();
            match kept {
                0 => assert_eq!(self.store.get(id, "missing"), None),
                1 => assert!(self.store.read(id, |attributes| attributes.len() == 1).expect("it is kept")),
                _ if turn % 2 == 0 => self.store.set(id, "key", "value").expect("it is kept"),
                _ => self.store.set(id, "key", &turn.to_string()).expect("it is kept"),
            }
            assert!(self.store.exists(id), "kept session {kept} is lost at turn {turn}");
            self.touched[kept].store(now, Ordering::Release);
            if turn % 16 == 0 {
                thread::yield_now();
            }
        }
        // Time need not wait for this one any more.
        self.touched[kept].store(u64::MAX, Ordering::Release);
    }

    /// Creates sessions that nobody ever touches again, or only for a while.
    fn abandon(&self) {
        let mut last = self.sessions[0];
        for turn in 0..operations() {
            if turn % 4 == 0 {
                last = self.store.create().expect("there is room");
            } else if self.store.set(&last, "turn", "any").is_ok() {
                drop(self.store.get(&last, "turn"));
            }
        }
    }
}

#[test]
fn a_session_that_is_touched_within_its_ttl_is_never_lost() {
    let clock = Ticks::default();
    let store = store(|builder| builder.ttl(Duration::from_millis(TTL)).clock(clock.clone()));
    let sessions = (0..Kept::KEEPERS).map(|_| store.create_with([("key", "value")]).expect("there is room")).collect();
    let touched = (0..Kept::KEEPERS).map(|_| AtomicU64::new(0)).collect();
    let kept = Arc::new(Kept { store, clock, sessions, touched, evicted: AtomicUsize::new(0) });
    together(&kept, Kept::work);
    let (ticks, evicted) = (kept.clock.get(), kept.evicted.load(Ordering::Relaxed));
    assert!(ticks > TTL * 4, "only {ticks} ticks have passed");
    assert!(evicted > THREADS, "only {evicted} sessions were evicted");
}
