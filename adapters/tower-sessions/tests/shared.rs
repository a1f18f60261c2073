//! The store over sessions that several servers share: the contract of each method of the trait, and whole requests to
//! two servers. `ci/shared.sh` runs these tests, because they need `redis-server` or `valkey-server`.
#![cfg(all(unix, feature = "redis", feature = "v0_15"))]

#[path = "../../tower/tests/support/engine.rs"]
mod engine;
#[path = "../examples/tower_sessions.rs"]
#[allow(dead_code, reason = "its `main` starts a server of its own")]
mod example;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use cloakroom_redis::SharedOptions;
use cloakroom_tower_sessions::{CloakroomSharedStore, Data};
use engine::Engine;
use reqwest::{Client, header};
use serde_json::json;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, ExpiredDeletion};
use tower_sessions::{Session, SessionStore};

const BOUND: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_000);
const DEADLINE: Duration = Duration::from_secs(20);

async fn store(engine: &Engine) -> CloakroomSharedStore {
    let options = SharedOptions::new(engine.url()).staleness(BOUND);
    let small = cloakroom::SessionStore::builder().max_session_bytes(1_000);
    CloakroomSharedStore::connect(options.near(small)).await.expect("an engine")
}

fn record(visits: u64) -> Record {
    let data = Data::from([("user".to_owned(), json!("ada")), ("visits".to_owned(), json!({ "n": [visits, null] }))]);
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::now_utc() + Duration::from_secs(60) }
}

