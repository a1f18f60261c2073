//! Wall time of several threads that do the same number of operations.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::Contender;
use crate::workload::Worker;

/// When a thread began its part of a round and when it had done it.
struct Span {
    start: Instant,
    end: Instant,
}

/// The time in which every worker, on a thread of its own, does `iterations` operations.
///
/// Threads are started once and go through their rounds together. A round counts from the first start to the last end; what workers
/// do before and after it does not count.
pub(crate) fn wall_time<C: Contender>(iterations: u64, workers: Vec<Worker<'_, C>>) -> Duration {
    let barrier = &Barrier::new(workers.len());
    let spans: Vec<Vec<Span>> = thread::scope(|scope| {
        let start = |worker| scope.spawn(move || run(worker, iterations, barrier));
        let threads: Vec<_> = workers.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("a panic aborts")).collect()
    });
    let rounds = spans[0].len();
    (0..rounds)
        .map(|round| {
            let first = spans.iter().map(|of_thread| of_thread[round].start).min();
            let last = spans.iter().map(|of_thread| of_thread[round].end).max();
            last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first)
        })
        .sum()
}

fn run<C: Contender>(mut worker: Worker<'_, C>, iterations: u64, barrier: &Barrier) -> Vec<Span> {
    let _abort = AbortOnPanic;
    let mut spans = Vec::new();
    let mut left = iterations;
    while left > 0 {
        let operations = left.min(worker.round());
        worker.prepare();
        barrier.wait();
        let start = Instant::now();
        worker.work(operations);
        spans.push(Span { start, end: Instant::now() });
        barrier.wait();
        worker.tidy();
        left -= operations;
    }
    spans
}

/// Ends the process when a worker panics: the others would wait for it at the barrier for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}
