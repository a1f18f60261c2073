//! Keeps the events for `tracing` as lines, for the tests of the crates that make them.

use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the events of one target: level, message, fields. Seconds are there without their number.
#[derive(Clone)]
pub(crate) struct Capture {
    target: &'static str,
    finest: Level,
    seconds_below: f64,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Capture {
    /// Keeps the events of `target` down to the level `finest`. Each number of seconds has to be below `seconds_below`.
    pub(crate) fn new(target: &'static str, finest: Level, seconds_below: f64) -> Self {
        Self { target, finest, seconds_below, lines: Arc::default() }
    }

    /// The lines since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().expect("no thread panics"))
    }

    /// Whether one of the lines since the last call contains this.
    #[allow(dead_code, reason = "the library's events need not be waited for")]
    pub(crate) fn has(&self, what: &str) -> bool {
        self.lines.lock().expect("no thread panics").iter().any(|line| line.contains(what))
    }
}

struct Line {
    text: String,
    seconds_below: f64,
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        assert!((0.0..self.seconds_below).contains(&value) && field.name() == "seconds", "{field} {value}");
        self.text += " seconds";
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}{}", self.text);
        } else {
            self.text += &format!(" {}={value:?}", field.name());
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == self.target && *metadata.level() <= self.finest
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { text: String::new(), seconds_below: self.seconds_below };
        event.record(&mut line);
        let line = format!("{} {}", event.metadata().level(), line.text);
        self.lines.lock().expect("no thread panics").push(line);
    }
}
