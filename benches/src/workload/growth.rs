//! Filling an empty store until it is large: the mean time of a `create`, and the longest one.
//!
//! The contender `floor` has its array from the beginning, so its longest `create` is the share of the machine.

use super::latency::histogram;
use super::order::{Measured, Order};
use super::race::{AbortOnPanic, bind};
use crate::attributes::ATTRIBUTES;
use crate::contender::Contender;
use hdrhistogram::Histogram;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

pub fn grow<C: Contender>(order: &Order) -> Vec<Measured> {
    let sessions = order.sizes.large;
    let mut measured = Vec::new();
    for &threads in &order.threads {
        let store: C = order.store(sessions);
        let (ns, creates) = fill(&store, sessions / threads, threads);
        let us = |ns: u64| ns as f64 / 1e3;
        for (metric, value) in
            [("ns", ns), ("p99.9 us", us(creates.value_at_quantile(0.999))), ("longest us", us(creates.max()))]
        {
            measured.push(Measured::new("growth", sessions, threads, metric, value));
        }
    }
    measured
}

/// The nanoseconds that a create takes each thread, and the duration of each create.
fn fill<C: Contender>(store: &C, each: usize, threads: usize) -> (f64, Histogram<u64>) {
    let barrier = &Barrier::new(threads);
    let run = |thread| {
        let _abort = AbortOnPanic;
        bind(thread);
        let mut creates = histogram();
        barrier.wait();
        let start = Instant::now();
        let mut last = start;
        for _ in 0..each {
            store.create(black_box(&ATTRIBUTES));
            let now = Instant::now();
            creates.saturating_record((now - last).as_nanos() as u64);
            last = now;
        }
        (each as f64 / (last - start).as_secs_f64(), creates)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a panic aborts")).collect()
    });
    let rate: f64 = results.iter().map(|(rate, _)| rate).sum();
    let mut creates = histogram();
    for (_, of_thread) in results {
        creates.add(of_thread).expect("all have the same bounds");
    }
    (threads as f64 * 1e9 / rate, creates)
}
