//! Threads that do operations for a while, each bound to a processor.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::Barrier;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// The operations between two reads of the clock.
pub const BATCH: usize = 64;

/// The processors on which the process was allowed to run when it began to measure.
fn processors() -> &'static [usize] {
    static PROCESSORS: OnceLock<Vec<usize>> = OnceLock::new();
    PROCESSORS.get_or_init(|| {
        let allowed = sched_getaffinity(None).expect("the system tells the affinity of a thread");
        (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)).collect()
    })
}

/// Binds the calling thread to one processor: thread 0 to the last processor, thread 1 to the one before it, and so
/// on, in a circle. The first processor comes last, because it has the most interrupts.
pub fn bind(thread: usize) {
    let processors = processors();
    let mut set = CpuSet::new();
    set.set(processors[processors.len() - 1 - thread % processors.len()]);
    sched_setaffinity(None, &set).expect("the processor is one of those allowed");
}

/// Reads the allowed processors. To be called before any thread is bound.
pub fn prepare() {
    processors();
}

/// Runs the threads for `window`, and returns the nanoseconds that an operation takes each thread.
///
/// `worker` is called on each thread with the thread's number, and returns a closure that does [`BATCH`] operations.
/// The threads warm up for a quarter of the window first.
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

/// Runs batches for `window`, and returns the operations a second.
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

/// Aborts the process if a worker panics, because the other threads would wait for it at the barrier for ever.
pub struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}
