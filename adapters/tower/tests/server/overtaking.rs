//! Requests that overtake each other over a socket, and responses that reach nobody.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use cloakroom::{Hold, ManualClock, Principal, SessionStore};
use cloakroom_tower::{LoggedIn, Session, SessionCookie, SessionError, SessionLayer};
use hyper::body::Frame;
use reqwest::{Client, header};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
};

use crate::harness::{DEADLINE, client};

/// A server whose slow requests wait at a gate.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<SessionStore>,
    clock: ManualClock,
    gate: Arc<Notify>,
    /// Reports each request that has reached its waiting place.
    arrivals: mpsc::UnboundedReceiver<()>,
    /// What a stream sends.
    words: mpsc::UnboundedSender<&'static str>,
}

#[derive(Clone)]
struct App {
    gate: Arc<Notify>,
    arrived: mpsc::UnboundedSender<()>,
    words: Arc<std::sync::Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>>,
}

impl Site {
    pub(crate) async fn start(layer: impl Fn(SessionLayer) -> SessionLayer) -> Site {
        let clock = ManualClock::new();
        let builder = SessionStore::builder().clock(clock.clone()).ttl(Duration::from_secs(60));
        let store = Arc::new(builder.max_sessions_per_principal(1).build().expect("a valid configuration"));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (words, to_send) = mpsc::unbounded_channel();
        let gate = Arc::new(Notify::new());
        let state = App { gate: Arc::clone(&gate), arrived, words: Arc::new(std::sync::Mutex::new(Some(to_send))) };
        let cookie = SessionCookie::builder().name("session_id").secure(false).build().expect("a valid cookie");
        let routes = Router::new()
            .route("/", get(async || Html("<!doctype html><title>A page</title>")))
            .route("/store", get(store_something))
            .route("/store-slowly", get(store_slowly))
            .route("/login", get(log_in))
            .route("/login-and-hang", get(log_in_and_hang))
            .route("/login-and-panic", get(log_in_and_panic))
            .route("/rotate-and-hang", get(rotate_and_hang))
            .route("/logout", get(async |session: Session| session.logout().to_string()))
            .route("/basket", get(async |session: Session| session.get("basket").unwrap_or_default()))
            .route("/user", get(async |_: LoggedIn| "ada"))
            .route("/stream", get(stream))
            .with_state(state);
        let layer = layer(SessionLayer::new(Arc::clone(&store)).cookie(cookie.clone()));
        // Another layer over the same store outside, as a framework or a library might add one.
        let outer = SessionLayer::new(Arc::clone(&store)).cookie(cookie).remove_stale(true);
        let routes = routes.layer(layer).layer(outer).layer(from_fn(catch_panics));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        tokio::spawn(axum::serve(listener, routes).into_future());
        Site { address, store, clock, gate, arrivals, words }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, client: &Client, path: &str) -> reqwest::Response {
        client.get(self.url(path)).send().await.expect("an answer")
    }

    async fn status(&self, client: &Client, path: &str) -> u16 {
        self.get(client, path).await.status().as_u16()
    }

    async fn basket(&self, client: &Client) -> String {
        self.get(client, "/basket").await.text().await.expect("text")
    }

    /// Begins a request that has reached its waiting place when this returns.
    async fn begin(&mut self, client: &Client, path: &str) -> tokio::task::JoinHandle<reqwest::Response> {
        let request = client.get(self.url(path));
        let answer = tokio::spawn(async move { request.send().await.expect("an answer") });
        self.arrival().await;
        answer
    }

    pub(crate) async fn arrival(&mut self) {
        tokio::time::timeout(DEADLINE, self.arrivals.recv()).await.expect("in time").expect("the server runs");
    }

    pub(crate) fn open_gate(&self) {
        self.gate.notify_one();
    }

    fn devices(&self) -> usize {
        self.store.sessions_of(&ada()).len()
    }

