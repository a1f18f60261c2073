//! What an unlucky network, an impatient caller or an attacker may try.

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use cloakroom::{Principal, SessionId};
use cloakroom_redis::{SharedError, SharedOptions, SharedStore};
use proxy::Proxy;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use support::{Engine, Server, eventually};

on_each_engine! {
    an_unconfirmed_logout_holds_here_and_is_confirmed_later
    an_end_of_all_that_is_repeated_ends_no_later_login
    an_abandoned_logout_takes_place
    an_abandoned_fetch_leaves_nothing_behind
    a_half_open_connection_serves_nothing_beyond_the_bound
    a_slow_connection_serves_nothing_beyond_the_bound
    an_engine_that_loads_is_away_and_nobody_is_logged_out
    a_session_that_was_touched_is_still_invalidated
    a_rotated_id_is_refused_elsewhere
}

const SECONDS: Duration = Duration::from_secs(10);

fn options(url: &str) -> SharedOptions {
    SharedOptions::new(url).command_timeout(Duration::from_millis(300))
}

async fn connect(url: &str) -> SharedStore {
    SharedStore::connect(options(url)).await.expect("the engine is there")
}

async fn near(store: &SharedStore, id: &SessionId) {
    eventually("the session is near", SECONDS, async || {
        let _ = store.exists(id).await;
        store.cached(id, |_| ()).is_some()
    })
    .await;
}

async fn an_unconfirmed_logout_holds_here_and_is_confirmed_later(engine: Engine) {
    let server = Server::start(engine);
    let proxy = Proxy::before(server.port);
    let (cut, other) = (connect(&proxy.url()).await, connect(&server.url()).await);
    for (to_engine, to_node) in [(true, false), (false, true)] {
        let id = other.create().await.unwrap();
        near(&cut, &id).await;
        proxy.swallow(to_engine, to_node);
        assert_eq!(cut.delete(&id).await, Err(SharedError::Unconfirmed));
        assert!(cut.cached(&id, |_| ()).is_none());
        assert_eq!(other.fresh().exists(&id).await, Ok(to_engine));
        proxy.heal();
        // Whatever the connection does now, no read here finds the session.
        eventually("the end is confirmed", SECONDS, async || {
            assert_ne!(cut.exists(&id).await, Ok(true));
            assert_ne!(cut.fresh().exists(&id).await, Ok(true));
            cut.health().unconfirmed == 0
        })
        .await;
        assert_eq!(other.fresh().exists(&id).await, Ok(false));
        eventually("the connection is back", SECONDS, async || cut.count().await == Ok(0)).await;
    }
}

async fn an_end_of_all_that_is_repeated_ends_no_later_login(engine: Engine) {
    let server = Server::start(engine);
    let proxy = Proxy::before(server.port);
    let (cut, other) = (connect(&proxy.url()).await, connect(&server.url()).await);
    let ada = Principal::new("ada");
    let before = other.login(None, &ada).await.unwrap();
    near(&cut, &before).await;
    proxy.swallow(false, true);
    assert_eq!(cut.end_sessions_of(&ada).await, Err(SharedError::Unconfirmed));
    assert_eq!(other.fresh().exists(&before).await, Ok(false));
    let after = other.login(None, &ada).await.unwrap();
    proxy.heal();
    eventually("the end is confirmed", SECONDS, async || cut.health().unconfirmed == 0).await;
    assert_eq!(other.fresh().exists(&after).await, Ok(true));
    assert_eq!(cut.exists(&before).await, Ok(false));
    eventually("the later session is served", SECONDS, async || cut.exists(&after).await == Ok(true)).await;
}

