//! Changes whose answer is lost: they have happened, or not, or happen yet. The caller is told so, and they are not
//! tried a second time.

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use cloakroom::{Principal, Timeouts};
use cloakroom_redis::{SharedError, SharedStore};
use proxy::Proxy;
use std::time::Duration;
use support::{Engine, Server, eventually};

const SOON: Duration = Duration::from_secs(10);

on_each_engine! {
    a_change_whose_answer_is_lost_is_unknown_and_has_happened_once
    a_change_that_is_lost_on_its_way_is_unknown_and_has_not_happened
    a_change_that_is_unknown_may_happen_yet
}

/// A store behind a proxy, and one without.
async fn stores(server: &Server) -> (Proxy, SharedStore, SharedStore) {
    let proxy = Proxy::before(server.port);
    let options = server.options().command_timeout(Duration::from_millis(300));
    let behind = cloakroom_redis::SharedOptions::new(proxy.url()).command_timeout(Duration::from_millis(300));
    (proxy, SharedStore::connect(behind).await.unwrap(), SharedStore::connect(options).await.unwrap())
}

fn assert_unknown<R: std::fmt::Debug>(what: &str, result: Result<R, SharedError>) {
    match result {
        Err(error @ SharedError::Unknown) => {
            assert!(error.is_away() && !error.is_missing(), "503, and the cookie stays")
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// Undoes what the proxy does, and waits until the store has another connection.
async fn heal(proxy: &Proxy, store: &SharedStore) {
    let connections = store.health().connections;
    proxy.heal();
    eventually("it connects again", SOON, async || store.health().connections > connections).await;
    // What was to be tried again has been by now.
    assert!(store.count().await.is_ok());
}

async fn a_change_whose_answer_is_lost_is_unknown_and_has_happened_once(engine: Engine) {
    let server = Server::start(engine);
    let (proxy, store, witness) = stores(&server).await;
    let id = store.create_with([("n", "1")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();

    proxy.swallow(false, true);
    assert_unknown("increment", store.increment(&id, "n", 1).await);
    heal(&proxy, &store).await;
    assert_eq!(witness.fresh().read(&id, |all| all.get("n").map(str::to_owned)).await, Ok(Some("2".to_owned())));
    assert_eq!(store.get(&id, "n").await, Ok(Some("2".to_owned())), "the old value is not near any more");

    proxy.swallow(false, true);
    assert_unknown("create", store.create().await);
    heal(&proxy, &store).await;
    assert_eq!(witness.count().await, Ok(2), "a session whose id nobody has");

    let minute = Duration::from_secs(60);
    proxy.swallow(false, true);
    assert_unknown("set_timeouts", store.set_timeouts(&id, Timeouts::default().idle(minute)).await);
    heal(&proxy, &store).await;
    assert!(witness.expires_in(&id).await.is_ok_and(|left| left <= minute));

    proxy.swallow(false, true);
    assert_unknown("rotate", store.rotate(&id).await);
    heal(&proxy, &store).await;
    assert_eq!(witness.fresh().exists(&id).await, Ok(false), "the session has an id that nobody has");
    assert_eq!(witness.count().await, Ok(2));

    let ada = Principal::new("ada");
    proxy.swallow(false, true);
    assert_unknown("login", store.login(None, &ada).await);
    heal(&proxy, &store).await;
    assert_eq!(witness.sessions_of(&ada).await.map(|sessions| sessions.len()), Ok(1));
}

async fn a_change_that_is_lost_on_its_way_is_unknown_and_has_not_happened(engine: Engine) {
    let server = Server::start(engine);
    let (proxy, store, witness) = stores(&server).await;
    let id = store.create_with([("n", "1")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    proxy.swallow(true, false);
    let (changed, created, rotated) = tokio::join!(store.set(&id, "n", "2"), store.create(), store.rotate(&id));
    assert_unknown("set", changed);
    assert_unknown("create", created);
    assert_unknown("rotate", rotated);
    heal(&proxy, &store).await;
    assert_eq!(witness.get(&id, "n").await, Ok(Some("1".to_owned())));
    assert_eq!(store.get(&id, "n").await, Ok(Some("1".to_owned())));
    assert_eq!(witness.count().await, Ok(1));
}

async fn a_change_that_is_unknown_may_happen_yet(engine: Engine) {
    let server = Server::start(engine);
    let (_proxy, store, witness) = stores(&server).await;
    let id = store.create_with([("n", "1")]).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    server.suspend();
    assert_unknown("set", store.set(&id, "n", "2").await);
    server.resume();
    let changed = async || witness.fresh().read(&id, |all| all.get("n") == Some("2")).await == Ok(true);
    eventually("the engine does it when it goes on", SOON, changed).await;
    let seen = async || store.get(&id, "n").await == Ok(Some("2".to_owned()));
    eventually("the server that asked for it sees it", SOON, seen).await;
}
