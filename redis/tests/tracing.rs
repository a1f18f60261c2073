//! The events for `tracing`. One test, because the link's events reach only the process's own subscriber.
#![cfg(feature = "tracing")]

#[path = "../../verify/support/events.rs"]
mod events;
#[path = "support/sentinel.rs"]
mod sentinel;
mod support;

use cloakroom::Principal;
use cloakroom_redis::{SharedError, SharedOptions, SharedStore};
use events::Capture;
use sentinel::Sentinel;
use std::time::Duration;
use support::{Engine, Server, eventually};
use tracing::Level;

const SOON: Duration = Duration::from_secs(20);

/// Waits for an event, and returns all since the last call.
async fn until(events: &Capture, what: &str) -> Vec<String> {
    eventually(what, SOON, async || events.has(what)).await;
    events.take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_go_come_back_and_are_refused_make_events_without_secrets() {
    let events = Capture::new("cloakroom_redis", Level::TRACE, 60.0);
    tracing::subscriber::set_global_default(events.clone()).unwrap();
    let server = Server::start(Engine::Redis);
    let options = server.options().command_timeout(Duration::from_millis(300));
    let store = SharedStore::connect(options).await.unwrap();
    assert_eq!(until(&events, "connected").await, ["INFO engine is connected"]);
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
    let mut lines = until(&events, "ends are confirmed").await;
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
    assert_eq!(until(&events, "refused").await, ["WARN engine is away reason=\"closed\"", refused]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(until(&events, "back").await, ["INFO engine is back seconds"]);
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
    assert_eq!(until(&events, "connected").await, ["INFO engine is connected"]);
    support::command(sentinel.port, &["SENTINEL", "REMOVE", "main"]);
    support::command(sentinel.port, &["SENTINEL", "MONITOR", "main", "127.0.0.1", &other.port.to_string(), "1"]);
    let lines = until(&events, "back").await;
    let expected = ["WARN engine is away reason=\"superseded\"", "WARN another primary", "INFO engine is back seconds"];
    assert_eq!(lines, expected);
    assert!(stores[0].create().await.is_ok());
}
