//! Sessions expire never early, and at most an eighth late.

mod support;

use cloakroom::{MissingError, SessionId, SessionStore, Timeouts};
use cloakroom_redis::{SharedError, SharedStore};
use std::time::{Duration, Instant};
use support::{Engine, Server};

const IDLE: Duration = Duration::from_secs(4);
/// What a slow machine adds between a reading of the clock and a command.
const SLACK: Duration = Duration::from_millis(450);

on_each_engine! {
    an_unused_session_expires_at_most_an_eighth_late
    a_session_that_is_used_near_stays_for_others
    a_session_that_is_not_touched_is_not_kept
    an_absolute_timeout_ends_a_session_in_use
    what_is_kept_of_principals_outlives_their_sessions
}

async fn store(server: &Server) -> SharedStore {
    SharedStore::connect(server.options().near(SessionStore::builder().ttl(IDLE))).await.unwrap()
}

/// How long after `used` the session expires, by an observer that does not touch it.
async fn lives(observer: &SharedStore, id: &SessionId, used: Instant) -> Duration {
    while observer.fresh().exists(id).await.unwrap() {
        assert!(used.elapsed() < 3 * IDLE, "it does not expire");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    used.elapsed()
}

fn in_time(lived: Duration) {
    assert!(lived >= IDLE, "early: {lived:?}");
    assert!(lived <= IDLE + IDLE / 8 + SLACK, "late: {lived:?}");
}

async fn an_unused_session_expires_at_most_an_eighth_late(engine: Engine) {
    let server = Server::start(engine);
    let store = store(&server).await;
    let id = store.create().await.unwrap();
    in_time(lives(&store, &id, Instant::now()).await);
    assert_eq!(store.read(&id, |_| ()).await, Err(SharedError::Missing(MissingError::NotFound)));
}

async fn a_session_that_is_used_near_stays_for_others(engine: Engine) {
    let server = Server::start(engine);
    let (store, other) = (store(&server).await, store(&server).await);
    let id = store.create().await.unwrap();
    store.read(&id, |_| ()).await.unwrap();
    let begun = Instant::now();
    let (mut used, mut hits) = (begun, 0);
    while begun.elapsed() < 2 * IDLE {
        used = Instant::now();
        if store.cached(&id, |_| ()).is_some() {
            hits += 1;
        } else {
            store.read(&id, |_| ()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    in_time(lives(&other, &id, used).await);
    let fetches = store.health().misses;
    assert!(hits > 50 && fetches < hits / 2, "{hits} hits, {fetches} fetches");
}

async fn a_session_that_is_not_touched_is_not_kept(engine: Engine) {
    let server = Server::start(engine);
    let store = store(&server).await;
    let id = store.create().await.unwrap();
    let created = Instant::now();
    while store.peek(&id, |_| ()).await.is_ok() {
        assert!(created.elapsed() < 2 * IDLE, "looking at it keeps it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    in_time(created.elapsed());
}

async fn an_absolute_timeout_ends_a_session_in_use(engine: Engine) {
    let server = Server::start(engine);
    let store = store(&server).await;
    let timeouts = Timeouts::default().absolute(IDLE / 2);
    let before = Instant::now();
    let id = store.new_session().timeouts(timeouts).create().await.unwrap();
    let created = Instant::now();
    while store.read(&id, |_| ()).await.is_ok() {
        assert!(created.elapsed() < IDLE / 2 + SLACK, "it is used for longer");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(before.elapsed() >= IDLE / 2);
}

async fn what_is_kept_of_principals_outlives_their_sessions(engine: Engine) {
    let server = Server::start(engine);
    let store = store(&server).await;
    let ada = cloakroom::Principal::new("ada");
    let id = store.login(None, &ada).await.unwrap();
    let session = server.keys().into_iter().find(|key| key.starts_with(b"cr:s:")).unwrap();
    for key in server.keys() {
        let left = server.bytes(&[b"PTTL", &key]).int();
        assert!(left > 0, "nothing stays for ever");
        assert!(key == session || left >= 2 * server.bytes(&[b"PTTL", &session]).int());
    }
    let long = Timeouts::default().idle(100 * IDLE);
    store.set_timeouts(&id, long).await.unwrap();
    let kept = server.keys().into_iter().find(|key| key.starts_with(b"cr:p:")).unwrap();
    assert!(server.bytes(&[b"PTTL", &kept]).int() >= server.bytes(&[b"PTTL", &session]).int());
}
