//! Two servers on one engine: what one ends, the other refuses.

mod support;

use cloakroom::{MissingError, Principal, SessionStore, WhenPrincipalFull};
use cloakroom_redis::{SharedError, SharedStore};
use std::time::{Duration, Instant};
use support::{Engine, Server, eventually};

const NOT_FOUND: SharedError = SharedError::Missing(MissingError::NotFound);
const BOUND: Duration = Duration::from_millis(500);

on_each_engine! {
    a_logout_on_one_server_is_refused_by_the_other
    a_change_on_one_server_is_seen_by_the_other
    all_sessions_of_a_principal_end_on_every_server
    all_other_sessions_end_and_this_one_stays
    one_device_is_ended_by_its_handle
    a_principal_has_no_more_sessions_than_its_limit
    a_near_session_of_a_principal_ends_with_its_generation_alone
    one_fetch_answers_all_that_wait
    forged_ids_do_not_fill_the_tracking_table
    a_tracking_table_of_ten_keys_keeps_the_promise
    without_a_near_cache_every_read_asks_the_engine
}

async fn pair(server: &Server) -> [SharedStore; 2] {
    [server.store().await, server.store().await]
}

/// Fails if the session is near for longer than the bound after `ended`.
async fn refused_within_the_bound(store: &SharedStore, id: &cloakroom::SessionId, ended: Instant) {
    loop {
        let asked = Instant::now();
        match store.read(id, |_| ()).await {
            Err(error) => return assert!(error.is_missing(), "{error}"),
            Ok(()) => assert!(asked.duration_since(ended) < BOUND, "a session is served longer than the bound"),
        }
    }
}

async fn a_logout_on_one_server_is_refused_by_the_other(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = pair(&server).await;
    for _ in 0..50 {
        let id = one.create_with([("user", "ada")]).await.unwrap();
        for store in [&one, &other] {
            store.read(&id, |_| ()).await.unwrap();
            assert_eq!(store.cached(&id, |_| ()), Some(()), "it is near on both");
        }
        assert_eq!(one.delete(&id).await, Ok(true));
        let ended = Instant::now();
        assert_eq!(one.read(&id, |_| ()).await, Err(NOT_FOUND), "at once here");
        refused_within_the_bound(&other, &id, ended).await;
    }
    assert!(other.health().invalidations >= 50);
}

async fn a_change_on_one_server_is_seen_by_the_other(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = pair(&server).await;
    let id = one.create_with([("n", "0")]).await.unwrap();
    for n in 1..50 {
        other.read(&id, |_| ()).await.unwrap();
        let n = n.to_string();
        one.set(&id, "n", &n).await.unwrap();
        assert_eq!(one.get(&id, "n").await, Ok(Some(n.clone())), "its own changes at once");
        assert_eq!(other.fresh().read(&id, |a| a.get("n") == Some(&n)).await, Ok(true), "past the near cache at once");
        eventually("the change is seen", BOUND, async || other.get(&id, "n").await == Ok(Some(n.clone()))).await;
    }
}

async fn all_sessions_of_a_principal_end_on_every_server(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = pair(&server).await;
    let ada = Principal::new("ada");
    let mut ids = Vec::new();
    for store in [&one, &other, &one] {
        let id = store.login(None, &ada).await.unwrap();
        for store in [&one, &other] {
            store.read(&id, |_| ()).await.unwrap();
        }
        ids.push(id);
    }
    let eve = one.login(None, &Principal::new("eve")).await.unwrap();
    assert_eq!(one.end_sessions_of(&ada).await, Ok(3));
    let ended = Instant::now();
    for id in &ids {
        assert_eq!(one.cached(id, |_| ()), None);
        assert_eq!(one.read(id, |_| ()).await, Err(NOT_FOUND));
        refused_within_the_bound(&other, id, ended).await;
    }
    assert_eq!(one.end_sessions_of(&ada).await, Ok(0));
    assert_eq!(one.exists(&eve).await, Ok(true));
    let later = other.login(None, &ada).await.unwrap();
    assert_eq!(one.exists(&later).await, Ok(true), "a later login lives");
    assert_eq!(one.sessions_of(&ada).await.unwrap().len(), 1);
}

async fn all_other_sessions_end_and_this_one_stays(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = pair(&server).await;
    let ada = Principal::new("ada");
    let mine = one.login(None, &ada).await.unwrap();
    let theirs = other.login(None, &ada).await.unwrap();
    for store in [&one, &other] {
        store.read(&mine, |_| ()).await.unwrap();
        store.read(&theirs, |_| ()).await.unwrap();
    }
    assert_eq!(one.end_other_sessions(&mine).await, Ok(1));
    refused_within_the_bound(&other, &theirs, Instant::now()).await;
    for store in [&one, &other] {
        assert_eq!(store.exists(&mine).await, Ok(true));
        assert_eq!(store.principal(&mine).await, Ok(Some(ada)));
    }
    let devices = other.sessions_of(&ada).await.unwrap();
    assert!(devices.len() == 1 && devices[0].is(&mine) && !devices[0].is(&theirs));
    assert_eq!(one.end_other_sessions(&theirs).await, Err(NOT_FOUND));
    let visitor = one.create().await.unwrap();
    assert_eq!(one.end_other_sessions(&visitor).await, Ok(0), "a visitor has no others");
}

