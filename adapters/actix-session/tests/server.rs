//! The example over a socket, served by two workers and tested by a client with a cookie jar.

#[path = "../examples/actix.rs"]
#[allow(dead_code, reason = "its `main` starts a server of its own")]
mod example;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_session::Session;
use actix_web::cookie::{Key, time};
use actix_web::web::{Data, post};
use actix_web::{App, HttpServer};
use cloakroom::{ManualClock, SessionStore};
use cloakroom_actix_session::CloakroomSessionStore;
use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use tokio::sync::Notify;

const TTL: time::Duration = time::Duration::minutes(1);

/// A request that waits while others run. It loads its session, reports that, and changes the session when the test
/// lets it continue.
#[derive(Clone, Default)]
struct Held {
    loaded: Arc<Notify>,
    resume: Arc<Notify>,
}

async fn held(session: Session, held: Data<Held>) -> actix_web::Result<String> {
    let user = session.get::<String>("user")?;
    held.loaded.notify_one();
    held.resume.notified().await;
    session.insert("seen", true)?;
    Ok(user.unwrap_or_default())
}

struct Server {
    address: SocketAddr,
    sessions: Arc<SessionStore>,
    clock: ManualClock,
    held: Held,
}

/// Serves the example over a store with a manual clock.
fn start() -> Server {
    let clock = ManualClock::new();
    let sessions = Arc::new(SessionStore::builder().clock(clock.clone()).build().expect("the settings are valid"));
    let (store, requests) = (CloakroomSessionStore::new(Arc::clone(&sessions)), Held::default());
    let (key, shared) = (Key::generate(), requests.clone());
    let server = HttpServer::new(move || {
        App::new()
            .wrap(example::middleware(store.clone(), key.clone(), TTL, false))
            .app_data(Data::new(store.clone()))
            .app_data(Data::new(shared.clone()))
            .configure(example::routes)
            .service(example::logout_everywhere)
            .route("/held", post().to(held))
    });
    let server = server.workers(2).disable_signals().bind(("127.0.0.1", 0)).expect("a free port");
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    Server { address, sessions, clock, held: requests }
}

#[derive(Clone)]
struct Browser {
    client: Client,
    address: SocketAddr,
}

impl Browser {
    fn new(address: SocketAddr) -> Self {
        let client = Client::builder().no_proxy().timeout(std::time::Duration::from_secs(20)).cookie_store(true);
        Self { client: client.build().expect("a client without TLS"), address }
    }

    async fn post(&self, path: &str) -> Response {
        self.client.post(format!("http://{}{path}", self.address)).send().await.expect("an answer")
    }

    /// Logs in, and returns the cookie's name and value.
    async fn login(&self, user: &str) -> String {
        let request = self.client.post(format!("http://{}/login", self.address)).form(&[("user", user)]);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        cookie_of(&answer).expect("a cookie")
    }

    async fn profile(&self) -> (u16, Value) {
        let answer = self.client.get(format!("http://{}/profile", self.address)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("a JSON body"))
    }
}

fn cookie_of(answer: &Response) -> Option<String> {
    let cookie = answer.headers().get(header::SET_COOKIE)?.to_str().expect("ASCII");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    cookie.split(';').next().map(str::to_owned)
}

/// The status of a profile request with only this cookie.
async fn status_with(address: SocketAddr, cookie: &str) -> u16 {
    let client = Client::builder().no_proxy().build().expect("a client without TLS");
    let request = client.get(format!("http://{address}/profile")).header(header::COOKIE, cookie);
    request.send().await.expect("an answer").status().as_u16()
}

#[actix_web::test]
async fn a_visitor_logs_in_sees_the_profile_and_logs_out() {
    let Server { address, sessions, .. } = start();
    let browser = Browser::new(address);
    assert_eq!(browser.profile().await.0, 401);
    assert_eq!(sessions.count(), 0, "a visit without data creates no session");
    let cookie = browser.login("ada").await;
    for visits in 1..=3 {
        assert_eq!(browser.profile().await, (200, json!({ "user": "ada", "visits": visits })));
    }
    assert_eq!(browser.post("/logout").await.status(), 204);
    assert_eq!(browser.profile().await.0, 401);
    assert_eq!(status_with(address, &cookie).await, 401);
    assert_eq!(sessions.count(), 0);
}

