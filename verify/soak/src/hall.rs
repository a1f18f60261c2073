//! What all threads share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::Duration;

use cloakroom::{SessionId, SessionStore};

use crate::time::{FastClock, Pace, TTL};

/// Waves rise to somewhat more than that at times.
pub(crate) const MAX_SESSIONS: usize = 120_000;

const GUESTS: usize = 256;
const GRAVES: usize = 4_096;

/// A session that every thread may use, and end.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) id: SessionId,
    /// What its attribute `user` says, as long as it exists.
    pub(crate) user: u64,
}

/// What the next wave is like.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// To how many sessions each worker brings it.
    pub(crate) rise_to: usize,
    /// How many percent of them are deleted then; the others are left to expire.
    pub(crate) deleted: usize,
}

pub(crate) struct Hall {
    pub(crate) store: Arc<SessionStore>,
    pub(crate) clock: FastClock,
    pub(crate) pace: Pace,
    pub(crate) workers: usize,
    /// The session that everybody uses, with two counters for each worker.
    pub(crate) hot: SessionId,
    pub(crate) lobby: Vec<Mutex<Option<Guest>>>,
    /// Ids that were deleted, or that some operation has reported as gone.
    graves: Vec<Mutex<Option<SessionId>>>,
    /// `None` ends the workers.
    pub(crate) plan: Mutex<Option<Plan>>,
    /// All workers and the one who leads them.
    pub(crate) barrier: Barrier,
    /// How many workers have brought their wave to where it should be.
    pub(crate) ready: AtomicUsize,
    /// How many sessions the workers know to exist, at rest.
    pub(crate) census: AtomicUsize,
    /// How many operations each worker has done.
    pub(crate) operations: Vec<AtomicU64>,
    pub(crate) waves: AtomicUsize,
}

impl Hall {
    pub(crate) fn new(workers: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let clock = FastClock::default();
        let ttl = Duration::from_millis(TTL);
        let store = SessionStore::builder().ttl(ttl).max_sessions(MAX_SESSIONS).clock(clock.clone()).build()?;
        let counters = (0..workers).flat_map(|number| [(counter("a", number), "0"), (counter("b", number), "0")]);
        let hot = store.create_with(counters)?;
        Ok(Self {
            store: Arc::new(store),
            pace: Pace::new(clock.clone(), workers),
            clock,
            workers,
            hot,
            lobby: (0..GUESTS).map(|_| Mutex::new(None)).collect(),
            graves: (0..GRAVES).map(|_| Mutex::new(None)).collect(),
            plan: Mutex::new(None),
            barrier: Barrier::new(workers + 1),
            ready: AtomicUsize::new(0),
            census: AtomicUsize::new(0),
            operations: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            waves: AtomicUsize::new(0),
        })
    }

    /// Puts a guest into a place of the lobby; returns the one who was there.
    pub(crate) fn seat(&self, place: usize, guest: Option<Guest>) -> Option<Guest> {
        std::mem::replace(&mut *lock(&self.lobby[place]), guest)
    }

    pub(crate) fn guest(&self, place: usize) -> Option<Guest> {
        *lock(&self.lobby[place])
    }

    /// Remembers an id that must not answer any more.
    pub(crate) fn remove(&self, id: SessionId, dice: &mut Dice) {
        *lock(&self.graves[dice.below(GRAVES)]) = Some(id);
    }

    pub(crate) fn grave(&self, dice: &mut Dice) -> Option<SessionId> {
        *lock(&self.graves[dice.below(GRAVES)])
    }

    pub(crate) fn all_operations(&self) -> u64 {
        self.operations.iter().map(|number| number.load(Ordering::Relaxed)).sum()
    }
}

/// The name of a worker's counter in the hot session.
pub(crate) fn counter(which: &str, worker: usize) -> String {
    format!("{which}{worker}")
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Random numbers, the same for the same seed (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, thread: usize) -> Self {
        let mixed = (seed ^ (thread as u64 + 1) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(mixed.max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