async fn one_device_is_ended_by_its_handle(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = pair(&server).await;
    let [ada, eve] = ["ada", "eve"].map(Principal::new);
    let (phone, laptop) = (one.login(None, &ada).await.unwrap(), other.login(None, &ada).await.unwrap());
    other.read(&phone, |_| ()).await.unwrap();
    let devices = other.sessions_of(&ada).await.unwrap();
    assert_eq!(devices.len(), 2);
    let device = devices.iter().find(|device| device.is(&phone)).unwrap();
    assert!(device.age < Duration::from_secs(10) && device.idle_for < Duration::from_secs(10));
    assert_eq!(other.end_device(&eve, device).await, Ok(false), "it is not one of eve's");
    assert_eq!(one.exists(&phone).await, Ok(true));
    assert_eq!(other.end_device(&ada, device).await, Ok(true));
    assert_eq!(other.cached(&phone, |_| ()), None);
    refused_within_the_bound(&one, &phone, Instant::now()).await;
    assert_eq!(one.exists(&laptop).await, Ok(true));
    assert_eq!(other.sessions_of(&ada).await.unwrap().len(), 1);
}

async fn a_principal_has_no_more_sessions_than_its_limit(engine: Engine) {
    let server = Server::start(engine);
    let near = SessionStore::builder().max_sessions_per_principal(3);
    let refusing = SharedStore::connect(server.options().near(near.clone())).await.unwrap();
    let ending = server.options().near(near.when_principal_full(WhenPrincipalFull::EndIdlest));
    let ending = SharedStore::connect(ending).await.unwrap();
    let ada = Principal::new("ada");
    let logins = (0..10).map(|_| {
        let store = refusing.clone();
        tokio::spawn(async move { store.login(None, &ada).await })
    });
    let mut ids = Vec::new();
    for login in logins.collect::<Vec<_>>() {
        match login.await.unwrap() {
            Ok(id) => ids.push(id),
            Err(error) => assert_eq!(error, SharedError::PrincipalFull),
        }
    }
    assert_eq!(ids.len(), 3, "exactly, whatever runs at the same time");
    let visitor = refusing.create().await.unwrap();
    assert_eq!(refusing.login(Some(&visitor), &ada).await, Err(SharedError::PrincipalFull));
    assert_eq!(refusing.exists(&visitor).await, Ok(true), "a refused login ends nothing");
    let again = refusing.login(Some(&ids[0]), &ada).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let newest = ending.login(None, &ada).await.unwrap();
    let mut live = Vec::new();
    for id in [again, ids[1], ids[2], newest] {
        live.push(ending.fresh().exists(&id).await.unwrap());
    }
    assert_eq!(live.iter().filter(|live| **live).count(), 3, "one made room");
    assert!(live[0] && live[3], "not the latest");
    ending.delete(&newest).await.unwrap();
    assert!(refusing.login(None, &ada).await.is_ok(), "a session that has ended takes no place");
}

async fn a_near_session_of_a_principal_ends_with_its_generation_alone(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let ada = Principal::new("ada");
    let id = store.login(None, &ada).await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    let key = server.keys().into_iter().find(|key| key.starts_with(b"cr:p:")).unwrap();
    // A generation that is missing counts as revoked, and no other key is touched here.
    server.bytes(&[b"DEL", &key]);
    refused_within_the_bound(&store, &id, Instant::now()).await;
    assert_eq!(store.set(&id, "a", "b").await, Err(NOT_FOUND));
    assert_eq!(store.fresh().exists(&id).await, Ok(false));
}

async fn one_fetch_answers_all_that_wait(engine: Engine) {
    let server = Server::start(engine);
    let [one, other] = pair(&server).await;
    let id = one.create_with([("user", "ada")]).await.unwrap();
    // Nothing is answered until all have asked.
    server.suspend();
    let readers = (0..100).map(|_| {
        let store = other.clone();
        tokio::spawn(async move { store.get(&id, "user").await })
    });
    let readers: Vec<_> = readers.collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.resume();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Ok(Some("ada".to_owned())));
    }
    let fetched = server.figure("commandstats", "cmdstat_getex:calls=");
    assert_eq!(fetched, 1);
}

async fn forged_ids_do_not_fill_the_tracking_table(engine: Engine) {
    let server = Server::start(engine);
    let store = server.store().await;
    let id = store.create().await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    let tracked = server.figure("stats", "tracking_total_keys");
    assert_eq!(tracked, 1, "the session that is near");
    for number in 0..100 {
        let forged = cloakroom::SessionId::from_bytes([number; 32]);
        assert_eq!(store.exists(&forged).await, Ok(false));
        assert_eq!(store.delete(&forged).await, Ok(false));
        assert_eq!(store.set(&forged, "a", "b").await, Err(NOT_FOUND));
    }
    assert_eq!(server.figure("stats", "tracking_total_keys"), tracked);
    assert_eq!(store.cached(&id, |_| ()), Some(()));
}

async fn a_tracking_table_of_ten_keys_keeps_the_promise(engine: Engine) {
    let server = Server::with(engine, &["--tracking-table-max-keys", "10"]);
    let [one, other] = pair(&server).await;
    let mut ids = Vec::new();
    for number in 0..200 {
        let id = one.create_with([("n", number.to_string())]).await.unwrap();
        other.read(&id, |_| ()).await.unwrap();
        ids.push(id);
    }
    for id in &ids {
        one.delete(id).await.unwrap();
    }
    let ended = Instant::now();
    for id in &ids {
        refused_within_the_bound(&other, id, ended).await;
    }
}

async fn without_a_near_cache_every_read_asks_the_engine(engine: Engine) {
    let server = Server::start(engine);
    let store = SharedStore::connect(server.options().near_cache(false)).await.unwrap();
    let id = store.create_with([("user", "ada")]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.get(&id, "user").await, Ok(Some("ada".to_owned())));
        assert_eq!(store.cached(&id, |_| ()), None);
    }
    assert_eq!((store.health().hits, store.health().misses), (0, 3));
    assert_eq!(server.figure("stats", "tracking_total_keys"), 0);
}
