//! The summary at the end.

use std::fmt::Write;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::hall::MAX_SESSIONS;
use crate::memory::Memory;
use crate::tally::{Invariant, Kind, Tally};
use crate::time::TTL;

pub(crate) struct Report {
    pub(crate) arguments: Arguments,
    pub(crate) took: Duration,
    pub(crate) waves: usize,
    pub(crate) highest: usize,
    /// Milliseconds of the store's clock.
    pub(crate) clock: u64,
    /// All threads' together.
    pub(crate) tally: Tally,
    pub(crate) first: Memory,
    pub(crate) peak: Memory,
    pub(crate) last: Memory,
    pub(crate) band: (usize, usize),
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes everything");
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Arguments { threads, seed, .. } = self.arguments;
        writeln!(out, "\nsoak: {} with {threads} threads and a sweeper, seed {seed}\n", clock_time(self.took))?;
        self.write_operations(out)?;
        self.write_sessions(out)?;
        self.write_memory(out)?;
        self.write_invariants(out)?;
        writeln!(out, "\nverdict: everything held")
    }

    fn write_operations(&self, out: &mut String) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        let rate = |number: u64| grouped((number as f64 / seconds) as u64);
        writeln!(out, "{:<10} {:>14} {:>12} {:>12}", "operation", "number", "per second", "longest")?;
        for kind in Kind::ALL.iter().copied() {
            let number = self.tally.operations(kind);
            let longest = format!("{:.2} ms", self.tally.longest(kind).as_secs_f64() * 1_000.0);
            writeln!(out, "{:<10} {:>14} {:>12} {longest:>12}", kind.text(), grouped(number), rate(number))?;
        }
        let all = self.tally.all_operations();
        writeln!(out, "{:<10} {:>14} {:>12}", "all", grouped(all), rate(all))?;
        writeln!(out, "(the longest include the times in which the system let other threads run)")
    }

    fn write_sessions(&self, out: &mut String) -> std::fmt::Result {
        let Tally { created, deleted, full, .. } = self.tally;
        let hours = self.clock as f64 / 3_600_000.0;
        writeln!(
            out,
            "\nwaves      {}, the highest of {} sessions (limit {}; {} creates were refused there)",
            self.waves,
            grouped(self.highest as u64),
            grouped(MAX_SESSIONS as u64),
            grouped(full),
        )?;
        writeln!(
            out,
            "sessions   {} created, {} deleted, {} expired",
            grouped(created),
            grouped(deleted),
            grouped(created - deleted)
        )?;
        writeln!(out, "time       {hours:.1} hours of the store's clock, TTL {} minutes", TTL / 60_000)
    }

    fn write_memory(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{:<10} {:>10} {:>10}", "memory", "allocated", "resident")?;
        for (name, memory) in [("start", self.first), ("peak", self.peak), ("end", self.last)] {
            let (live, resident) = (megabytes(memory.live), megabytes(memory.resident));
            writeln!(out, "{name:<10} {live:>7} MB {resident:>7} MB")?;
        }
        let (least, most) = self.band;
        let (least, most) = (grouped(least as u64), grouped(most as u64));
        writeln!(
            out,
            "(start and end: at the bottom of the first wave and the last; all bottoms: {least} to {most} bytes)"
        )
    }

    fn write_invariants(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{:<48} {:>14}", "invariant", "checked")?;
        for invariant in Invariant::ALL.iter().copied() {
            writeln!(out, "{:<48} {:>14}", invariant.text(), grouped(self.tally.checks(invariant)))?;
        }
        Ok(())
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(crate) fn megabytes(bytes: usize) -> String {
    format!("{:.2}", bytes as f64 / 1e6)
}

/// Minutes and seconds.
pub(crate) fn clock_time(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
