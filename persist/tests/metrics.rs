//! What `export_metrics` and the writing thread tell a recorder. One test, because the writing thread reaches only the
//! process's own recorder.
#![cfg(feature = "metrics")]

mod support;

use cloakroom_persist::{Access, Changes, Options, Persistence, Verdict};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::Dir;

/// What the recorder has of the disk, as `name{label=value,...}`.
fn exported(snapshotter: &Snapshotter) -> BTreeMap<String, DebugValue> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let metrics = metrics.filter(|(key, ..)| key.key().name().starts_with("cloakroom_persist"));
    let named = metrics.map(|(key, _, description, value)| {
        assert!(description.is_some_and(|text| text.len() > 10), "{key:?} has no description");
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = key.key().name().trim_start_matches("cloakroom_persist_");
        (format!("{name}{{{}}}", labels.join(",")), value)
    });
    named.collect()
}

fn gauge(value: f64) -> DebugValue {
    DebugValue::Gauge(value.into())
}

#[test]
fn every_figure_of_the_disk_is_exported_under_its_name() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let (dir, fails) = (Dir::new(), Arc::new(AtomicBool::new(false)));
    let failing = Arc::clone(&fails);
    let decide = move |_: Access| match failing.load(Ordering::Relaxed) {
        true => Verdict::Fail(ErrorKind::StorageFull),
        false => Verdict::Pass,
    };
    let options = || Options::new().changes(Changes::Within(Duration::from_millis(1)));
    let sessions = Persistence::open(dir.path(), options()).unwrap();
    (0..3).for_each(|_| _ = sessions.store().create().unwrap());
    sessions.close().unwrap();

    let sessions = Persistence::open(dir.path(), options().faults(decide)).unwrap();
    let id = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    sessions.export_metrics();
    let mut figures = exported(&snapshotter);
    let seconds = figures.remove("commit_seconds{store=session_id}");
    let Some(DebugValue::Histogram(seconds)) = seconds else { panic!("{seconds:?}") };
    assert!(!seconds.is_empty() && seconds.iter().all(|seconds| (0.0..60.0).contains(&seconds.into_inner())));
    let expected = [
        ("commits_total{store=session_id}", DebugValue::Counter(sessions.health().commits)),
        ("failing_seconds{store=session_id}", gauge(0.0)),
        ("failures_total{store=session_id}", DebugValue::Counter(0)),
        ("restored_sessions{store=session_id,outcome=expired}", gauge(0.0)),
        ("restored_sessions{store=session_id,outcome=refused}", gauge(0.0)),
        ("restored_sessions{store=session_id,outcome=restored}", gauge(3.0)),
        ("unwritten_sessions{store=session_id}", gauge(0.0)),
    ];
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(figures, expected);

    fails.store(true, Ordering::Relaxed);
    assert!(sessions.delete(&id).is_err());
    sessions.export_metrics();
    let figures = exported(&snapshotter);
    let failures = figures.get("failures_total{store=session_id}");
    assert!(matches!(failures, Some(DebugValue::Counter(1..))), "{failures:?}");
    let failing = figures.get("failing_seconds{store=session_id}");
    assert!(matches!(failing, Some(DebugValue::Gauge(time)) if time.into_inner() > 0.0), "{failing:?}");
    let unwritten = figures.get("unwritten_sessions{store=session_id}");
    assert_eq!(unwritten, Some(&gauge(1.0)));
}
