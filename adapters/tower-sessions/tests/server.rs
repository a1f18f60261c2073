//! The example over a socket, tested by a client with a cookie jar, and the logout that `MemoryStore` loses.

#![cfg(feature = "v0_15")]

#[path = "../examples/tower_sessions.rs"]
#[allow(dead_code, reason = "its `main` starts a server of its own")]
mod example;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use cloakroom::ManualClock;
use cloakroom_tower_sessions::{CloakroomCache, CloakroomStore, Settings};
use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{CachingSessionStore, MemoryStore, Session, SessionStore};

const IDLE: Duration = Duration::minutes(1);

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// Serves the example over a store with a manual clock.
async fn start() -> (SocketAddr, CloakroomStore, ManualClock) {
    let clock = ManualClock::new();
    let store = CloakroomStore::with(Settings::new().clock(clock.clone()));
    let routes = example::routes().merge(example::everywhere(store.clone()));
    (serve(example::with_sessions(routes, store.clone(), IDLE, false)).await, store, clock)
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
        let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("ASCII").to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=60"));
        cookie.split(';').next().expect("a pair").to_owned()
    }

    async fn profile(&self) -> (u16, Value) {
        let answer = self.client.get(format!("http://{}/profile", self.address)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("a JSON body"))
    }
}

/// The status of a profile request with only this cookie.
async fn status_with(address: SocketAddr, cookie: &str) -> u16 {
    let client = Client::builder().no_proxy().build().expect("a client without TLS");
    let request = client.get(format!("http://{address}/profile")).header(header::COOKIE, cookie);
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_visitor_logs_in_sees_the_profile_and_logs_out() {
    let (address, store, _) = start().await;
    let browser = Browser::new(address);
    assert_eq!(browser.profile().await.0, 401);
    assert_eq!(store.count(), 0, "a visit without data creates no session");
    let cookie = browser.login("ada").await;
    for visits in 1..=3 {
        assert_eq!(browser.profile().await, (200, json!({ "user": "ada", "visits": visits })));
    }
    assert_eq!(browser.post("/logout").await.status(), 204);
    assert_eq!(browser.profile().await.0, 401);
    assert_eq!(status_with(address, &cookie).await, 401);
    assert_eq!(store.count(), 0);
}

#[tokio::test]
async fn a_wrong_cookie_names_no_session() {
    let (address, store, _) = start().await;
    Browser::new(address).login("ada").await;
    let unknown = tower_sessions::session::Id::default();
    for cookie in ["id=", "id=forged", &format!("id={unknown}"), "theme=dark"] {
        assert_eq!(status_with(address, cookie).await, 401, "{cookie}");
    }
    assert_eq!(store.count(), 1);
}

#[tokio::test]
async fn a_login_ends_the_session_of_its_request() {
    let (address, store, _) = start().await;
    let browser = Browser::new(address);
    let (first, second) = (browser.login("ada").await, browser.login("ada").await);
    assert_ne!(first, second);
    assert_eq!((status_with(address, &first).await, status_with(address, &second).await), (401, 200));
    assert_eq!(store.count(), 1);
}

#[tokio::test]
async fn a_session_that_is_not_changed_expires() {
    let (address, store, clock) = start().await;
    let browser = Browser::new(address);
    let cookie = browser.login("ada").await;
    clock.advance(std::time::Duration::from_secs(59));
    assert_eq!(status_with(address, &cookie).await, 200);
    clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(status_with(address, &cookie).await, 401);
    assert_eq!(store.count(), 0, "a request with an expired session removes it");
}

#[tokio::test]
async fn a_user_logs_out_on_one_device_and_then_on_all() {
    let (address, store, _) = start().await;
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
    assert_eq!((stranger.profile().await.0, store.count()), (200, 1));
}

/// Logs out while another request is in flight, which has loaded the session and changes it after the logout. Returns
/// the status of that request, and the status of a later request with the same cookie.
async fn logout_in_flight(store: impl SessionStore + Clone) -> (u16, u16) {
    let (loaded, resume) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let notices = (Arc::clone(&loaded), Arc::clone(&resume));
    let held = Router::new().route(
        "/held",
        post(move |session: Session| async move {
            let user = session.get::<String>("user").await.expect("a store that answers");
            notices.0.notify_one();
            notices.1.notified().await;
            session.insert("seen", true).await.expect("a store that answers");
            user.unwrap_or_default()
        }),
    );
    let address = serve(example::with_sessions(example::routes().merge(held), store, IDLE, false)).await;
    let browser = Browser::new(address);
    let cookie = browser.login("ada").await;
    let late = tokio::spawn({
        let browser = browser.clone();
        async move { browser.post("/held").await }
    });
    loaded.notified().await;
    assert_eq!(browser.post("/logout").await.status(), 204);
    assert_eq!(status_with(address, &cookie).await, 401);
    resume.notify_one();
    let late = late.await.expect("no panic").status().as_u16();
    (late, status_with(address, &cookie).await)
}

#[tokio::test]
async fn a_logout_while_another_request_is_in_flight_ends_the_session_for_good() {
    let store = CloakroomStore::default();
    assert_eq!(logout_in_flight(store.clone()).await, (200, 401));
    assert_eq!(store.count(), 0);
}

/// If this fails, `MemoryStore` no longer loses the logout, and the documentation must be changed.
#[tokio::test]
async fn memory_store_loses_a_logout_while_another_request_is_in_flight() {
    assert_eq!(logout_in_flight(MemoryStore::default()).await, (200, 200));
}

/// A cache in front of a store that loses no logout loses none either.
#[tokio::test]
async fn a_cache_loses_no_logout_to_a_late_save() {
    let store = CachingSessionStore::new(CloakroomCache::default(), CloakroomStore::default());
    assert_eq!(logout_in_flight(store).await, (200, 401));
}

/// A fault of tower-sessions 0.14 and 0.15, which docs/migration.md tells of, and the way round that it shows. If this
/// test fails, tower-sessions has mended the fault.
#[tokio::test]
async fn the_removal_of_tower_sessions_lacks_secure_and_another_header_can_replace_it() {
    async fn login(session: Session) {
        session.insert("user", "ada").await.expect("room");
    }
    async fn logout(session: Session) {
        session.flush().await.expect("the store has no errors");
    }
    async fn remove_cookie(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
        let mut response = next.run(request).await;
        if let header::Entry::Occupied(mut cookies) = response.headers_mut().entry(header::SET_COOKIE) {
            for cookie in cookies.iter_mut().filter(|cookie| cookie.as_bytes().starts_with(b"__Host-id=;")) {
                *cookie = header::HeaderValue::from_static("__Host-id=; Path=/; Secure; Max-Age=0");
            }
        }
        response
    }
    let sessions = || tower_sessions::SessionManagerLayer::new(CloakroomStore::default()).with_name("__Host-id");
    let routes = || Router::new().route("/login", post(login)).route("/logout", post(logout)).layer(sessions());
    for (app, secure) in [(routes(), false), (routes().layer(axum::middleware::from_fn(remove_cookie)), true)] {
        let address = serve(app).await;
        let client = Client::builder().no_proxy().build().expect("a client without TLS");
        let login = client.post(format!("http://{address}/login")).send().await.expect("an answer");
        let set = login.headers()[header::SET_COOKIE].to_str().expect("ASCII").to_owned();
        assert!(set.contains("; Secure"), "{set}");
        let pair = set.split(';').next().expect("a pair").to_owned();
        let logout = client.post(format!("http://{address}/logout")).header(header::COOKIE, pair);
        let logout = logout.send().await.expect("an answer");
        let removal = logout.headers()[header::SET_COOKIE].to_str().expect("ASCII").to_owned();
        assert!(removal.starts_with("__Host-id=;") && removal.contains("Max-Age=0"), "{removal}");
        assert_eq!(removal.contains("; Secure"), secure, "{removal}");
    }
}

#[tokio::test]
async fn a_session_that_is_too_large_is_refused_with_500() {
    async fn fill(session: Session) {
        for number in 0..64 {
            session.insert(&number.to_string(), "x".repeat(1 << 20)).await.expect("it is stored later");
        }
    }
    let store = CloakroomStore::default();
    let sessions = tower_sessions::SessionManagerLayer::new(store.clone());
    let address = serve(Router::new().route("/fill", post(fill)).layer(sessions)).await;
    let browser = Browser::new(address);
    let answer = browser.post("/fill").await;
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key(header::SET_COOKIE)), (500, false));
    assert_eq!(store.count(), 0);
}
