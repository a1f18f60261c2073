//! The store over sessions that several servers share: the contract of each method of the trait, and whole requests to
//! two servers. `ci/shared.sh` runs these tests, because they need `redis-server` or `valkey-server`.
#![cfg(all(unix, feature = "redis"))]

#[path = "../../tower/tests/support/engine.rs"]
mod engine;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::{Key, time};
use actix_web::web::{get, post};
use actix_web::{App, HttpResponse, HttpServer};
use cloakroom_actix_session::CloakroomSharedSessionStore;
use cloakroom_redis::{SharedOptions, SharedStore};
use engine::Engine;
use reqwest::{Client, Method, header};

const TTL: time::Duration = time::Duration::minutes(1);
const BOUND: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_000);
const DEADLINE: Duration = Duration::from_secs(20);

async fn store(engine: &Engine) -> CloakroomSharedSessionStore {
    let small = cloakroom::SessionStore::builder().max_session_bytes(1_000);
    let options = SharedOptions::new(engine.url()).staleness(BOUND).near(small);
    CloakroomSharedSessionStore::new(SharedStore::connect(options).await.expect("an engine"))
}

fn ada() -> HashMap<String, String> {
    HashMap::from([("user".to_owned(), r#""ada""#.to_owned()), ("visits".to_owned(), "0".to_owned())])
}

/// A copy of a key, which is not `Clone`.
fn again(key: &SessionKey) -> SessionKey {
    key.as_ref().to_owned().try_into().expect("the copy of a key is a key")
}

#[actix_web::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_state_is_saved_updated_and_loaded_on_every_server() {
    let engine = Engine::start();
    let (one, two) = (store(&engine).await, store(&engine).await);
    let key = one.save(ada(), &TTL).await.unwrap();
    assert_eq!(one.load(&key).await.unwrap(), Some(ada()));
    assert_eq!(two.load(&key).await.unwrap(), Some(ada()));
    let changed = HashMap::from([("user".to_owned(), r#""eve""#.to_owned())]);
    assert_eq!(two.update(again(&key), changed.clone(), &TTL).await.unwrap(), key);
    assert_eq!(two.load(&key).await.unwrap(), Some(changed.clone()));
    let start = Instant::now();
    while one.load(&key).await.unwrap().as_ref() != Some(&changed) {
        assert!(start.elapsed() < BOUND + SLACK);
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    let unknown = [String::new(), "ab".repeat(2_000), generate_session_key().into()];
    for key in unknown {
        assert_eq!(one.load(&key.try_into().unwrap()).await.unwrap(), None);
    }
}

#[actix_web::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn an_update_restores_no_purged_session_on_any_server() {
    let engine = Engine::start();
    let (one, two) = (store(&engine).await, store(&engine).await);
    let key = one.save(ada(), &TTL).await.unwrap();
    assert!(two.load(&key).await.unwrap().is_some());
    two.delete(&key).await.unwrap();
    for store in [&one, &two] {
        match store.update(again(&key), ada(), &TTL).await {
            Err(UpdateError::Other(error)) => assert_eq!(error.to_string(), "session logged out"),
            other => panic!("{other:?}"),
        }
        assert!(store.update_ttl(&key, &TTL).await.is_err());
        assert_eq!(store.load(&key).await.unwrap(), None);
    }
    // What has ended otherwise gets a key that names no session.
    let unknown = generate_session_key();
    let updated = one.update(again(&unknown), ada(), &TTL).await.unwrap();
    assert_ne!(updated, unknown);
    assert_eq!(one.load(&updated).await.unwrap(), None);
    one.update_ttl(&unknown, &TTL).await.unwrap();
    assert_eq!(one.sessions().count().await, Ok(0));
}

#[actix_web::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_session_lives_for_its_time_used_or_not() {
    let engine = Engine::start();
    let store = store(&engine).await;
    let (short, long) = (time::Duration::milliseconds(400), time::Duration::seconds(60));
    let [kept, ended] = [store.save(ada(), &short).await.unwrap(), store.save(ada(), &short).await.unwrap()];
    store.update_ttl(&kept, &long).await.unwrap();
    for _ in 0..5 {
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        let _ = store.load(&ended).await.unwrap();
    }
    assert_eq!(store.load(&ended).await.unwrap(), None);
    assert_eq!(store.load(&kept).await.unwrap(), Some(ada()));
}

#[actix_web::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn a_state_beyond_the_limit_is_refused() {
    let engine = Engine::start();
    let store = store(&engine).await;
    let large = HashMap::from([("large".to_owned(), "x".repeat(2_000))]);
    assert!(matches!(store.save(large.clone(), &TTL).await, Err(SaveError::Other(_))));
    let key = store.save(ada(), &TTL).await.unwrap();
    assert!(matches!(store.update(again(&key), large, &TTL).await, Err(UpdateError::Other(_))));
    assert_eq!(store.load(&key).await.unwrap(), Some(ada()));
}

/// Not `Ok(None)`, which would be a session that has ended.
#[actix_web::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn an_engine_that_is_away_is_an_error_of_every_method() {
    let mut engine = Engine::start();
    let store = store(&engine).await;
    let key = store.save(ada(), &TTL).await.unwrap();
    engine.kill();
    actix_web::rt::time::sleep(BOUND + SLACK).await;
    assert!(matches!(store.load(&key).await, Err(LoadError::Other(_))));
    assert!(matches!(store.save(ada(), &TTL).await, Err(SaveError::Other(_))));
    assert!(matches!(store.update(again(&key), ada(), &TTL).await, Err(UpdateError::Other(_))));
    assert!(store.update_ttl(&key, &TTL).await.is_err());
    assert!(store.delete(&key).await.is_err());
    engine.start_again();
    let start = Instant::now();
    while store.load(&key).await.is_err() || store.sessions().count().await != Ok(0) {
        assert!(start.elapsed() < DEADLINE, "the deletion is lost");
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.load(&key).await.unwrap(), None);
}

async fn login(session: Session) -> actix_web::Result<HttpResponse> {
    session.insert("user", "ada")?;
    Ok(HttpResponse::Ok().finish())
}

async fn profile(session: Session) -> actix_web::Result<HttpResponse> {
    Ok(match session.get::<String>("user")? {
        Some(user) => HttpResponse::Ok().body(user),
        None => HttpResponse::Unauthorized().finish(),
    })
}

async fn logout(session: Session) -> HttpResponse {
    session.purge();
    HttpResponse::NoContent().finish()
}

/// Serves over a store of its own.
async fn serve(engine: &Engine, key: &Key) -> SocketAddr {
    let (store, key) = (store(engine).await, key.clone());
    let server = HttpServer::new(move || {
        let sessions = SessionMiddleware::builder(store.clone(), key.clone()).cookie_secure(false).build();
        App::new()
            .wrap(sessions)
            .route("/login", post().to(login))
            .route("/profile", get().to(profile))
            .route("/logout", post().to(logout))
    });
    let server = server.workers(2).disable_signals().bind(("127.0.0.1", 0)).expect("a free port");
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

async fn send(address: SocketAddr, method: Method, path: &str, cookie: &str) -> (u16, Option<String>) {
    let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client without TLS");
    let request = client.request(method, format!("http://{address}{path}")).header(header::COOKIE, cookie);
    let answer = request.send().await.expect("an answer");
    let cookie = answer.headers().get(header::SET_COOKIE).map(|it| it.to_str().expect("ASCII").to_owned());
    (answer.status().as_u16(), cookie)
}

#[actix_web::test]
#[ignore = "needs an engine: ci/shared.sh"]
async fn two_servers_share_a_login_its_logout_and_an_engine_that_is_away() {
    let engine = Engine::start();
    let key = Key::generate();
    let (one, two) = (serve(&engine, &key).await, serve(&engine, &key).await);
    let cookie = send(one, Method::POST, "/login", "").await.1.expect("a cookie");
    let cookie = cookie.split(';').next().expect("a pair");
    for address in [one, two] {
        assert_eq!(send(address, Method::GET, "/profile", cookie).await.0, 200);
    }
    engine.signal("-STOP");
    actix_web::rt::time::sleep(BOUND + SLACK).await;
    // The cookie stays.
    assert_eq!(send(one, Method::GET, "/profile", cookie).await, (500, None));
    engine.signal("-CONT");
    let start = Instant::now();
    while send(one, Method::GET, "/profile", cookie).await.0 != 200 {
        assert!(start.elapsed() < DEADLINE);
    }
    while send(two, Method::GET, "/profile", cookie).await.0 != 200 {
        assert!(start.elapsed() < DEADLINE);
    }
    assert_eq!(send(two, Method::POST, "/logout", cookie).await.0, 204);
    assert_eq!(send(two, Method::GET, "/profile", cookie).await.0, 401);
    let start = Instant::now();
    while send(one, Method::GET, "/profile", cookie).await.0 != 401 {
        assert!(start.elapsed() < BOUND + SLACK, "{:?}", start.elapsed());
    }
}