async fn an_abandoned_logout_takes_place(engine: Engine) {
    let server = Server::start(engine);
    let (store, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let id = store.create().await.unwrap();
    near(&store, &id).await;
    // So that the answer is not there before it is asked for.
    server.suspend();
    {
        let mut logout = pin!(store.delete(&id));
        assert!(matches!(logout.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    assert!(store.cached(&id, |_| ()).is_none());
    assert_eq!(store.exists(&id).await, Ok(false));
    server.resume();
    eventually("the session has ended", SECONDS, async || other.fresh().exists(&id).await == Ok(false)).await;
}

async fn an_abandoned_fetch_leaves_nothing_behind(engine: Engine) {
    let server = Server::start(engine);
    let (store, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let id = other.create().await.unwrap();
    for _ in 0..50 {
        let mut fetch = pin!(store.exists(&id));
        let _ = fetch.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    near(&store, &id).await;
    assert_eq!(other.delete(&id).await, Ok(true));
    eventually("the session is not near", Duration::from_millis(500), async || store.cached(&id, |_| ()).is_none())
        .await;
    assert_eq!(store.exists(&id).await, Ok(false));
}

/// Ends a session on another server, and requires that hits through the proxy end with the bound.
async fn hits_end_with_the_bound(server: &Server, proxy: &Proxy, disturb: impl FnOnce(), settle: Duration) {
    let patient = options(&proxy.url()).command_timeout(Duration::from_secs(5));
    let cut = SharedStore::connect(patient).await.unwrap();
    let other = connect(&server.url()).await;
    let id = other.create().await.unwrap();
    near(&cut, &id).await;
    disturb();
    tokio::time::sleep(settle).await;
    assert_eq!(other.delete(&id).await, Ok(true));
    let ended = Instant::now();
    let mut hits = 0;
    while ended.elapsed() < Duration::from_millis(1_500) {
        let before = ended.elapsed();
        if cut.cached(&id, |_| ()).is_some() {
            hits += 1;
            assert!(before <= Duration::from_millis(500), "a hit {before:?} after the end");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(hits > 0, "the news has arrived, so that nothing was tested");
    proxy.heal();
}

async fn a_half_open_connection_serves_nothing_beyond_the_bound(engine: Engine) {
    let server = Server::start(engine);
    let proxy = Proxy::before(server.port);
    hits_end_with_the_bound(&server, &proxy, || proxy.swallow(false, true), Duration::ZERO).await;
}

/// The answers to pings arrive long after they were sent, and before the news.
async fn a_slow_connection_serves_nothing_beyond_the_bound(engine: Engine) {
    let server = Server::start(engine);
    let proxy = Proxy::before(server.port);
    let slow = || proxy.delay(Duration::ZERO, Duration::from_millis(600));
    hits_end_with_the_bound(&server, &proxy, slow, Duration::from_millis(100)).await;
}

async fn an_engine_that_loads_is_away_and_nobody_is_logged_out(engine: Engine) {
    let slow = ["--key-load-delay", "400", "--loading-process-events-interval-bytes", "1024"];
    let mut server = Server::with(engine, &slow);
    let store = connect(&server.url()).await;
    let (kept, ended) = (store.create().await.unwrap(), store.create().await.unwrap());
    for number in 0..30 {
        let script = "for n = 1, 100 do redis.call('SET', 'other:' .. ARGV[1] .. ':' .. n, string.rep('x', 100)) end";
        server.command(&["EVAL", script, "0", &number.to_string()]);
    }
    server.command(&["SAVE"]);
    let restart = thread::spawn(move || {
        server.restart();
        server
    });
    let (mut away, mut told) = (0, false);
    while !restart.is_finished() {
        match store.fresh().exists(&kept).await {
            Ok(there) => assert!(there, "an engine that loads was taken for one without the session"),
            Err(error) => {
                assert!(error.is_away(), "{error}");
                away += 1;
            }
        }
        if away == 5 && !told {
            told = true;
            assert_ne!(store.delete(&ended).await, Ok(false));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _server = restart.join().unwrap();
    assert!(told, "the engine was loading for too short a time");
    eventually("the engine is back", SECONDS, async || store.fresh().exists(&kept).await == Ok(true)).await;
    eventually("the end is confirmed", SECONDS, async || store.health().unconfirmed == 0).await;
    assert_eq!(store.fresh().exists(&ended).await, Ok(false));
}

/// Two servers that have a session near.
async fn near_on_both(server: &Server) -> (SharedStore, SharedStore, SessionId) {
    let (one, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let id = one.create().await.unwrap();
    near(&one, &id).await;
    near(&other, &id).await;
    (one, other, id)
}

async fn a_session_that_was_touched_is_still_invalidated(engine: Engine) {
    let server = Server::start(engine);
    let (one, other, id) = near_on_both(&server).await;
    let key = server.keys().into_iter().find(|key| key.starts_with(b"cr:s:")).unwrap();
    for _ in 0..20 {
        // As if most of the idle timeout had passed.
        server.bytes(&[b"PEXPIRE", &key, b"60000"]);
        assert_eq!((other.touch(&id).await, one.touch(&id).await), (Ok(true), Ok(true)));
    }
    near(&other, &id).await;
    assert_eq!(one.delete(&id).await, Ok(true));
    let ended = Instant::now();
    eventually("the session is not near", SECONDS, async || other.cached(&id, |_| ()).is_none()).await;
    assert!(ended.elapsed() < Duration::from_millis(500), "the news has not come: {:?}", ended.elapsed());
}

async fn a_rotated_id_is_refused_elsewhere(engine: Engine) {
    let server = Server::start(engine);
    let (one, other, id) = near_on_both(&server).await;
    let new = one.rotate(&id).await.unwrap();
    assert!(one.cached(&id, |_| ()).is_none());
    let ended = Instant::now();
    eventually("the session is not near", SECONDS, async || other.cached(&id, |_| ()).is_none()).await;
    assert!(ended.elapsed() < Duration::from_millis(500), "the news has not come: {:?}", ended.elapsed());
    assert_eq!((other.exists(&id).await, other.exists(&new).await), (Ok(false), Ok(true)));
}