async fn is_gone_within_the_bound(store: &CloakroomSharedStore, id: Id) {
    let start = Instant::now();
    while store.load(&id).await.expect("the engine is there").is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(start.elapsed() < BOUND + SLACK, "{:?}", start.elapsed());
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_record_is_loaded_as_it_was_created_and_saved_on_every_server() {
    let engine = Engine::start();
    let (one, two) = (store(&engine).await, store(&engine).await);
    let mut record = record(1);
    one.create(&mut record).await.unwrap();
    assert_eq!(one.load(&record.id).await.unwrap().as_ref(), Some(&record));
    assert_eq!(two.load(&record.id).await.unwrap().as_ref(), Some(&record));
    record.data.insert("seen".to_owned(), json!(true));
    record.expiry_date += Duration::from_nanos(7);
    two.save(&record).await.unwrap();
    assert_eq!(two.load(&record.id).await.unwrap().as_ref(), Some(&record), "it has not read its own write");
    let start = Instant::now();
    while one.load(&record.id).await.unwrap().as_ref() != Some(&record) {
        assert!(start.elapsed() < BOUND + SLACK);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn an_id_in_use_is_not_taken_a_second_time() {
    let engine = Engine::start();
    let store = store(&engine).await;
    let mut first = record(1);
    store.create(&mut first).await.unwrap();
    let mut second = Record { data: Data::new(), ..first.clone() };
    store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(store.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(store.load(&second.id).await.unwrap(), Some(second));
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_late_save_restores_no_deleted_session_on_any_server() {
    let engine = Engine::start();
    let (one, two) = (store(&engine).await, store(&engine).await);
    let mut record = record(1);
    one.create(&mut record).await.unwrap();
    assert!(two.load(&record.id).await.unwrap().is_some());
    two.delete(&record.id).await.unwrap();
    assert_eq!(two.load(&record.id).await.unwrap(), None);
    one.save(&record).await.unwrap();
    two.save(&record).await.unwrap();
    is_gone_within_the_bound(&one, record.id).await;
    assert_eq!(two.load(&record.id).await.unwrap(), None);
    store(&engine).await.delete(&record.id).await.expect("nothing to delete is no error");
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_session_lives_until_its_expiry_date_and_is_not_stored_afterwards() {
    let engine = Engine::start();
    let store = store(&engine).await;
    let mut short = Record { expiry_date: OffsetDateTime::now_utc() + Duration::from_millis(300), ..record(1) };
    store.create(&mut short).await.unwrap();
    assert!(store.load(&short.id).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(store.load(&short.id).await.unwrap(), None);
    store.save(&short).await.unwrap();
    let mut past = Record { expiry_date: OffsetDateTime::now_utc() - Duration::from_secs(1), ..record(1) };
    store.create(&mut past).await.unwrap();
    assert_eq!(store.load(&past.id).await.unwrap(), None);
    // A save with an expiry date in the past ends the session.
    let mut ended = record(1);
    store.create(&mut ended).await.unwrap();
    ended.expiry_date = past.expiry_date;
    store.save(&ended).await.unwrap();
    assert_eq!(store.load(&ended.id).await.unwrap(), None);
    store.delete_expired().await.unwrap();
}

#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn data_beyond_the_limit_is_refused_and_the_session_stays_as_it_was() {
    let engine = Engine::start();
    let store = store(&engine).await;
    let mut record = record(1);
    store.create(&mut record).await.unwrap();
    let mut large = record.clone();
    large.data.insert("large".to_owned(), json!("x".repeat(1_000)));
    assert!(matches!(store.save(&large).await, Err(Error::Backend(_))));
    assert!(matches!(store.create(&mut large.clone()).await, Err(Error::Backend(_))));
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

/// Not `Ok(None)`, which would be a session that has ended.
#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn an_engine_that_is_away_is_an_error_of_every_method() {
    let mut engine = Engine::start();
    let store = store(&engine).await;
    let mut record = record(1);
    store.create(&mut record).await.unwrap();
    engine.kill();
    tokio::time::sleep(BOUND + SLACK).await;
    assert!(matches!(store.load(&record.id).await, Err(Error::Backend(_))));
    assert!(matches!(store.save(&record).await, Err(Error::Backend(_))));
    assert!(matches!(store.create(&mut record.clone()).await, Err(Error::Backend(_))));
    assert!(matches!(store.delete(&record.id).await, Err(Error::Backend(_))));
    engine.start_again();
    // The deletion is repeated until the engine has confirmed it.
    let other = self::store(&engine).await;
    let start = Instant::now();
    while other.load(&record.id).await.unwrap().is_some() {
        assert!(start.elapsed() < DEADLINE, "the deletion is lost");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut next = self::record(2);
    let start = Instant::now();
    while store.create(&mut next).await.is_err() {
        assert!(start.elapsed() < DEADLINE, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.load(&next.id).await.unwrap(), Some(next));
}

struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves the example's routes over a store of its own.
    async fn start(engine: &Engine) -> Self {
        let idle = tower_sessions::cookie::time::Duration::minutes(1);
        let app = example::with_sessions(example::routes(), store(engine).await, idle, false);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { address }
    }

    async fn send(&self, method: reqwest::Method, path: &str, cookie: &str) -> (u16, Option<String>) {
        let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client without TLS");
        let request = client.request(method, format!("http://{}{path}", self.address));
        let answer = request.header(header::COOKIE, cookie).form(&[("user", "ada")]).send().await.expect("an answer");
        let cookie = answer.headers().get(header::SET_COOKIE).map(|it| it.to_str().expect("ASCII").to_owned());
        (answer.status().as_u16(), cookie)
    }

    async fn profile(&self, cookie: &str) -> u16 {
        self.send(reqwest::Method::GET, "/profile", cookie).await.0
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_login_on_one_server_holds_on_the_other_until_a_logout() {
    let engine = Engine::start();
    let (one, two) = (Server::start(&engine).await, Server::start(&engine).await);
    let (status, cookie) = one.send(reqwest::Method::POST, "/login", "").await;
    assert_eq!(status, 200);
    let cookie = cookie.expect("a cookie").split(';').next().expect("a pair").to_owned();
    assert_eq!((one.profile(&cookie).await, two.profile(&cookie).await), (200, 200));
    assert_eq!(two.send(reqwest::Method::POST, "/logout", &cookie).await.0, 204);
    assert_eq!(two.profile(&cookie).await, 401);
    let start = Instant::now();
    while one.profile(&cookie).await != 401 {
        assert!(start.elapsed() < BOUND + SLACK, "{:?}", start.elapsed());
    }
}

/// The cookie of a session stays if the engine is away: the browser is still logged in afterwards.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine: ci/shared.sh"]
async fn an_engine_that_is_away_logs_nobody_out() {
    let engine = Engine::start();
    let server = Server::start(&engine).await;
    let cookie = server.send(reqwest::Method::POST, "/login", "").await.1.expect("a cookie");
    let cookie = cookie.split(';').next().expect("a pair");
    engine.signal("-STOP");
    tokio::time::sleep(BOUND + SLACK).await;
    assert_eq!(server.send(reqwest::Method::GET, "/profile", cookie).await, (500, None));
    engine.signal("-CONT");
    let start = Instant::now();
    while server.profile(cookie).await != 200 {
        assert!(start.elapsed() < DEADLINE);
    }
}

/// The request of a visitor loads its session; another one logs out on another server; the first one saves.
#[tokio::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_session_of_the_middleware_is_not_restored_by_a_slow_request() {
    let engine = Engine::start();
    let (one, two) = (std::sync::Arc::new(store(&engine).await), std::sync::Arc::new(store(&engine).await));
    let login = Session::new(None, one.clone(), None);
    login.insert("user", "ada").await.unwrap();
    login.save().await.unwrap();
    let slow = Session::new(login.id(), one.clone(), None);
    slow.insert("seen", true).await.unwrap();
    Session::new(login.id(), two.clone(), None).flush().await.unwrap();
    slow.save().await.unwrap();
    let id = login.id().expect("it was saved");
    is_gone_within_the_bound(&one, id).await;
    assert_eq!(two.load(&id).await.unwrap(), None);
}
