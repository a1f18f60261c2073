//! Servers on a free port of this machine, and clients with a cookie jar each.

pub(crate) mod build;
pub(crate) mod process;
pub(crate) mod scenarios;

use cloakroom::{ManualClock, SessionId, SessionStore};
use cloakroom_tower::{Session, SessionCookie, SessionError, SessionLayer};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// The longest time that a response may take, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The format in which a server expects the user and the password.
#[derive(Clone, Copy)]
pub(crate) enum LoginBy {
    #[allow(dead_code, reason = "each test binary uses one of the two")]
    Form,
    #[allow(dead_code, reason = "as above")]
    Json,
}

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) login_by: LoginBy,
    pub(crate) sessions: Sessions,
}

/// The server's sessions, and the gate of its slow requests.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) store: Arc<SessionStore>,
    pub(crate) clock: ManualClock,
    pub(crate) gate: Arc<Gate>,
    /// Reports each request that has reached the gate.
    arrived: mpsc::UnboundedSender<()>,
}

/// The gate at which requests for `/slow` wait until the test opens it.
#[derive(Default)]
pub(crate) struct Gate(Notify);

impl Sessions {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<()>) {
        let clock = ManualClock::new();
        let builder = SessionStore::builder().clock(clock.clone()).ttl(Duration::from_secs(60));
        let store = Arc::new(builder.build().expect("a valid configuration"));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        (Self { store, clock, gate: Arc::default(), arrived }, arrivals)
    }

    /// A layer whose cookie clients also send without HTTPS.
    pub(crate) fn layer(&self) -> SessionLayer {
        let cookie = SessionCookie::builder().name("session_id").secure(false).build().expect("a valid cookie");
        SessionLayer::new(Arc::clone(&self.store)).cookie(cookie)
    }

    /// The handler of `/slow`: reads the session, waits at the gate, and stores an attribute.
    pub(crate) async fn slow(&self, session: &Session) -> Result<(), SessionError> {
        session.get("user").ok_or(SessionError::Gone)?;
        self.arrived.send(()).expect("the test listens");
        self.gate.0.notified().await;
        session.set("last_page", "/slow")
    }

    pub(crate) fn open_gate(&self) {
        self.gate.0.notify_one();
    }
}

/// A client, and the address and the login format of its server.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    base: String,
    login_by: LoginBy,
}

impl Browser {
    pub(crate) fn new(address: SocketAddr, login_by: LoginBy, name: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(DEADLINE).cookie_store(true).user_agent(name);
        Self { client: client.build().expect("a client without TLS"), base: format!("http://{address}"), login_by }
    }

    pub(crate) fn request_to_log_in(&self, user: &str, password: &str) -> RequestBuilder {
        let request = self.client.post(format!("{}/login", self.base));
        match self.login_by {
            LoginBy::Form => request.form(&[("user", user), ("password", password)]),
            LoginBy::Json => request.json(&json!({ "user": user, "password": password })),
        }
    }

    /// Logs in with the right password, and returns the new id.
    pub(crate) async fn log_in(&self, user: &str) -> SessionId {
        let password = if user == "ada" { "engine" } else { "compiler" };
        let answer = self.request_to_log_in(user, password).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        id_of(&answer)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.expect("an answer")
    }

    pub(crate) async fn get_with(&self, path: &str, cookie: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header(COOKIE, cookie);
        request.send().await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str) -> Response {
        self.client.post(format!("{}{path}", self.base)).send().await.expect("an answer")
    }

    /// The user and the number of visits; `None` if the client is not logged in.
    pub(crate) async fn profile(&self) -> Option<(String, u64)> {
        let answer = self.get("/profile").await;
        assert!(!answer.headers().contains_key(SET_COOKIE), "a visit sets no cookie");
        if answer.status() == 401 {
            return None;
        }
        assert_eq!(answer.status(), 200);
        let profile: Value = answer.json().await.expect("JSON");
        Some((profile["user"].as_str()?.to_owned(), profile["visits"].as_u64()?))
    }
}

/// The only `Set-Cookie` of a response.
pub(crate) fn set_cookie(answer: &Response) -> String {
    let mut cookies = answer.headers().get_all(SET_COOKIE).iter();
    let cookie = cookies.next().expect("a Set-Cookie").to_str().expect("ASCII").to_owned();
    assert!(cookies.next().is_none(), "more than one Set-Cookie");
    cookie
}

pub(crate) fn id_of(answer: &Response) -> SessionId {
    let cookie = set_cookie(answer);
    let (_name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("name=value");
    value.parse().expect("a session id")
}
