//! Replicas and sentinels.

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/sentinel.rs"]
mod sentinel;
mod support;

use cloakroom::{MissingError, Principal, SessionId};
use cloakroom_redis::{ConnectError, SharedError, SharedOptions, SharedStore};
use sentinel::Sentinel;
use std::time::{Duration, Instant};
use support::{Engine, Server, eventually};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const SOON: Duration = Duration::from_secs(30);

on_each_engine! {
    an_end_is_confirmed_when_enough_replicas_have_it
}

async fn replicated(engine: Engine, primary: &Server) -> Server {
    let replica = Server::with(engine, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let linked = async || {
        let info = primary.command(&["INFO", "replication"]).into_bytes();
        String::from_utf8(info).unwrap().contains(&format!("port={},state=online", replica.port))
    };
    eventually("the replica follows", SOON, linked).await;
    replica
}

async fn an_end_is_confirmed_when_enough_replicas_have_it(engine: Engine) {
    let primary = Server::with(engine, &["--repl-diskless-sync-delay", "0"]);
    let replica = replicated(engine, &primary).await;
    let options = primary.options().wait_for_replicas(1, Duration::from_millis(200));
    let store = SharedStore::connect(options.command_timeout(Duration::from_millis(800))).await.unwrap();
    // A replica that has just connected does not confirm at once.
    let confirmed = async || store.delete(&store.create().await.unwrap()).await == Ok(true);
    eventually("the replica confirms", SOON, confirmed).await;
    let ada = Principal::new("ada");
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(store.create().await.unwrap());
        store.login(None, &ada).await.unwrap();
    }
    assert_eq!(store.delete(&ids[0]).await, Ok(true));
    let sessions = replica.keys().into_iter().filter(|key| key.starts_with(b"cr:s:")).count();
    assert_eq!(sessions, 3, "the replica has the end when the call returns");
    assert_eq!(store.end_sessions_of(&ada).await, Ok(2));
    replica.suspend();
    assert_eq!(store.delete(&ids[1]).await, Err(SharedError::Unconfirmed));
    assert_eq!(store.read(&ids[1], |_| ()).await, Err(NOT_FOUND));
    replica.resume();
    eventually("the replica has it", SOON, async || store.health().unconfirmed == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_follows_the_primary_that_the_sentinels_name() {
    let primary = Server::with(Engine::Redis, &["--repl-diskless-sync-delay", "0"]);
    let replicas = [replicated(Engine::Redis, &primary).await, replicated(Engine::Redis, &primary).await];
    let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::start(primary.port)).collect();
    let places: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    let url = format!("redis+sentinel://{}/main", places.join(","));
    let options = || SharedOptions::new(&url).command_timeout(Duration::from_millis(500));
    let begun = Instant::now();
    let store = loop {
        match SharedStore::connect(options()).await {
            Ok(store) => break store,
            Err(error) => assert!(begun.elapsed() < SOON, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let (kept, ended) = (store.create_with([("user", "ada")]).await.unwrap(), store.create().await.unwrap());
    store.read(&kept, |_| ()).await.unwrap();
    store.read(&ended, |_| ()).await.unwrap();
    // The sentinels have to know of the replicas and of each other before one of them can lead.
    tokio::time::sleep(Duration::from_secs(3)).await;
    primary.command(&["WAIT", "2", "1000"]);
    // The primary stops, connections and all, as if it were cut off.
    primary.suspend();
    let deleted = store.delete(&ended).await;
    assert!(matches!(deleted, Err(SharedError::Unconfirmed)), "{deleted:?}");
    let back = async || store.get(&kept, "user").await == Ok(Some("ada".to_owned()));
    eventually("a replica has taken over", SOON, back).await;
    eventually("the end is confirmed", SOON, async || store.health().unconfirmed == 0).await;
    assert_eq!(store.read(&ended, |_| ()).await, Err(NOT_FOUND), "it does not come back");
    let other = SharedStore::connect(options()).await.unwrap();
    assert_eq!(other.read(&ended, |_| ()).await, Err(NOT_FOUND));
    assert_eq!(other.exists(&kept).await, Ok(true));
    let masters = replicas.iter().filter(|replica| {
        let info = replica.command(&["INFO", "replication"]).into_bytes();
        String::from_utf8(info).unwrap().contains("role:master")
    });
    assert_eq!(masters.count(), 1);
    primary.resume();
}

/// What was acknowledged while the replicas were cut off is lost, but for the ends that a server has told within the
/// last minute: it tells them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_loses_what_was_not_replicated_and_ends_are_told_again() {
    let primary = Server::with(Engine::Redis, &["--repl-diskless-sync-delay", "0"]);
    let cut = proxy::Proxy::before(primary.port);
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let replica = Server::with(Engine::Redis, &["--replicaof", "127.0.0.1", &cut.port.to_string()]);
        let linked = async || {
            let info = String::from_utf8(primary.command(&["INFO", "replication"]).into_bytes()).unwrap();
            info.contains(&format!("port={},state=online", replica.port))
        };
        eventually("the replica follows", SOON, linked).await;
        replicas.push(replica);
    }
    let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::start(primary.port)).collect();
    let places: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    let url = format!("redis+sentinel://{}/main", places.join(","));
    let mut stores = Vec::new();
    eventually("the sentinels know the primary", SOON, async || {
        let made = SharedStore::connect(SharedOptions::new(&url).command_timeout(Duration::from_millis(500))).await;
        stores.extend(made);
        stores.len() == 2
    })
    .await;
    let [lives, dies] = <[SharedStore; 2]>::try_from(stores).unwrap();
    let mut old = Vec::new();
    for _ in 0..30 {
        old.push(lives.create_with([("n", "0")]).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(primary.command(&["WAIT", "2", "1000"]).int(), 2);
    // From here on the replicas learn nothing, and the primary answers all the same.
    cut.swallow(false, true);
    let mut new = Vec::new();
    for _ in 0..10 {
        new.push(lives.create().await.unwrap());
    }
    for id in &old[..10] {
        lives.set(id, "n", "1").await.unwrap();
    }
    for id in &old[10..20] {
        assert_eq!(lives.delete(id).await, Ok(true));
    }
    for id in &old[20..] {
        assert_eq!(dies.delete(id).await, Ok(true));
    }
    drop(dies);
    primary.suspend();
    let back = async || lives.fresh().exists(&old[0]).await == Ok(true);
    eventually("a replica has taken over", SOON, back).await;
    let present = async |ids: &[SessionId]| {
        let mut present = 0;
        for id in ids {
            let found = async || lives.fresh().exists(id).await.inspect(|&there| present += i32::from(there)).is_ok();
            eventually("the engine answers", SOON, found).await;
        }
        present
    };
    let mut undone = 0;
    for id in &old[..10] {
        undone += i32::from(lives.get(id, "n").await.unwrap().as_deref() == Some("0"));
    }
    let (created, told_again, told_by_nobody) =
        (present(&new).await, present(&old[10..20]).await, present(&old[20..]).await);
    println!(
        "lost: {} of 10 sessions, {undone} of 10 changes, {told_again} of 10 ends by a server that goes on, \
         {told_by_nobody} of 10 ends by a server that has gone",
        10 - created
    );
    assert_eq!((created, undone, told_again, told_by_nobody), (0, 10, 0, 10));
    primary.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_may_have_a_password_of_their_own() {
    let primary = Server::with(Engine::Redis, &["--requirepass", "of-the-engine"]);
    let of_sentinels = [
        "requirepass of-sentinels".to_owned(),
        "sentinel auth-pass main of-the-engine".to_owned(),
        "user ada on >of-ada +@all".to_owned(),
    ];
    let sentinel = Sentinel::with(primary.port, &of_sentinels);
    let connect = async |query: &str| {
        let url = format!("redis+sentinel://:of-the-engine@127.0.0.1:{}/main{query}", sentinel.port);
        SharedStore::connect(SharedOptions::new(url)).await
    };
    for query in ["?sentinel_pass=of-sentinels", "?sentinel_user=ada&sentinel_pass=of-ada"] {
        let mut store = None;
        eventually("the sentinel names the primary", SOON, async || {
            store = connect(query).await.ok();
            store.is_some()
        })
        .await;
        assert!(store.unwrap().create().await.is_ok());
    }
    for query in ["", "?sentinel_pass=of-the-engine", "?sentinel_user=bob&sentinel_pass=of-ada"] {
        let error = connect(query).await.unwrap_err();
        assert!(matches!(error, ConnectError::Permission), "{query} {error:?}");
    }
}
