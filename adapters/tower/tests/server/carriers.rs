//! Tokens in a header, cookies by domain, and several apps on one store: over a socket.

use axum::{
    Router,
    routing::{get, post},
};
use cloakroom::{Audience, Principal, SessionId};
use cloakroom_tower::{LoggedIn, Session, SessionCookie, SessionError, SessionLayer, SessionToken};
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, HOST, SET_COOKIE, WWW_AUTHENTICATE};
use std::sync::Arc;

use crate::{
    harness::{id_of, set_cookie},
    lifetimes::{browser, serve},
};

async fn login(session: Session) -> Result<(), SessionError> {
    session.login(&Principal::new("ada"))
}

async fn profile(_: LoggedIn) -> &'static str {
    "ada"
}

async fn logout(session: Session) {
    session.logout();
}

fn routes() -> Router {
    Router::new().route("/login", post(login)).route("/profile", get(profile)).route("/logout", post(logout))
}

#[tokio::test]
async fn a_phone_logs_in_uses_its_token_and_logs_out_without_a_cookie() {
    let (store, _, address) = serve(routes(), |layer| layer.token(SessionToken::bearer())).await;
    let phone = browser(address);
    let login = phone.client.post(phone.url("/login")).header("session-token", "new").send().await.expect("an answer");
    assert_eq!(login.status(), 200);
    assert!(!login.headers().contains_key(SET_COOKIE));
    assert_eq!(login.headers()[CACHE_CONTROL], "no-store");
    let token = login.headers()["session-token"].to_str().expect("ASCII").to_owned();
    let profile = |token: String| {
        let request = phone.client.get(phone.url("/profile")).bearer_auth(token);
        async { request.send().await.expect("an answer") }
    };
    assert_eq!(profile(token.clone()).await.text().await.expect("a body"), "ada");
    let logout = phone.client.post(phone.url("/logout")).bearer_auth(&token).send().await.expect("an answer");
    assert!(!logout.headers().contains_key(SET_COOKIE));
    let refused = profile(token).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()[WWW_AUTHENTICATE]),
        (401, &"Bearer".parse().expect("a header"))
    );
    assert_eq!(store.count(), 0);
}

#[tokio::test]
async fn a_browser_and_a_phone_use_the_same_routes_and_a_wrong_token_is_no_cookie() {
    let (_, _, address) = serve(routes(), |layer| layer.token(SessionToken::bearer())).await;
    let browser = browser(address);
    id_of(&browser.post("/login", &[]).await);
    assert_eq!(browser.profile().await.status(), 200);
    let forged = SessionId::random().expect("random bytes");
    let with_token = browser.client.get(browser.url("/profile")).bearer_auth(forged);
    assert_eq!(with_token.send().await.expect("an answer").status(), 401);
    let basic = browser.client.get(browser.url("/profile")).header(AUTHORIZATION, "Basic YTpi");
    assert_eq!(basic.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn the_domain_of_the_cookie_follows_the_host() {
    let of = |domain| {
        let cookie = SessionCookie::builder().name("sid").secure(false).domain(domain);
        cookie.build().expect("a valid cookie")
    };
    let cookies = [of("shop.example"), of("forum.example")];
    let (_, _, address) = serve(routes(), |layer| layer.cookies_by_domain(cookies)).await;
    let browser = browser(address);
    for (host, end) in [
        ("www.shop.example", "; Path=/; Domain=shop.example"),
        ("forum.example:3000", "; Path=/; Domain=forum.example"),
        ("evil.example", "; Path=/"),
    ] {
        let login = browser.client.post(browser.url("/login")).header(HOST, host).send().await.expect("an answer");
        let cookie = set_cookie(&login);
        assert!(cookie.ends_with(end), "{host}: {cookie}");
    }
}

#[tokio::test]
async fn an_app_does_not_accept_the_id_of_another_app_on_its_store() {
    let (store, _, site) = serve(routes(), |layer| layer.audience(Audience::new("site"))).await;
    let shared = Arc::clone(&store);
    let admin_layer = move |_| {
        let cookie = SessionCookie::builder().name("session_id").secure(false).build().expect("a valid cookie");
        SessionLayer::new(shared).cookie(cookie).audience(Audience::new("admin"))
    };
    let (_, _, admin) = serve(routes(), admin_layer).await;
    let (at_site, at_admin) = (browser(site), browser(admin));
    let id = id_of(&at_site.post("/login", &[]).await);
    assert_eq!(at_site.status_of(&id).await, 200);
    assert_eq!(at_admin.status_of(&id).await, 401);
    let logout = at_admin.client.post(at_admin.url("/logout")).header("cookie", format!("session_id={id}"));
    logout.send().await.expect("an answer");
    assert_eq!(at_site.status_of(&id).await, 200);
    assert_eq!(store.count(), 1);
}
