//! A server on a free port of this machine, and clients for it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use cloakroom::{ManualClock, SessionId, SessionStore, SessionStoreBuilder};
use reqwest::{Client, Response, header};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::app::{Settings, app};

/// The longest time that a response may take, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The app over a store of its own, served by the runtime of the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<SessionStore>,
    pub(crate) clock: ManualClock,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(|store| store, Settings { secure_cookies: false }).await
    }

    pub(crate) async fn with(
        configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder,
        settings: Settings,
    ) -> Server {
        let clock = ManualClock::new();
        let store = configure(SessionStore::builder().clock(clock.clone())).build().expect("a valid configuration");
        let store = Arc::new(store);
        Server { address: serve(Arc::clone(&store), settings).await, store, clock }
    }

    /// A client with a cookie jar of its own.
    pub(crate) fn browser(&self) -> Browser {
        Browser { client: client(true), base: format!("http://{}", self.address) }
    }

    /// A client without a cookie jar.
    pub(crate) fn jarless(&self) -> Browser {
        Browser { client: client(false), base: format!("http://{}", self.address) }
    }
}

/// Serves `store` on a free port until the runtime ends.
pub(crate) async fn serve(store: Arc<SessionStore>, settings: Settings) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, app(store, settings)).into_future());
    address
}

pub(crate) fn client(jar: bool) -> Client {
    Client::builder().no_proxy().timeout(DEADLINE).cookie_store(jar).build().expect("a client without TLS")
}

#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) base: String,
}

impl Browser {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn login(&self, user: &str) -> Response {
        self.post("/login", &[("user", user)]).await
    }

    /// Logs in and returns the new session's id.
    pub(crate) async fn logged_in(&self, user: &str) -> SessionId {
        let answer = self.login(user).await;
        assert_eq!(answer.status(), 200);
        id_of(&answer)
    }

    pub(crate) async fn profile(&self) -> Response {
        self.client.get(self.url("/profile")).send().await.expect("an answer")
    }

    pub(crate) async fn logout(&self) -> Response {
        self.post("/logout", &[]).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(self.url(path)).form(form).send().await.expect("an answer")
    }

    pub(crate) async fn live(&self) -> Response {
        self.client.get(self.url("/live")).send().await.expect("an answer")
    }

    /// The body of the response to `GET /live`.
    pub(crate) async fn told(&self) -> Value {
        let answer = self.live().await;
        assert_eq!(answer.status(), 200);
        json(answer).await
    }

    /// The status of a profile request with this `Cookie` header.
    pub(crate) async fn status_with(&self, cookie: &str) -> u16 {
        let request = self.client.get(self.url("/profile")).header(header::COOKIE, cookie);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// The status of a profile request with only this id.
    pub(crate) async fn status_of(&self, id: &SessionId) -> u16 {
        self.status_with(&format!("session_id={id}")).await
    }
}

/// The only `Set-Cookie` of a response.
pub(crate) fn set_cookie(answer: &Response) -> String {
    let mut cookies = answer.headers().get_all(header::SET_COOKIE).iter();
    let cookie = cookies.next().expect("a Set-Cookie").to_str().expect("ASCII").to_owned();
    assert!(cookies.next().is_none(), "more than one Set-Cookie");
    cookie
}

/// The session id that a response sets.
pub(crate) fn id_of(answer: &Response) -> SessionId {
    let cookie = set_cookie(answer);
    let (_name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("name=value");
    value.parse().expect("a session id")
}

pub(crate) async fn json(answer: Response) -> Value {
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    answer.json().await.expect("a JSON body")
}

/// The user in the response to `GET /profile`.
pub(crate) async fn user_of(answer: Response) -> String {
    assert_eq!(answer.status(), 200);
    json(answer).await["user"].as_str().expect("a user").to_owned()
}

/// Sends bytes unchanged and returns the response as text, or the part of it that arrived before the connection closed.
pub(crate) async fn raw(address: SocketAddr, request: Vec<u8>) -> String {
    tokio::task::spawn_blocking(move || raw_blocking(address, &request)).await.expect("no panic")
}

pub(crate) fn raw_blocking(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    // A server that refuses a request may close the connection before it has read all of it.
    let _ = socket.write_all(request);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// `GET /profile` with the given `Cookie` header, as bytes.
pub(crate) fn profile_request(cookie: &[u8]) -> Vec<u8> {
    [b"GET /profile HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: ", cookie, b"\r\n\r\n"].concat()
}
