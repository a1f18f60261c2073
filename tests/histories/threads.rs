//! Real threads, which are recorded round after round.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cloakroom::Clock;

use crate::recorder::{Event, Recorder, Runtime, SESSIONS};

const THREADS: usize = 3;
/// Operations of each thread in a round, and steps of the clock.
const OPERATIONS: usize = 7;
const STEPS: usize = 6;

struct Real;

impl Runtime for Real {
    type Clock = SlowClock;

    fn advance(clock: &SlowClock, milliseconds: u64) {
        clock.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// A random number of this thread's.
    fn below(bound: usize) -> usize {
        static THREAD: AtomicU64 = AtomicU64::new(1);
        thread_local! {
            static STATE: Cell<u64> = Cell::new(THREAD.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed));
        }
        let mut state = STATE.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        STATE.set(state);
        (state >> 16) as usize % bound
    }

    fn pause() {
        (0..Self::below(6)).for_each(|_| thread::yield_now());
    }
}

/// A clock that is moved by hand, and often lets other threads run after it was read, so that readings grow old.
#[derive(Clone, Default)]
struct SlowClock(Arc<AtomicU64>);

impl Clock for SlowClock {
    fn now(&self) -> Duration {
        let reading = Duration::from_millis(self.0.load(Ordering::SeqCst));
        if Real::below(3) == 0 {
            (0..=Real::below(4)).for_each(|_| thread::yield_now());
        }
        reading
    }
}

struct Shared {
    recorder: Recorder<Real>,
    /// The number of rounds that have begun; how many threads have ended the present one; whether all is over.
    round: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
}

/// Threads that use the sessions of each round, and one that keeps the table growing and shrinking.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    churn: JoinHandle<usize>,
}

impl Threads {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared {
            recorder: Recorder::new(),
            round: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.take_part(number))
        };
        let threads = (0..THREADS).map(spawn).collect();
        let churning = Arc::clone(&shared);
        let churn = thread::spawn(move || churning.churn());
        Self { shared, threads, churn }
    }

    /// Has the threads use new sessions while the clock moves on, and returns each session's history.
    pub(crate) fn round(&mut self, number: usize) -> Vec<Vec<Event>> {
        let Shared { recorder, round, ended, .. } = &*self.shared;
        recorder.begin();
        ended.store(0, Ordering::SeqCst);
        round.store(number + 1, Ordering::SeqCst);
        recorder.move_the_clock(STEPS);
        while ended.load(Ordering::SeqCst) < THREADS {
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a thread panicked");
            thread::yield_now();
        }
        (0..SESSIONS).for_each(|session| _ = recorder.look_at(session));
        recorder.all_ids().iter().for_each(|id| _ = recorder.store.delete(id));
        recorder.end()
    }

    /// Ends the threads, and returns how often the table has grown and shrunk.
    pub(crate) fn end(self) -> usize {
        self.shared.over.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        let waves = self.churn.join().expect("no thread panics");
        let recorder = &self.shared.recorder;
        Real::advance(&recorder.clock, 1_000);
        recorder.store.evict_expired();
        assert_eq!(recorder.store.count(), 0);
        waves
    }
}

impl Shared {
    /// One thread's part in each round.
    fn take_part(&self, thread: usize) {
        for round in 1.. {
            while self.round.load(Ordering::SeqCst) < round {
                if self.over.load(Ordering::SeqCst) {
                    return;
                }
                thread::yield_now();
            }
            self.recorder.use_sessions(thread, OPERATIONS);
            self.ended.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Keeps the table on its way to another size, and sweeps. Returns the number of times.
    fn churn(&self) -> usize {
        let mut waves = 0;
        while !self.over.load(Ordering::SeqCst) {
            self.recorder.grow_and_shrink(200);
            if waves % 2 == 0 {
                self.recorder.store.evict_expired();
            }
            waves += 1;
        }
        waves
    }
}