    /// Waits until a condition holds: the server needs a moment to learn that a client has hung up.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let start = Instant::now();
        while !is_so().await {
            assert!(start.elapsed() < DEADLINE, "never: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn ada() -> Principal {
    Principal::new("ada")
}

/// Answers a panic of a handler with 500.
async fn catch_panics(request: Request, next: Next) -> Response {
    let mut answer = Box::pin(next.run(request));
    let caught = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    });
    caught.await
}

async fn store_something(session: Session) -> Result<(), SessionError> {
    session.set("basket", "3 apples")
}

async fn store_slowly(State(app): State<App>, session: Session) -> Result<(), SessionError> {
    app.arrived.send(()).expect("the test listens");
    app.gate.notified().await;
    session.set("last_page", "/store-slowly")
}

async fn log_in(session: Session) -> Result<(), SessionError> {
    session.login(&ada())
}

async fn log_in_and_hang(State(app): State<App>, session: Session) -> Result<(), SessionError> {
    session.login(&ada())?;
    session.set("address", "12 St James's Square")?;
    app.arrived.send(()).expect("the test listens");
    std::future::pending().await
}

async fn log_in_and_panic(session: Session) -> Result<(), SessionError> {
    session.login(&ada())?;
    panic!("the handler is broken")
}

async fn rotate_and_hang(State(app): State<App>, session: Session) -> Result<(), SessionError> {
    session.rotate()?;
    app.arrived.send(()).expect("the test listens");
    std::future::pending().await
}

/// A response whose body holds the session in use, and ends with it.
struct Words {
    hold: Hold<Arc<SessionStore>, cloakroom::Attributes>,
    words: mpsc::UnboundedReceiver<&'static str>,
}

impl hyper::body::Body for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.words.poll_recv(context).map(|word| {
            let word = word.filter(|_| self.hold.is_live())?;
            Some(Ok(Frame::data(Bytes::from_static(word.as_bytes()))))
        })
    }
}

async fn stream(State(app): State<App>, user: LoggedIn) -> Result<Response, SessionError> {
    let hold = user.hold().ok_or(SessionError::Gone)?;
    let words = app.words.lock().expect("no panic").take().expect("one stream");
    Ok(Response::new(Body::new(Words { hold, words })))
}

fn eager(layer: SessionLayer) -> SessionLayer {
    layer.rolling(true).remove_stale(true)
}

#[tokio::test]
async fn a_late_request_with_the_old_id_leaves_the_user_logged_in() {
    for layer in [|layer: SessionLayer| layer, eager, |layer: SessionLayer| eager(layer).one_cookie()] {
        let mut site = Site::start(layer).await;
        let browser = client(true);
        assert_eq!(site.status(&browser, "/store").await, 200);
        let slow = site.begin(&browser, "/store-slowly").await;
        assert_eq!(site.status(&browser, "/login").await, 200);
        site.open_gate();
        let slow = slow.await.expect("no panic");
        assert_eq!(slow.status(), 409);
        assert!(!slow.headers().contains_key(header::SET_COOKIE));
        assert_eq!((site.status(&browser, "/user").await, site.store.count()), (200, 1));
        assert_eq!(site.basket(&browser).await, "3 apples");
    }
}

#[tokio::test]
async fn a_request_that_arrives_after_the_login_with_the_old_id_gets_a_clear_error() {
    let site = Site::start(eager).await;
    let (browser, late) = (client(true), client(false));
    let created = site.get(&browser, "/store").await;
    let cookie = created.headers()[header::SET_COOKIE].to_str().expect("ASCII").split(';').next().expect("a pair");
    assert_eq!(site.status(&browser, "/login").await, 200);
    for path in ["/store", "/basket", "/user"] {
        let request = late.get(site.url(path)).header(header::COOKIE, cookie);
        let answer = request.send().await.expect("an answer");
        let expected = [("/store", 409), ("/basket", 200), ("/user", 401)].into_iter().find(|(of, _)| *of == path);
        assert_eq!(Some((path, answer.status().as_u16())), expected);
        assert!(!answer.headers().contains_key(header::SET_COOKIE), "{path}");
    }
    assert_eq!((site.store.count(), site.store.stats().replays), (1, 3));
}

