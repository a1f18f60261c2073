//! Each operation, on each engine.

mod support;

use cloakroom::{MissingError, Principal, SessionId, SessionStore, SetError, Timeouts, WhenPrincipalFull};
use cloakroom_redis::{SharedError, SharedStore};
use std::time::Duration;
use support::{Engine, Server, eventually};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const SECOND: Duration = Duration::from_secs(1);

on_each_engine! {
    attributes_are_read_as_they_were_written
    a_session_that_is_near_is_read_without_a_command
    what_is_missing_is_missing_for_every_operation
    deleted_sessions_stay_deleted
}

async fn attributes_are_read_as_they_were_written(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada"), ("role", "admin")]).await.unwrap();
    assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
    assert_eq!(store.get(&id, "nothing").await, Ok(None));
    store.set(&id, "theme", "dark").await.unwrap();
    store.set_each(&id, [("role", "none"), ("new", "1")]).await.unwrap();
    assert_eq!(store.remove(&id, "user").await, Ok(true));
    assert_eq!(store.remove(&id, "user").await, Ok(false));
    assert_eq!(store.take(&id, "new").await, Ok(Some("1".to_owned())));
    assert_eq!(store.increment(&id, "clicks", 3).await, Ok(3));
    assert_eq!(store.increment(&id, "clicks", -1).await, Ok(2));
    let attributes = store.snapshot(&id).await.unwrap();
    assert!(attributes.iter().eq([("role", "none"), ("theme", "dark"), ("clicks", "2")]));
    store.clear(&id).await.unwrap();
    assert_eq!(store.read(&id, |attributes| attributes.is_empty()).await, Ok(true));
}

async fn a_session_that_is_near_is_read_without_a_command(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    let commands = server.figure("stats", "total_commands_processed");
    let pings = store.health().commands;
    for _ in 0..1_000 {
        assert_eq!(store.cached(&id, |attributes| attributes.get("user") == Some("ada")), Some(true));
    }
    assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
    // Pings go on, and this test asks for figures.
    let (commands, pings) =
        (server.figure("stats", "total_commands_processed") - commands, store.health().commands - pings);
    assert!(commands <= pings + 2, "{commands} commands, {pings} of them pings");
    assert!(store.health().hits >= 1_001);
}

async fn what_is_missing_is_missing_for_every_operation(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = SessionId::random().unwrap();
    assert_eq!(store.cached(&id, |_| ()), None);
    assert_eq!(store.read(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.peek(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.principal(&id).await, Err(NOT_FOUND));
    assert_eq!(store.exists(&id).await, Ok(false));
    assert_eq!(store.touch(&id).await, Ok(false));
    assert_eq!(store.lookup(&id).await, Err(NOT_FOUND));
    assert_eq!(store.expires_in(&id).await, Err(NOT_FOUND));
    assert_eq!(store.ticket(&id).await, Err(NOT_FOUND));
    assert_eq!(store.set_timeouts(&id, Timeouts::default()).await, Err(NOT_FOUND));
    assert_eq!(store.set(&id, "a", "b").await, Err(NOT_FOUND));
    assert_eq!(store.remove(&id, "a").await, Err(NOT_FOUND));
    assert_eq!(store.rotate(&id).await, Err(NOT_FOUND));
    assert_eq!(store.login(Some(&id), &Principal::new("ada")).await, Err(NOT_FOUND));
    assert_eq!(store.end_other_sessions(&id).await, Err(NOT_FOUND));
    assert_eq!(store.delete(&id).await, Ok(false));
    assert_eq!(store.fresh().read(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.fresh().exists(&id).await, Ok(false));
    assert_eq!(store.count().await, Ok(0));
    assert!(server.keys().is_empty(), "no operation creates a session or anything else");
}

async fn deleted_sessions_stay_deleted(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create_with([("user", "ada")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    assert_eq!(store.delete(&id).await, Ok(true));
    assert_eq!(store.cached(&id, |_| ()), None);
    assert_eq!(store.read(&id, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(store.set(&id, "a", "b").await, Err(NOT_FOUND));
    assert_eq!(store.delete(&id).await, Ok(false));
    assert_eq!(server.keys(), Vec::<Vec<u8>>::new());
}
