//! What `export_metrics` tells a recorder: names, kinds, labels and values.
#![cfg(feature = "metrics")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::{ManualClock, SessionStore, Sweeper, WhenFull};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// What the recorder has, as `name{label="value",...}`.
fn exported(snapshotter: &Snapshotter) -> BTreeMap<String, DebugValue> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let named = metrics.map(|(key, _, description, value)| {
        assert!(description.is_some_and(|text| text.len() > 10), "{key:?} has no description");
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    });
    named.collect()
}

fn store() -> (SessionStore, ManualClock) {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().cookie_name("sid").shards(1).ttl(Duration::from_secs(60));
    let builder = builder
        .max_sessions(3)
        .max_session_bytes(32)
        .max_attributes(2)
        .max_bytes(10_000)
        .clock(clock.clone())
        .when_full(WhenFull::EndIdlest);
    (builder.build().expect("the settings are valid"), clock)
}

fn gauge(value: f64) -> DebugValue {
    DebugValue::Gauge(value.into())
}

#[test]
fn every_figure_is_exported_under_its_name() {
    let (store, clock) = store();
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        for _ in 0..5 {
            store.create_with([("user", "secret-ada")]).expect("somebody goes");
        }
        let brief = store.new_session().absolute_timeout(Duration::ZERO).create().expect("somebody goes");
        let rotated = store.rotate_id(&brief).expect("it is live");
        assert_eq!(store.lookup(&brief, |_| ()), Err(cloakroom::MissingError::Replaced));
        clock.advance(Duration::from_millis(1));
        assert!(!store.exists(&rotated));
        let deleted = store.create().expect("there is room");
        store.delete(&deleted);
        store.create_with([("user", "x".repeat(33))]).expect_err("it is too large");
        (0..2).for_each(|_| _ = store.create_with([("a", ""), ("b", ""), ("c", "")]).expect_err("they are too many"));
        store.export_metrics();
    });
    let stats = store.stats();
    let mut exported = exported(&recorder.snapshotter());
    // Of the process, and other tests retire at the same time.
    let retired = exported.remove("cloakroom_retired_bytes{store=sid}");
    assert!(matches!(retired, Some(DebugValue::Gauge(bytes)) if *bytes > 0.0), "{retired:?}");
    let expected = [
        ("cloakroom_session_bytes{store=sid}", gauge(stats.bytes as f64)),
        ("cloakroom_counted_bytes{store=sid}", gauge(stats.counted_bytes as f64)),
        ("cloakroom_session_changes_rejected_total{store=sid}", DebugValue::Counter(0)),
        ("cloakroom_remembered_ids{store=sid}", gauge(1.0)),
        ("cloakroom_replays_total{store=sid}", DebugValue::Counter(1)),
        ("cloakroom_sessions_created_total{store=sid}", DebugValue::Counter(7)),
        ("cloakroom_sessions_rejected_total{store=sid,reason=bytes_full}", DebugValue::Counter(0)),
        ("cloakroom_sessions_rejected_total{store=sid,reason=full}", DebugValue::Counter(0)),
        ("cloakroom_sessions_rejected_total{store=sid,reason=principal_full}", DebugValue::Counter(0)),
        ("cloakroom_sessions_rejected_total{store=sid,reason=random}", DebugValue::Counter(0)),
        ("cloakroom_sessions_rejected_total{store=sid,reason=too_large}", DebugValue::Counter(1)),
        ("cloakroom_sessions_rejected_total{store=sid,reason=too_many_attributes}", DebugValue::Counter(2)),
        ("cloakroom_sessions_removed_total{store=sid,cause=absolute_timeout}", DebugValue::Counter(1)),
        ("cloakroom_sessions_removed_total{store=sid,cause=capacity}", DebugValue::Counter(3)),
        ("cloakroom_sessions_removed_total{store=sid,cause=deleted}", DebugValue::Counter(1)),
        ("cloakroom_sessions_removed_total{store=sid,cause=end_all}", DebugValue::Counter(0)),
        ("cloakroom_sessions_removed_total{store=sid,cause=idle_timeout}", DebugValue::Counter(0)),
        ("cloakroom_sessions_removed_total{store=sid,cause=principal}", DebugValue::Counter(0)),
        ("cloakroom_sessions_removed_total{store=sid,cause=principal_limit}", DebugValue::Counter(0)),
        ("cloakroom_sessions_removed_total{store=sid,cause=rotated}", DebugValue::Counter(1)),
        ("cloakroom_sessions{store=sid}", gauge(2.0)),
        ("cloakroom_table_growth_steps_total{store=sid}", DebugValue::Counter(stats.growth_steps)),
        ("cloakroom_table_load_ratio{store=sid}", gauge(2.0 / stats.slots as f64)),
        ("cloakroom_table_longest_probe{store=sid}", gauge(stats.longest_probe as f64)),
        ("cloakroom_table_slots{store=sid}", gauge(stats.slots as f64)),
    ];
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(exported, expected);
    assert!(stats.counted_bytes >= stats.bytes);
    assert!(stats.bytes > 0 && stats.slots > 0 && stats.longest_probe > 0);
}

#[test]
fn what_the_limit_in_bytes_refuses_is_exported() {
    let store = SessionStore::builder().max_bytes(200).build().expect("the settings are valid");
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        let id = store.create().expect("there is room");
        (0..2).for_each(|_| assert!(store.set(&id, "key", &"v".repeat(200)).is_err()));
        (0..3).for_each(|_| assert!(store.create_with([("key", "v".repeat(200))]).is_err()));
        store.export_metrics();
    });
    let mut exported = exported(&recorder.snapshotter());
    let mut of = |name: &str| exported.remove(name).expect("it is exported");
    assert_eq!(of("cloakroom_session_changes_rejected_total{store=session_id}"), DebugValue::Counter(2));
    assert_eq!(of("cloakroom_sessions_rejected_total{store=session_id,reason=bytes_full}"), DebugValue::Counter(3));
    let counted = store.stats().counted_bytes;
    assert_eq!(of("cloakroom_counted_bytes{store=session_id}"), gauge(counted as f64));
    assert!((72..=200).contains(&counted), "{counted}");
}

#[test]
fn exporting_again_brings_the_figures_up_to_date() {
    let (store, _) = store();
    let recorder = DebuggingRecorder::new();
    let sessions = |recorder: &DebuggingRecorder| {
        metrics::with_local_recorder(recorder, || store.export_metrics());
        let mut exported = exported(&recorder.snapshotter());
        let mut of = |name: &str| exported.remove(name).expect("it is exported");
        (of("cloakroom_sessions{store=sid}"), of("cloakroom_sessions_created_total{store=sid}"))
    };
    assert_eq!(sessions(&recorder), (gauge(0.0), DebugValue::Counter(0)));
    let id = store.create().expect("there is room");
    assert_eq!(sessions(&recorder), (gauge(1.0), DebugValue::Counter(1)));
    store.delete(&id);
    assert_eq!(sessions(&recorder).0, gauge(0.0));
}

/// The sweeper's thread has the global recorder, which no other test here uses.
#[test]
fn a_sweeper_exports_after_its_rounds() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().expect("there is no other one");
    let (store, _) = store();
    let store = Arc::new(store);
    store.create().expect("there is room");
    let _sweeper = Sweeper::start(Arc::clone(&store), Duration::from_millis(1)).expect("a thread");
    let began = Instant::now();
    while exported(&snapshotter).get("cloakroom_sessions{store=sid}") != Some(&gauge(1.0)) {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing is exported");
        std::thread::yield_now();
    }
}
