//! An eviction, the latency of another thread's gets meanwhile, and when the memory is freed.
//!
//! A reader gets live sessions at a fixed pace, whatever the store does. A get is timed from the moment it was due, so
//! a stall counts for every get that it delays, and not only for the first. Another thread lets the reader run alone
//! for a while, then evicts, and then waits for the memory. While it waits, it creates and deletes a few sessions, as a
//! server would. Half of the sessions have expired: every other one in the order of creation.

use super::latency::histogram;
use super::order::{Measured, Order, Time};
use super::race::{AbortOnPanic, bind};
use crate::attributes::{ATTRIBUTES, READ_KEY};
use crate::clock::Clock;
use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::memory;
use crate::random::Xorshift;
use std::hint::{black_box, spin_loop};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The time between two gets.
const PACE: Duration = Duration::from_micros(5);
/// How long the reader needs until it keeps its pace.
const WARM_UP: Duration = Duration::from_millis(20);
/// The time between two reads of the memory counter.
const POLL: Duration = Duration::from_micros(500);
/// The sessions that are created and deleted between two reads of the memory counter.
const TRAFFIC: usize = 8;

/// A get: the moment it was due, and how long after that it was complete.
type Get = (Instant, Duration);
/// The gets of five seconds. After that the list has to grow.
const EXPECTED_GETS: usize = 1 << 20;

struct Eviction {
    start: Instant,
    end: Instant,
    evicted: usize,
    /// The bytes on the heap before the eviction.
    before: i64,
    /// The bytes on the heap after it, with the times at which the counter was read.
    after: Vec<(Instant, i64)>,
}

pub fn evict<C: Contender>(order: &Order) -> Vec<Measured> {
    let sessions = order.sizes.large;
    memory::count();
    let empty = memory::live();
    let (store, live) = half_expired::<C>(order, sessions);
    let filled = memory::live() - empty - (live.capacity() * size_of::<Id>()) as i64;
    let (begin, stop) = (Barrier::new(2), OnceLock::new());
    let (eviction, gets) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_at_pace(&store, &live, &begin, &stop));
        let evictor = scope.spawn(|| {
            let _abort = AbortOnPanic;
            bind(1);
            begin.wait();
            thread::sleep(WARM_UP + Duration::from_millis(order.sizes.quiet_ms));
            let eviction = evict_and_wait(&store, Duration::from_millis(order.sizes.back_ms));
            stop.set(Instant::now()).expect("nothing else sets it");
            eviction
        });
        (evictor.join().expect("a panic aborts"), reader.join().expect("a panic aborts"))
    });
    // A cache with a clock of its own evicts some or all of them earlier, while it is read.
    let expired = sessions - live.len();
    assert!(
        eviction.evicted == expired || C::OWN_CLOCK && eviction.evicted < expired,
        "an expired session was not evicted"
    );
    // Leaked, because the process ends: see `lookups`.
    std::mem::forget(store);
    report(sessions, filled, &eviction, &gets)
}

/// Returns a store in which every other session has expired, and the ids of the live sessions.
fn half_expired<C: Contender>(order: &Order, sessions: usize) -> (C, Vec<Id>) {
    let (clock, ttl) = if C::OWN_CLOCK {
        (order.variant.time.clock(), Duration::from_secs(3) + Duration::from_micros(7) * sessions as u32)
    } else {
        (Clock::shifted(), Duration::from_secs(30 * 60))
    };
    // A shifted clock is a coarse clock with an offset.
    assert!(order.variant.time == Time::Coarse, "eviction is measured with the coarse clock");
    let store = C::open(Setup { ttl, clock, ..order.setup(sessions) });
    let mut live = Vec::with_capacity(sessions / 2);
    for session in 0..sessions {
        let id = store.create(&ATTRIBUTES);
        if session % 2 == 0 {
            live.push(id);
        }
    }
    clock.pass(ttl / 2);
    for id in &live {
        assert!(
            store.get(id, READ_KEY).is_some(),
            "a session expired before its time: the machine is too busy for this row"
        );
    }
    // A cache that defers its bookkeeping counts its sessions now.
    store.flush();
    clock.pass(ttl * 11 / 20);
    (store, live)
}

/// Reads until all gets that were due before `stop` are complete, however late that is.
fn read_at_pace<C: Contender>(store: &C, live: &[Id], begin: &Barrier, stop: &OnceLock<Instant>) -> Vec<Get> {
    let _abort = AbortOnPanic;
    bind(0);
    let mut random = Xorshift::new(0);
    // Written in advance, so that no get waits for a page of the list.
    let mut gets = vec![(Instant::now(), Duration::ZERO); EXPECTED_GETS];
    gets.clear();
    begin.wait();
    let mut due = Instant::now();
    while stop.get().is_none_or(|stop| due < *stop) {
        due += PACE;
        while Instant::now() < due {
            spin_loop();
        }
        let value = store.get(black_box(&live[random.below(live.len())]), black_box(READ_KEY));
        black_box(value.expect("a live session was lost"));
        gets.push((due, due.elapsed()));
    }
    gets
}

fn evict_and_wait<C: Contender>(store: &C, wait: Duration) -> Eviction {
    let before = memory::live();
    let start = Instant::now();
    let evicted = store.evict_expired();
    let end = Instant::now();
    let mut after = vec![(end, memory::live())];
    while end.elapsed() < wait {
        for _ in 0..TRAFFIC {
            let id = store.create(&ATTRIBUTES);
            assert!(store.delete(&id), "a created session was lost");
        }
        thread::sleep(POLL);
        after.push((Instant::now(), memory::live()));
    }
    Eviction { start, end, evicted, before, after }
}

fn report(sessions: usize, filled: i64, eviction: &Eviction, gets: &[Get]) -> Vec<Measured> {
    let mut measured = Vec::new();
    let mut add = |metric: &str, value: f64| measured.push(Measured::new("evict", sessions, 2, metric, value));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    add("ms", ms(eviction.end - eviction.start));

    let (last, left) = *eviction.after.last().expect("the counter was read at least once");
    let freed = eviction.before - left;
    let back = eviction.after.iter().find(|(_, bytes)| eviction.before - bytes >= freed * 19 / 20);
    add("back ms", ms(back.map_or(last, |(time, _)| *time) - eviction.end));
    add("freed %", 100.0 * freed as f64 / (filled as f64 / 2.0));

    let begin = gets.first().map_or(eviction.start, |(due, _)| *due) + WARM_UP;
    for (phase, from, to) in [("quiet", begin, eviction.start), ("during", eviction.start, eviction.end)] {
        let mut latencies = histogram();
        for (_, latency) in gets.iter().filter(|(due, _)| (from..to).contains(due)) {
            latencies.saturating_record(latency.as_nanos() as u64);
        }
        add(&format!("{phase} gets"), latencies.len() as f64);
        if latencies.is_empty() {
            continue;
        }
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            add(&format!("{phase} {name} us"), latencies.value_at_quantile(quantile) as f64 / 1e3);
        }
    }
    measured
}