#[tokio::test]
async fn a_request_without_a_cookie_that_is_answered_after_the_login_leaves_the_user_logged_in() {
    let mut site = Site::start(|layer| layer).await;
    let browser = client(true);
    let slow = site.begin(&browser, "/store-slowly").await;
    assert_eq!(site.status(&browser, "/login").await, 200);
    site.open_gate();
    let slow = slow.await.expect("no panic");
    assert_eq!(slow.status(), 200);
    let set = slow.headers()[header::SET_COOKIE].to_str().expect("ASCII");
    assert!(set.starts_with("session_id_visitor="), "{set}");
    assert_eq!((site.status(&browser, "/user").await, site.store.count()), (200, 2));
    assert_eq!(site.status(&browser, "/logout").await, 200);
    assert_eq!((site.status(&browser, "/user").await, site.store.count()), (401, 0));
}

#[tokio::test]
async fn a_client_that_hangs_up_during_its_login_leaves_no_device_and_can_log_in() {
    let mut site = Site::start(|layer| layer).await;
    let browser = client(true);
    assert_eq!(site.status(&browser, "/store").await, 200);
    for path in ["/login-and-hang", "/rotate-and-hang"] {
        let login = site.begin(&browser, path).await;
        assert_eq!(site.devices(), usize::from(path == "/login-and-hang"));
        assert_eq!(site.basket(&browser).await, "", "the old id is dead");
        login.abort();
        site.until("the visitor is back", async || site.basket(&browser).await == "3 apples").await;
        assert_eq!((site.devices(), site.store.count()), (0, 1));
    }
    // The limit is one session of each user.
    assert_eq!(site.status(&browser, "/login").await, 200);
    assert_eq!((site.status(&browser, "/user").await, site.devices()), (200, 1));
}

#[tokio::test]
async fn a_handler_that_panics_after_the_login_leaves_no_device() {
    let site = Site::start(|layer| layer).await;
    let browser = client(true);
    assert_eq!(site.status(&browser, "/store").await, 200);
    let broken = site.get(&browser, "/login-and-panic").await;
    assert_eq!((broken.status().as_u16(), broken.headers().get(header::SET_COOKIE)), (500, None));
    assert_eq!((site.devices(), site.basket(&browser).await.as_str()), (0, "3 apples"));
    assert_eq!(site.status(&browser, "/login").await, 200);
}

#[tokio::test]
async fn a_stream_holds_its_session_until_the_session_is_ended() {
    let site = Site::start(|layer| layer).await;
    let browser = client(true);
    assert_eq!(site.status(&browser, "/login").await, 200);
    let mut stream = site.get(&browser, "/stream").await;
    for hour in 1..=3 {
        site.clock.advance(Duration::from_secs(3_600));
        assert_eq!(site.store.evict_expired(), 0, "hour {hour}");
        site.words.send("word").expect("the stream is open");
        assert_eq!(stream.chunk().await.expect("no error").as_deref(), Some(&b"word"[..]));
    }
    assert_eq!(site.status(&browser, "/user").await, 200);
    assert_eq!(site.store.end_sessions_of(&ada()), 1);
    site.words.send("word").expect("the stream is open");
    assert_eq!(stream.chunk().await.expect("no error"), None);
    assert_eq!(site.store.count(), 0);
}

#[tokio::test]
async fn two_nested_layers_send_one_cookie_and_keep_the_login() {
    let site = Site::start(|layer| layer).await;
    let stale = cloakroom::SessionId::random().expect("random bytes");
    let request = client(false).get(site.url("/login")).header(header::COOKIE, format!("session_id={stale}"));
    let answer = request.send().await.expect("an answer");
    let cookies: Vec<_> = answer.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!((cookies.len(), site.devices()), (1, 1));
    assert!(cookies[0].to_str().expect("ASCII").starts_with("session_id="));
}
