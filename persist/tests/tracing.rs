//! The events for `tracing`. One test, because the writing thread's events reach only the process's own subscriber.
#![cfg(feature = "tracing")]

mod support;

use cloakroom::Principal;
use cloakroom_persist::{Access, Changes, OpenError, Options, Persistence, Verdict, WhenDamaged};
use std::fmt;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::Dir;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps every event as a line: level, message, fields.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<String>>>);

impl Capture {
    /// The lines since the last call, without commits and with the number of seconds replaced.
    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        lines.into_iter().filter(|line| !line.starts_with("DEBUG commit")).collect()
    }

    fn wait_for(&self, what: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.0.lock().unwrap().iter().any(|line| line.contains(what)) {
            assert!(Instant::now() < end, "no event {what:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        assert!((0.0..600.0).contains(&value) && field.name() == "seconds", "{field} {value}");
        self.0 += " seconds";
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}{}", self.0);
        } else {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "cloakroom_persist"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(format!("{} {}", event.metadata().level(), line.0));
    }
}

#[test]
fn restoring_closing_a_failing_disk_and_damage_make_events_without_secrets() {
    let events = Capture::default();
    tracing::subscriber::set_global_default(events.clone()).unwrap();
    let (dir, fails) = (Dir::new(), Arc::new(AtomicBool::new(false)));
    let failing = Arc::clone(&fails);
    let decide = move |_: Access| match failing.load(Ordering::Relaxed) {
        true => Verdict::Fail(ErrorKind::StorageFull),
        false => Verdict::Pass,
    };
    let options = || Options::new().changes(Changes::Within(Duration::from_millis(1)));

    let sessions = Persistence::open(dir.path(), options()).unwrap();
    let opened = "INFO sessions restored sessions=0 expired=0 refused=0 clean=false seconds";
    events.wait_for("sessions restored");
    assert_eq!(events.take(), [opened]);
    let principal = Principal::new("secret-principal");
    let id = sessions.store().new_session().principal(principal).create_with([("user", "secret-value")]).unwrap();
    sessions.flush().unwrap();
    events.wait_for("DEBUG commit sessions=1 seconds");
    sessions.close().unwrap();
    assert_eq!(events.take(), ["INFO sessions closed seconds"]);

    let sessions = Persistence::open(dir.path(), options().faults(decide)).unwrap();
    let opened = "INFO sessions restored sessions=1 expired=0 refused=0 clean=true seconds";
    events.wait_for("sessions restored");
    assert_eq!(events.take(), [opened]);
    fails.store(true, Ordering::Relaxed);
    assert!(sessions.delete(&id).is_err());
    // The second attempt fails too, without an event.
    std::thread::sleep(Duration::from_millis(250));
    let failed = events.take();
    assert!(
        matches!(&failed[..], [line] if line.starts_with("ERROR disk fails kind=no storage space unwritten=1")),
        "{failed:?}"
    );
    fails.store(false, Ordering::Relaxed);
    events.wait_for("disk works again");
    assert_eq!(events.take(), ["INFO disk works again seconds"]);
    sessions.store().create().unwrap();
    fails.store(true, Ordering::Relaxed);
    assert!(sessions.close().is_err());
    let closed = events.take();
    assert_eq!(closed.last().unwrap(), "ERROR sessions closed, not all of them are on disk seconds");

    std::fs::write(dir.path().join("witness"), "cut off").unwrap();
    assert!(matches!(Persistence::open(dir.path(), options()), Err(OpenError::Damaged)));
    assert_eq!(events.take(), ["ERROR record is damaged policy=\"refuse\""]);
    drop(Persistence::open(dir.path(), options().when_damaged(WhenDamaged::BeginAnew)).unwrap());
    assert_eq!(events.take()[0], "ERROR record is damaged policy=\"begin_anew\"");
}
