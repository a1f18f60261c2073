//! Looks on: moves the clock, samples the count and the memory, and shows how it goes.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hall::{Hall, MAX_SESSIONS};
use crate::memory::Memory;
use crate::report::{clock_time, grouped, megabytes};
use crate::tally::{Invariant, Kind, Tally};

const TICK: Duration = Duration::from_millis(1);
const SAMPLE: Duration = Duration::from_millis(10);

/// Without an operation for so long, somebody waits for somebody.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Watch<'a> {
    hall: &'a Hall,
    time: Duration,
    start: Instant,
    terminal: bool,
    /// How many operations there were when their number was last seen to change, and when.
    progress: (u64, Instant),
    /// The same at the last display.
    shown: (u64, Instant),
    pub(crate) tally: Tally,
    pub(crate) peak: Memory,
}

impl<'a> Watch<'a> {
    /// Looks on until told that it is over.
    pub(crate) fn until(over: &AtomicBool, hall: &'a Hall, time: Duration) -> Self {
        let now = Instant::now();
        let mut watch = Self {
            hall,
            time,
            start: now,
            terminal: io::stdout().is_terminal(),
            progress: (0, now),
            shown: (0, now),
            tally: Tally::default(),
            peak: Memory::default(),
        };
        let mut sampled = now;
        while !over.load(Ordering::Relaxed) {
            thread::sleep(TICK);
            hall.pace.advance();
            if sampled.elapsed() >= SAMPLE {
                sampled = Instant::now();
                watch.sample();
            }
        }
        watch.wipe();
        watch
    }

    fn sample(&mut self) {
        let store = &self.hall.store;
        let count = self.tally.time(Kind::Count, || store.count());
        self.tally.check(Invariant::Limit, count <= MAX_SESSIONS, || format!("{count} of {MAX_SESSIONS}"));
        let memory = Memory::now();
        self.peak = self.peak.max(memory);
        let (operations, now) = (self.hall.all_operations(), Instant::now());
        if operations != self.progress.0 {
            self.progress = (operations, now);
        }
        let idle = now - self.progress.1;
        self.tally.check(Invariant::Progress, idle < PATIENCE, || format!("none has ended for {} s", idle.as_secs()));
        let interval = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if now - self.shown.1 >= interval {
            self.show(count, memory, operations, now);
        }
    }

    fn show(&mut self, count: usize, memory: Memory, operations: u64, now: Instant) {
        let (before, since) = std::mem::replace(&mut self.shown, (operations, now));
        let rate = (operations - before) as f64 / (now - since).as_secs_f64();
        let line = format!(
            "{} of {}  wave {:<4} {:>8} sessions  {:>10} operations/s  {:>6} MB allocated, {} MB resident",
            clock_time(now - self.start),
            clock_time(self.time),
            self.hall.waves.load(Ordering::Relaxed) + 1,
            grouped(count as u64),
            grouped(rate as u64),
            megabytes(memory.live),
            megabytes(memory.resident),
        );
        self.wipe();
        let end = if self.terminal { "" } else { "\n" };
        let mut out = io::stdout();
        // Nobody may be reading any more.
        let _ = write!(out, "{line}{end}").and_then(|()| out.flush());
    }

    /// Clears the line of a terminal.
    fn wipe(&self) {
        if self.terminal {
            let _ = write!(io::stdout(), "\r\x1b[2K");
        }
    }
}
