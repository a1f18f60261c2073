//! axum-login over the store. It depends on tower-sessions 0.14.

#![cfg(feature = "v0_14")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};
use cloakroom_tower_sessions::CloakroomStore;
use reqwest::{Client, header};
use tokio::net::TcpListener;
use tower_sessions_0_14::SessionManagerLayer;

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"unchanged"
    }
}

/// Accepts every user whose password equals the name.
#[derive(Clone, Debug)]
struct Everybody;

impl AuthnBackend for Everybody {
    type User = User;
    type Credentials = HashMap<String, String>;
    type Error = Infallible;

    async fn authenticate(&self, form: HashMap<String, String>) -> Result<Option<User>, Infallible> {
        Ok(form.get("user").filter(|user| form.get("password") == Some(*user)).cloned().map(User))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(User(id.clone())))
    }
}

type AuthSession = axum_login::AuthSession<Everybody>;

async fn login(mut auth: AuthSession, Form(form): Form<HashMap<String, String>>) -> StatusCode {
    let Ok(Some(user)) = auth.authenticate(form).await else { return StatusCode::UNAUTHORIZED };
    auth.login(&user).await.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::NO_CONTENT)
}

async fn logout(mut auth: AuthSession) -> StatusCode {
    auth.logout().await.map_or(StatusCode::INTERNAL_SERVER_ERROR, |_| StatusCode::NO_CONTENT)
}

async fn profile(auth: AuthSession) -> String {
    auth.user.map(|user| user.0).unwrap_or_default()
}

async fn serve(store: CloakroomStore) -> SocketAddr {
    let sessions = SessionManagerLayer::new(store).with_secure(false);
    let auth = AuthManagerLayerBuilder::new(Everybody, sessions).build();
    let app = Router::new()
        .route("/profile", get(profile))
        .route_layer(login_required!(Everybody))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(auth);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

#[tokio::test]
async fn a_user_logs_in_and_out_through_axum_login() {
    let store = CloakroomStore::default();
    let address = serve(store.clone()).await;
    let url = |path| format!("http://{address}{path}");
    let browser = Client::builder().no_proxy().cookie_store(true).build().expect("a client without TLS");
    let profile = || async { browser.get(url("/profile")).send().await.expect("an answer") };

    assert_eq!(profile().await.status(), 401);
    let wrong = browser.post(url("/login")).form(&[("user", "ada"), ("password", "eve")]);
    assert_eq!(wrong.send().await.expect("an answer").status(), 401);
    assert_eq!(store.count(), 0);

    let right = browser.post(url("/login")).form(&[("user", "ada"), ("password", "ada")]);
    let answer = right.send().await.expect("an answer");
    assert_eq!(answer.status(), 204);
    let cookie = answer.headers()[header::SET_COOKIE].clone();
    assert_eq!(profile().await.text().await.expect("a text"), "ada");
    assert_eq!(store.count(), 1);

    assert_eq!(browser.post(url("/logout")).send().await.expect("an answer").status(), 204);
    assert_eq!(profile().await.status(), 401);
    let thief = Client::builder().no_proxy().build().expect("a client without TLS");
    let stolen = thief.get(url("/profile")).header(header::COOKIE, cookie).send().await.expect("an answer");
    assert_eq!(stolen.status(), 401);
    assert_eq!(store.count(), 0);
}