/// Different workers may serve different connections, so a separate store for each worker would fail this test.
#[actix_web::test]
async fn all_workers_share_the_sessions() {
    let Server { address, .. } = start();
    let cookie = Browser::new(address).login("ada").await;
    for _ in 0..20 {
        assert_eq!(status_with(address, &cookie).await, 200);
    }
}

#[actix_web::test]
async fn a_wrong_cookie_names_no_session() {
    let Server { address, sessions, .. } = start();
    let cookie = Browser::new(address).login("ada").await;
    let forged = format!("{}x", &cookie[..cookie.len() - 1]);
    for cookie in ["id=", "id=forged", &forged, "theme=dark"] {
        assert_eq!(status_with(address, cookie).await, 401, "{cookie}");
    }
    assert_eq!(sessions.count(), 1);
}

#[actix_web::test]
async fn a_login_ends_the_session_of_its_request() {
    let Server { address, sessions, .. } = start();
    let browser = Browser::new(address);
    let (first, second) = (browser.login("ada").await, browser.login("ada").await);
    assert_eq!((status_with(address, &first).await, status_with(address, &second).await), (401, 200));
    assert_eq!(sessions.count(), 1);
}

#[actix_web::test]
async fn a_session_that_is_not_changed_expires() {
    let Server { address, sessions, clock, .. } = start();
    let cookie = Browser::new(address).login("ada").await;
    for _ in 0..3 {
        clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(status_with(address, &cookie).await, 200);
    }
    clock.advance(std::time::Duration::from_millis(60_001));
    assert_eq!(status_with(address, &cookie).await, 401);
    assert_eq!(sessions.count(), 0, "a request with an expired session removes it");
}

#[actix_web::test]
async fn a_user_logs_out_on_one_device_and_then_on_all() {
    let Server { address, sessions, .. } = start();
    let [laptop, phone, tablet, stranger] = [(); 4].map(|()| Browser::new(address));
    for browser in [&laptop, &phone, &tablet] {
        browser.login("ada").await;
    }
    stranger.login("eve").await;
    assert_eq!(laptop.post("/logout").await.status(), 204);
    assert_eq!((laptop.profile().await.0, phone.profile().await.0), (401, 200));
    let ended: Value = phone.post("/logout-everywhere").await.json().await.expect("a JSON body");
    assert_eq!(ended, json!({ "ended": 2 }));
    assert_eq!((phone.profile().await.0, tablet.profile().await.0), (401, 401));
    assert_eq!((stranger.profile().await.0, sessions.count()), (200, 1));
}

#[actix_web::test]
async fn a_logout_while_another_request_is_in_flight_ends_the_session_for_good() {
    let Server { address, sessions, held, .. } = start();
    let browser = Browser::new(address);
    let cookie = browser.login("ada").await;
    let late = actix_web::rt::spawn({
        let browser = browser.clone();
        async move { browser.post("/held").await }
    });
    held.loaded.notified().await;
    assert_eq!(browser.post("/logout").await.status(), 204);
    held.resume.notify_one();
    let late = late.await.expect("no panic");
    assert_eq!((late.status().as_u16(), cookie_of(&late)), (500, None));
    assert_eq!(status_with(address, &cookie).await, 401);
    assert_eq!((browser.profile().await.0, sessions.count()), (401, 0));
}

#[actix_web::test]
async fn a_request_in_flight_during_a_logout_and_a_login_leaves_the_cookie_of_the_login() {
    let Server { address, sessions, held, .. } = start();
    let browser = Browser::new(address);
    browser.login("ada").await;
    let late = actix_web::rt::spawn({
        let browser = browser.clone();
        async move { browser.post("/held").await }
    });
    held.loaded.notified().await;
    assert_eq!(browser.post("/logout").await.status(), 204);
    browser.login("ada").await;
    held.resume.notify_one();
    assert_eq!(cookie_of(&late.await.expect("no panic")), None);
    assert_eq!((browser.profile().await.0, sessions.count()), (200, 1));
}
