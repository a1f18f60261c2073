//! Servers on free ports, with a store each, over one engine.

use crate::engine::Engine;
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use cloakroom::{Principal, SessionStore, SessionStoreBuilder};
use cloakroom_redis::{SharedOptions, SharedStore};
use cloakroom_tower::shared::{LoggedIn, Session};
use cloakroom_tower::{SessionCookie, SessionError, SessionLayer};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Response};
use serde::Deserialize;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The bound of staleness in these tests.
pub(crate) const BOUND: Duration = Duration::from_millis(500);
/// How long an operation waits for the engine.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);
/// What a busy machine may add to a time that is bounded.
pub(crate) const SLACK: Duration = Duration::from_millis(1_000);
/// The longest time that anything may take, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The cookies of these servers.
pub(crate) const NAME: &str = "session_id";
pub(crate) const VISITOR: &str = "session_id_visitor";

/// How requests for `/wait` go on.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) reached: Notify,
    pub(crate) open: Notify,
}

/// One server.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) store: SharedStore,
    pub(crate) gate: Arc<Gate>,
    client: Client,
}

pub(crate) fn client(jar: bool) -> Client {
    Client::builder().no_proxy().timeout(DEADLINE).cookie_store(jar).build().expect("a client without TLS")
}

/// A layer whose cookie clients also send without HTTPS.
pub(crate) fn layer(store: SharedStore) -> SessionLayer<cloakroom::Attributes, SharedStore> {
    let cookie = SessionCookie::builder().name(NAME).secure(false).build().expect("a valid cookie");
    SessionLayer::shared(store).cookie(cookie)
}

pub(crate) async fn store(engine: &Engine) -> SharedStore {
    store_with(engine, |sessions| sessions).await
}

pub(crate) async fn store_with(
    engine: &Engine,
    configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder,
) -> SharedStore {
    let sessions = configure(SessionStore::builder().ttl(Duration::from_secs(60)));
    let options = SharedOptions::new(engine.url()).near(sessions).staleness(BOUND).command_timeout(TIMEOUT);
    SharedStore::connect(options).await.expect("an engine")
}

impl Node {
    pub(crate) async fn over(engine: &Engine) -> Self {
        Self::with(engine, |layer| layer).await
    }

    pub(crate) async fn with(
        engine: &Engine,
        change: impl FnOnce(
            SessionLayer<cloakroom::Attributes, SharedStore>,
        ) -> SessionLayer<cloakroom::Attributes, SharedStore>,
    ) -> Self {
        let (store, gate) = (store(engine).await, Arc::<Gate>::default());
        let app = routes(Arc::clone(&gate)).layer(change(layer(store.clone())));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { address, store, gate, client: client(false) }
    }

    /// Sends a `GET` for a path with this `Cookie` header.
    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = self.client.get(format!("http://{}{path}", self.address));
        let request = if cookie.is_empty() { request } else { request.header(COOKIE, cookie) };
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str) -> Answer {
        let request = self.client.post(format!("http://{}{path}", self.address));
        let request = if cookie.is_empty() { request } else { request.header(COOKIE, cookie) };
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Logs in, and returns the cookie.
    pub(crate) async fn logged_in(&self, user: &str) -> String {
        let answer = self.post(&format!("/login?user={user}"), "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.cookie()
    }

    /// Asks until the answer has this status, and returns the time that it took.
    pub(crate) async fn until(&self, path: &str, cookie: &str, status: u16) -> Duration {
        let start = Instant::now();
        loop {
            let answer = self.get(path, cookie).await;
            if answer.status == status {
                return start.elapsed();
            }
            assert!(start.elapsed() < DEADLINE, "still {} {}", answer.status, answer.text);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cookies: Vec<String>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let headers = response.headers().clone();
        let cookies = headers.get_all(SET_COOKIE).iter();
        let cookies = cookies.map(|cookie| cookie.to_str().expect("ASCII").to_owned()).collect();
        Self { status: response.status().as_u16(), cookies, headers, text: response.text().await.expect("text") }
    }

    /// The only cookie, as a browser sends it.
    pub(crate) fn cookie(&self) -> String {
        let [cookie] = &self.cookies[..] else { panic!("{} cookies", self.cookies.len()) };
        cookie.split(';').next().expect("a first part").to_owned()
    }

    /// Whether the response removes a cookie of this name.
    pub(crate) fn removes(&self, name: &str) -> bool {
        self.cookies.iter().any(|it| it.starts_with(&format!("{name}=;")) && it.ends_with("Max-Age=0"))
    }
}

#[derive(Deserialize)]
struct Who {
    user: String,
}

fn routes(gate: Arc<Gate>) -> Router {
    let waits = async move |session: Session| -> Result<String, SessionError> {
        let before = session.get("user").await;
        gate.reached.notify_one();
        gate.open.notified().await;
        before?;
        session.set("last", "wait").await?;
        Ok("stored".to_owned())
    };
    Router::new()
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/visit", post(visit))
        .route("/logout", post(logout))
        .route("/everywhere", post(everywhere))
        .route("/plain", get(async || "plain"))
        .route("/wait", post(waits))
        .route("/panic", post(panics))
}

async fn login(session: Session, Query(who): Query<Who>) -> Result<(), SessionError> {
    session.login(&Principal::new(&who.user)).await?;
    session.set("user", &who.user).await
}

async fn profile(user: LoggedIn) -> Result<String, SessionError> {
    Ok(user.get("user").await?.unwrap_or_default())
}

/// Stores something, for a visitor too.
async fn visit(session: Session) -> Result<String, SessionError> {
    Ok(session.increment("visits", 1).await?.to_string())
}

async fn logout(session: Session) -> Result<String, SessionError> {
    Ok(session.logout().await?.to_string())
}

async fn everywhere(session: Session) -> Result<String, SessionError> {
    Ok(session.logout_all_devices().await?.to_string())
}

/// Creates a session, and panics then.
async fn panics(session: Session) -> StatusCode {
    session.set("a", "b").await.expect("room");
    panic!("a handler that fails");
}

/// Runs a test on a runtime, with an engine of its own.
pub(crate) fn with_engine<F: Future<Output = ()>>(test: impl FnOnce(Engine) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test(Engine::start()));
}
