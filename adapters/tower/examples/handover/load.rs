//! Clients that log in, read and log out, and notice everything that goes wrong. None repeats a request.

use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, COOKIE, HOST, SET_COOKIE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What the clients have seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Of each request: when it was sent, and how long the response took.
    pub(crate) requests: Vec<(Instant, Duration)>,
    /// Requests for something slow, which are not among those.
    pub(crate) slow: usize,
    /// Of each request that has failed, or was answered wrongly.
    pub(crate) failures: Vec<String>,
    /// Cookies that were logged out.
    pub(crate) logged_out: Vec<String>,
    /// Responses after which the server has closed the connection.
    pub(crate) closed: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.requests.extend(other.requests);
        self.slow += other.slow;
        self.failures.extend(other.failures);
        self.logged_out.extend(other.logged_out);
        self.closed += other.closed;
    }
}

pub(crate) struct Answer {
    status: StatusCode,
    cookie: Option<String>,
    body: String,
}

/// A client with one connection at a time.
pub(crate) struct Client {
    address: SocketAddr,
    /// Whether it uses a connection again.
    keeps_alive: bool,
    connection: Option<SendRequest<String>>,
    pub(crate) seen: Seen,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, keeps_alive: bool) -> Self {
        Self { address, keeps_alive, connection: None, seen: Seen::default() }
    }

    async fn connect(&mut self) -> Result<SendRequest<String>, Box<dyn Error + Send + Sync>> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn try_send(
        &mut self,
        method: &str,
        path: &str,
        cookie: &str,
        body: String,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut connection = self.connect().await?;
        let request = Request::builder().method(method).uri(path).header(HOST, "localhost").header(COOKIE, cookie);
        let (head, body) = connection.send_request(request.body(body)?).await?.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().into())?;
        let closes = head.headers.get(CONNECTION).is_some_and(|value| value == "close");
        self.seen.closed += usize::from(closes);
        self.connection = Some(connection).filter(|_| self.keeps_alive && !closes);
        let cookies = head.headers.get_all(SET_COOKIE).into_iter().filter_map(|cookie| cookie.to_str().ok());
        let cookie = cookies.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.len() > 64);
        Ok(Answer { status: head.status, cookie: cookie.map(str::to_owned), body })
    }

    /// Sends a request, and notes how long the response takes. `None` if there is none, or one with another status.
    async fn send(&mut self, method: &str, path: &str, cookie: &str, body: &str, status: u16) -> Option<Answer> {
        let begun = Instant::now();
        let answer = self.try_send(method, path, cookie, body.to_owned()).await;
        match path {
            "/slow" => self.seen.slow += 1,
            _ => self.seen.requests.push((begun, begun.elapsed())),
        }
        match answer {
            Ok(answer) if answer.status == status => Some(answer),
            Ok(answer) => {
                self.seen.failures.push(format!("{method} {path}: {}, not {status}", answer.status));
                None
            }
            Err(error) => {
                self.seen.failures.push(format!("{method} {path}: {error}"));
                None
            }
        }
    }

    /// Logs in, and returns the cookie.
    pub(crate) async fn log_in(&mut self, user: &str) -> Option<String> {
        self.send("POST", "/login", "", user, 200).await?.cookie
    }

    /// Expects that this user is logged in with the cookie.
    pub(crate) async fn reads(&mut self, path: &str, cookie: &str, user: &str) {
        if let Some(answer) = self.send("GET", path, cookie, "", 200).await
            && answer.body != user
        {
            self.seen.failures.push(format!("{path}: the user is another one"));
        }
    }

    /// Expects that nobody is logged in by the cookie.
    pub(crate) async fn is_refused(&mut self, cookie: &str) {
        self.send("GET", "/profile", cookie, "", 401).await;
    }
}

/// How a client behaves.
#[derive(Clone, Copy)]
pub(crate) struct Habit {
    pub(crate) keeps_alive: bool,
    /// What it reads.
    pub(crate) path: &'static str,
    /// The longest pause between two requests.
    pub(crate) pause: Duration,
}

/// Logs in, reads, and logs out, again and again until `stop`.
pub(crate) async fn visit(address: SocketAddr, number: usize, habit: Habit, stop: Arc<AtomicBool>) -> Seen {
    let mut client = Client::new(address, habit.keeps_alive);
    let (user, mut random) = (format!("user {number}"), number as u64);
    while !stop.load(Ordering::Relaxed) {
        let Some(cookie) = client.log_in(&user).await else { continue };
        for _ in 0..8 {
            // Knuth's linear congruential generator.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sleep(habit.pause * (random >> 56) as u32 / 256).await;
            client.reads(habit.path, &cookie, &user).await;
        }
        if client.send("POST", "/logout", &cookie, "", 204).await.is_some() {
            client.is_refused(&cookie).await;
            client.seen.logged_out.push(cookie);
        }
    }
    client.seen
}
