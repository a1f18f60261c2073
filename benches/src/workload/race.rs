//! Threads, each on a processor of its own as far as there are enough, that do operations for a while.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::Barrier;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// The operations between two looks at the clock.
pub const BATCH: usize = 64;

/// The processors that the process was given when it began to measure.
fn processors() -> &'static [usize] {
    static PROCESSORS: OnceLock<Vec<usize>> = OnceLock::new();
    PROCESSORS.get_or_init(|| {
        let allowed = sched_getaffinity(None).expect("the system says where this may run");
        (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)).collect()
    })
}

/// Binds the calling thread to one processor: the first to the last, the second to the last but one, and so on round.
/// The first processor, which has the most interrupts, comes last.
pub fn bind(thread: usize) {
    let processors = processors();
    let mut set = CpuSet::new();
    set.set(processors[processors.len() - 1 - thread % processors.len()]);
    sched_setaffinity(None, &set).expect("a processor of those that this may run on");
}

/// Reads the processors before any thread is bound.
pub fn prepare() {
    processors();
}

/// Nanoseconds that an operation takes each of the threads, when all are at work for `window`.
///
/// `worker` is called on each thread with its number, and returns what does a batch of [`BATCH`] operations. A quarter
/// of the window is worked off the clock first.
pub fn race<W: FnMut()>(threads: usize, window: Duration, worker: impl Fn(usize) -> W + Sync) -> f64 {
    let (barrier, worker) = (&Barrier::new(threads), &worker);
    let rates: Vec<f64> = thread::scope(|scope| {
        let start = |thread| {
            scope.spawn(move || {
                let _abort = AbortOnPanic;
                bind(thread);
                let mut batch = worker(thread);
                barrier.wait();
                work(window / 4, &mut batch);
                barrier.wait();
                work(window, &mut batch)
            })
        };
        let threads: Vec<_> = (0..threads).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("a panic aborts")).collect()
    });
    threads as f64 * 1e9 / rates.iter().sum::<f64>()
}

/// Operations a second.
fn work(window: Duration, batch: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    loop {
        batch();
        done += BATCH;
        let elapsed = start.elapsed();
        if elapsed >= window {
            return done as f64 / elapsed.as_secs_f64();
        }
    }
}

/// Ends the process when a worker panics: the others would wait for it at the barrier for ever.
pub struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}
