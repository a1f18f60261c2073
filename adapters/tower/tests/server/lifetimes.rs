//! "Remember me", uses of a session, and caches: over a socket, with routes made for it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use cloakroom::{ManualClock, Principal, SessionStore};
use cloakroom_tower::{LoggedIn, Login, Session, SessionCookie, SessionError, SessionLayer};
use reqwest::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use tokio::net::TcpListener;

use crate::harness::{Browser, client, set_cookie};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A store, and the address of a server with these routes under a layer that `change` has made of the default one.
pub(crate) async fn serve(
    routes: Router,
    change: impl FnOnce(SessionLayer) -> SessionLayer,
) -> (Arc<SessionStore>, ManualClock, SocketAddr) {
    let clock = ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).build().expect("a valid configuration");
    let store = Arc::new(store);
    let cookie = SessionCookie::builder().name("session_id").secure(false).build().expect("a valid cookie");
    let layer = change(SessionLayer::new(Arc::clone(&store)).cookie(cookie));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, routes.layer(layer)).into_future());
    (store, clock, address)
}

pub(crate) fn browser(address: SocketAddr) -> Browser {
    Browser { client: client(true), base: format!("http://{address}") }
}

async fn remember(session: Session) -> Result<(), SessionError> {
    session.login_with(&Principal::new("ada"), Login::remember(8 * DAY).at_most(20 * DAY))
}

async fn login(session: Session) -> Result<(), SessionError> {
    session.login(&Principal::new("ada"))
}

async fn page(_: LoggedIn) {}

/// A page that any cache may keep, unless it gets the cookie.
async fn logo(session: Session) -> impl IntoResponse {
    let _ = session.get("theme");
    [("cache-control", "public, max-age=600"), ("cdn-cache-control", "max-age=600"), ("vary", "accept-encoding")]
}

async fn broken(session: Session) -> StatusCode {
    let _ = session.get("theme");
    StatusCode::INTERNAL_SERVER_ERROR
}

fn routes() -> Router {
    Router::new()
        .route("/remember", post(remember))
        .route("/login", post(login))
        .route("/page", get(page))
        .route("/news", get(page))
        .route("/logo", get(logo))
        .route("/broken", get(broken))
}

async fn get_of(browser: &Browser, path: &str) -> reqwest::Response {
    browser.client.get(browser.url(path)).send().await.expect("an answer")
}

#[tokio::test]
async fn a_remembered_cookie_lasts_and_is_renewed_and_another_login_forgets_it() {
    let (store, clock, address) = serve(routes(), |layer| layer).await;
    let browser = browser(address);
    let remembered = set_cookie(&browser.post("/remember", &[]).await);
    assert!(remembered.ends_with("; Max-Age=691200"), "{remembered}");
    clock.advance(DAY);
    assert!(!get_of(&browser, "/logo").await.headers().contains_key(SET_COOKIE));
    let renewed = get_of(&browser, "/page").await;
    assert_eq!(renewed.status(), 200);
    assert_eq!(set_cookie(&renewed), remembered);
    assert_eq!(renewed.headers()[CACHE_CONTROL], "no-store");
    assert!(!get_of(&browser, "/page").await.headers().contains_key(SET_COOKIE));

    let forgotten = set_cookie(&browser.post("/login", &[]).await);
    assert!(!forgotten.contains("Max-Age"), "{forgotten}");
    clock.advance(Duration::from_secs(30 * 60 + 1));
    assert_eq!(get_of(&browser, "/page").await.status(), 401);
    assert_eq!(store.evict_expired() + store.count(), 0);
}

#[tokio::test]
async fn polling_and_failures_let_a_session_expire() {
    let (_, clock, address) = serve(routes(), |layer| layer.counts_as_use(|it| it.uri.path() != "/news")).await;
    let browser = browser(address);
    browser.post("/login", &[]).await;
    for _ in 0..2 {
        clock.advance(Duration::from_secs(29 * 60));
        assert_eq!(get_of(&browser, "/page").await.status(), 200);
    }
    clock.advance(Duration::from_secs(29 * 60));
    assert_eq!(get_of(&browser, "/news").await.status(), 200);
    assert_eq!(get_of(&browser, "/broken").await.status(), 500);
    clock.advance(Duration::from_secs(61));
    assert_eq!(get_of(&browser, "/page").await.status(), 401);
}

#[tokio::test]
async fn a_rolling_cookie_leaves_responses_for_caches_alone() {
    let cookie = SessionCookie::builder().name("session_id").secure(false).max_age(Duration::from_secs(60));
    let cookie = cookie.build().expect("a valid cookie");
    let (_, _, address) = serve(routes(), |layer| layer.rolling(true).cookie(cookie)).await;
    let browser = browser(address);
    browser.post("/login", &[]).await;
    assert!(set_cookie(&get_of(&browser, "/page").await).ends_with("; Max-Age=60"));
    let logo = get_of(&browser, "/logo").await;
    assert!(!logo.headers().contains_key(SET_COOKIE));
    assert_eq!(logo.headers()[CACHE_CONTROL], "public, max-age=600");
    assert_eq!(logo.headers()["cdn-cache-control"], "max-age=600");
    assert!(!get_of(&browser, "/broken").await.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn a_response_that_depends_on_the_session_says_so() {
    let (_, _, address) = serve(routes(), |layer| layer.vary(true)).await;
    let logo = get_of(&browser(address), "/logo").await;
    assert_eq!(logo.headers().get_all(VARY).iter().collect::<Vec<_>>(), ["accept-encoding", "cookie"]);
    assert!(!get_of(&browser(address), "/nowhere").await.headers().contains_key(VARY));
}
