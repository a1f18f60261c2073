//! The events for `tracing`. One test, because the link's events reach only the process's own subscriber.
#![cfg(feature = "tracing")]

#[path = "support/sentinel.rs"]
mod sentinel;
mod support;

use cloakroom::Principal;
use cloakroom_redis::{SharedError, SharedOptions, SharedStore};
use sentinel::Sentinel;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Engine, Server, eventually};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SOON: Duration = Duration::from_secs(20);

/// Keeps every event as a line: level, message, fields.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<String>>>);

impl Capture {
    /// Waits for an event, and returns all since the last call. Seconds are there without their number.
    async fn until(&self, what: &str) -> Vec<String> {
        eventually(what, SOON, async || self.0.lock().unwrap().iter().any(|line| line.contains(what))).await;
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        assert!((0.0..60.0).contains(&value) && field.name() == "seconds", "{field} {value}");
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
        metadata.target() == "cloakroom_redis"
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_go_come_back_and_are_refused_make_events_without_secrets() {
    let events = Capture::default();
    tracing::subscriber::set_global_default(events.clone()).unwrap();
    let server = Server::start(Engine::Redis);
    let options = server.options().command_timeout(Duration::from_millis(300));
    let store = SharedStore::connect(options).await.unwrap();
    assert_eq!(events.until("connected").await, ["INFO engine is connected"]);
    let ada = Principal::new("secret-principal");
    let bound = store.login(None, &ada).await.unwrap();
    store.set(&bound, "user", "secret-value").await.unwrap();
    let free = store.create_with([("user", "secret-value")]).await.unwrap();

    // Away and back; ends that are not confirmed meanwhile, and are afterwards.
    server.suspend();
    let (deleted, ended) = tokio::join!(store.delete(&free), store.end_sessions_of(&ada));
    assert_eq!((deleted, ended), (Err(SharedError::Unconfirmed), Err(SharedError::Unconfirmed)));
    assert_eq!(store.read(&bound, |_| ()).await, Err(SharedError::Away));
    server.resume();
    let mut lines = events.until("ends are confirmed").await;
    lines.sort_unstable();
    // The second may be late a moment after the first.
    assert!(lines[0].starts_with("ERROR ends are not confirmed ends="), "{lines:?}");
    let expected = [
        "INFO ends are confirmed ends=2 seconds",
        "INFO engine is back seconds",
        "WARN engine is away reason=\"no_answer\"",
    ];
    assert_eq!(lines[1..], expected);

    // An engine that will not do is told once, however often it is tried.
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    let refused = "ERROR engine is refused reason=\"eviction\"";
    assert_eq!(events.until("refused").await, ["WARN engine is away reason=\"closed\"", refused]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(events.until("back").await, ["INFO engine is back seconds"]);
    drop(store);

    // Sentinels name another primary.
    let other = Server::start(Engine::Redis);
    let sentinel = Sentinel::start(server.port);
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let mut stores = Vec::new();
    eventually("the sentinel names the primary", SOON, async || {
        stores.extend(SharedStore::connect(SharedOptions::new(&url)).await);
        !stores.is_empty()
    })
    .await;
    assert_eq!(events.until("connected").await, ["INFO engine is connected"]);
    support::command(sentinel.port, &["SENTINEL", "REMOVE", "main"]);
    support::command(sentinel.port, &["SENTINEL", "MONITOR", "main", "127.0.0.1", &other.port.to_string(), "1"]);
    let lines = events.until("back").await;
    let expected = ["WARN engine is away reason=\"superseded\"", "WARN another primary", "INFO engine is back seconds"];
    assert_eq!(lines, expected);
    assert!(stores[0].create().await.is_ok());
}
