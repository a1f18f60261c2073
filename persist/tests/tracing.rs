//! The events for `tracing`. One test, because the writing thread's events reach only the process's own subscriber.
#![cfg(feature = "tracing")]

#[path = "../../verify/support/events.rs"]
mod events;
mod support;

use cloakroom::Principal;
use cloakroom_persist::{Access, Changes, OpenError, Options, Persistence, Verdict, WhenDamaged};
use events::Capture;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::Dir;
use tracing::Level;

/// The lines since the last call, without commits.
fn taken(events: &Capture) -> Vec<String> {
    events.take().into_iter().filter(|line| !line.starts_with("DEBUG commit")).collect()
}

fn wait_for(events: &Capture, what: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !events.has(what) {
        assert!(Instant::now() < end, "no event {what:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn restoring_closing_a_failing_disk_and_damage_make_events_without_secrets() {
    let events = Capture::new("cloakroom_persist", Level::TRACE, 600.0);
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
    wait_for(&events, "sessions restored");
    assert_eq!(taken(&events), [opened]);
    let principal = Principal::new("secret-principal");
    let id = sessions.store().new_session().principal(principal).create_with([("user", "secret-value")]).unwrap();
    sessions.flush().unwrap();
    wait_for(&events, "DEBUG commit sessions=1 seconds");
    sessions.close().unwrap();
    assert_eq!(taken(&events), ["INFO sessions closed seconds"]);

    let sessions = Persistence::open(dir.path(), options().faults(decide)).unwrap();
    let opened = "INFO sessions restored sessions=1 expired=0 refused=0 clean=true seconds";
    wait_for(&events, "sessions restored");
    assert_eq!(taken(&events), [opened]);
    fails.store(true, Ordering::Relaxed);
    assert!(sessions.delete(&id).is_err());
    // The second attempt fails too, without an event.
    std::thread::sleep(Duration::from_millis(250));
    let failed = taken(&events);
    assert!(
        matches!(&failed[..], [line] if line.starts_with("ERROR disk fails kind=no storage space unwritten=1")),
        "{failed:?}"
    );
    fails.store(false, Ordering::Relaxed);
    wait_for(&events, "disk works again");
    assert_eq!(taken(&events), ["INFO disk works again seconds"]);
    sessions.store().create().unwrap();
    fails.store(true, Ordering::Relaxed);
    assert!(sessions.close().is_err());
    let closed = taken(&events);
    assert_eq!(closed.last().unwrap(), "ERROR sessions closed, not all of them are on disk seconds");

    std::fs::write(dir.path().join("witness"), "cut off").unwrap();
    assert!(matches!(Persistence::open(dir.path(), options()), Err(OpenError::Damaged)));
    assert_eq!(taken(&events), ["ERROR record is damaged policy=\"refuse\""]);
    drop(Persistence::open(dir.path(), options().when_damaged(WhenDamaged::BeginAnew)).unwrap());
    assert_eq!(taken(&events)[0], "ERROR record is damaged policy=\"begin_anew\"");
}
