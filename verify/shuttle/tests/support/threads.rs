//! Threads of shuttle, which are recorded from the start of an execution to its end.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::Clock;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use crate::checker::explained;
use crate::recorder::{Recorder, Runtime, SESSIONS, SETTINGS};

const THREADS: usize = 4;
/// Operations of each thread, and steps of the clock.
const OPERATIONS: usize = 8;
const STEPS: usize = 5;

struct Scheduled;

impl Runtime for Scheduled {
    type Clock = Moved;

    fn advance(clock: &Moved, milliseconds: u64) {
        clock.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    fn below(bound: usize) -> usize {
        thread_rng().gen_range(0..bound)
    }

    /// Nothing: the scheduler decides when this thread goes on.
    fn pause() {}
}

/// A clock that is moved by hand.
#[derive(Clone, Default)]
pub(crate) struct Moved(pub(crate) Arc<AtomicU64>);

impl Clock for Moved {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn execute() {
    let recorder = Arc::new(Recorder::<Scheduled>::new());
    recorder.begin();
    let spawn = |work: fn(&Recorder<Scheduled>, usize), number| {
        let recorder = recorder.clone();
        thread::spawn(move || work(&recorder, number))
    };
    let mut threads: Vec<_> = (0..THREADS)
        .map(|number| spawn(|recorder, number| recorder.use_sessions(number, OPERATIONS), number))
        .collect();
    threads.push(spawn(|recorder, _| grow_and_shrink(recorder), 0));
    threads.push(spawn(|recorder, _| recorder.move_the_clock(STEPS), 0));
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    at_the_end(&recorder);
    for history in recorder.end() {
        assert!(explained(SETTINGS, &history), "nothing explains {history:#?}");
    }
    assert!(Arc::into_inner(recorder).is_some(), "the threads have ended");
}

/// Creates and deletes other sessions, so that arrays are left all the time, and sweeps.
fn grow_and_shrink(recorder: &Recorder<Scheduled>) {
    recorder.grow_and_shrink(5);
    recorder.store.evict_expired();
    recorder.grow_and_shrink(5);
}

/// Each session is as the last look at it says, and in the end nothing is left of any.
fn at_the_end(recorder: &Recorder<Scheduled>) {
    let live = (0..SESSIONS).filter(|&session| recorder.look_at(session)).count();
    let store = &recorder.store;
    store.evict_expired();
    assert_eq!(store.count(), live, "sessions counted and sessions live");
    let deleted = recorder.all_ids().iter().filter(|id| store.delete(id)).count();
    assert_eq!((deleted, store.count()), (live, 0));
}
