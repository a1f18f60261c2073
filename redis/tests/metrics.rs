//! What `export_metrics` tells a recorder.
#![cfg(feature = "metrics")]

mod support;

use cloakroom_redis::{SharedError, SharedStore};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Engine, Server, eventually};

const SOON: Duration = Duration::from_secs(10);

/// What a recorder gets of the store, as `name{label=value,...}`.
fn exported(store: &SharedStore) -> BTreeMap<String, DebugValue> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || store.export_metrics());
    let named = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, description, value)| {
        assert!(description.is_some_and(|text| text.len() > 10), "{key:?} has no description");
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = key.key().name().strip_prefix("cloakroom_redis_").unwrap();
        (format!("{name}{{{}}}", labels.join(",")), value)
    });
    named.collect()
}

fn gauge(figures: &BTreeMap<String, DebugValue>, name: &str) -> f64 {
    match figures.get(name) {
        Some(DebugValue::Gauge(value)) => value.into_inner(),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_is_exported_under_its_name() {
    let server = Server::start(Engine::Redis);
    let options = || server.options().prefix("shop").command_timeout(Duration::from_millis(300));
    let store = SharedStore::connect(options()).await.unwrap();
    let other = SharedStore::connect(options()).await.unwrap();
    let (id, ended) = (store.create_with([("user", "ada")]).await.unwrap(), store.create().await.unwrap());
    for _ in 0..5 {
        store.read(&id, |_| ()).await.unwrap();
    }
    other.set(&id, "user", "bob").await.unwrap();
    eventually("the change is told", SOON, async || store.health().invalidations > 0).await;
    server.command(&["FLUSHALL"]);
    eventually("the flush is told", SOON, async || store.health().flushes > 1).await;
    let flushes = store.health().flushes;
    server.suspend();
    assert_eq!(store.delete(&ended).await, Err(SharedError::Unconfirmed));
    // From when the connection counts as lost, nothing is sent.
    let lost = async || store.health().flushes > flushes && store.health().refusals == 1;
    eventually("the connection is lost", SOON, lost).await;

    let (mut figures, health) = (exported(&store), store.health());
    let ping_age = gauge(&figures, "ping_age_seconds{store=shop}");
    assert!((0.2..=health.ping_age.as_secs_f64()).contains(&ping_age), "{ping_age} {health:?}");
    figures.remove("ping_age_seconds{store=shop}");
    assert!(health.hits >= 4 && health.misses >= 1 && health.unconfirmed == 1, "{health:?}");
    let expected = [
        ("hits_total{store=shop}", DebugValue::Counter(health.hits)),
        ("misses_total{store=shop}", DebugValue::Counter(health.misses)),
        ("fills_total{store=shop}", DebugValue::Counter(health.fills)),
        ("late_fills_total{store=shop}", DebugValue::Counter(health.late_fills)),
        ("invalidations_total{store=shop}", DebugValue::Counter(health.invalidations)),
        ("flushes_total{store=shop}", DebugValue::Counter(health.flushes)),
        ("refusals_total{store=shop}", DebugValue::Counter(health.refusals)),
        ("connections_total{store=shop}", DebugValue::Counter(1)),
        ("commands_total{store=shop}", DebugValue::Counter(health.commands)),
        ("unconfirmed_ends{store=shop}", DebugValue::Gauge(1.0.into())),
        ("near_sessions{store=shop}", DebugValue::Gauge(0.0.into())),
    ];
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(figures, expected);

    server.resume();
    eventually("the engine confirms", SOON, async || store.health().unconfirmed == 0).await;
    assert!(gauge(&exported(&store), "unconfirmed_ends{store=shop}").abs() < 0.5);
}
