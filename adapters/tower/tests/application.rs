//! What applications build on the layer, over a socket: a logout that keeps the basket, and the end of what a session
//! held.

use axum::routing::{get, post};
use axum::{Json, Router};
use cloakroom::{Attributes, ManualClock, Principal, RemovalCause, SessionId, SessionStore};
use cloakroom_tower::{LoggedIn, Session, SessionCookie, SessionError, SessionLayer};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Response};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::net::TcpListener;

/// The cause of an end, and the file that the session held.
type Ends = Receiver<(RemovalCause, Option<String>)>;

struct Server {
    address: SocketAddr,
    store: Arc<SessionStore>,
    clock: ManualClock,
    ends: Ends,
}

async fn login(session: Session) -> Result<(), SessionError> {
    session.login(&Principal::new("ada"))?;
    session.set("name", "Ada")
}

async fn logout(session: Session) {
    if session.logout_keeping(|key| key == "basket").is_err() {
        session.logout();
    }
}

async fn keys(session: Session) -> Json<Vec<String>> {
    Json(session.read(|session| session.iter().map(|(key, _)| key.to_owned()).collect()).unwrap_or_default())
}

async fn start() -> Server {
    let (clock, (tell, ends)) = (ManualClock::new(), channel());
    let builder = SessionStore::builder().clock(clock.clone()).on_removal_with(
        |session: &Attributes| session.get("file").map(str::to_owned),
        move |removal, file| _ = tell.send((removal.cause, file.flatten())),
    );
    let store = Arc::new(builder.build().expect("a valid configuration"));
    let cookie = SessionCookie::builder().name("session_id").secure(false).build().expect("a valid cookie");
    let app = Router::new()
        .route("/basket", post(async |session: Session| session.set("basket", "apple")))
        .route("/upload", post(async |session: Session| session.set("file", "/tmp/7.png")))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/keys", get(keys))
        .route("/profile", get(async |_: LoggedIn| "ada"))
        .layer(SessionLayer::new(Arc::clone(&store)).cookie(cookie));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, app).into_future());
    Server { address, store, clock, ends }
}

fn browser(jar: bool) -> Client {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).cookie_store(jar);
    client.build().expect("a client")
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn post(&self, client: &Client, path: &str) -> Response {
        let answer = client.post(self.url(path)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}");
        answer
    }

    async fn keys(&self, client: &Client) -> Vec<String> {
        client.get(self.url("/keys")).send().await.expect("an answer").json().await.expect("JSON")
    }
}

fn id_of(answer: &Response) -> SessionId {
    let cookie = answer.headers()[SET_COOKIE].to_str().expect("ASCII");
    cookie.strip_prefix("session_id=").and_then(|rest| rest.split(';').next()).expect("an id").parse().expect("an id")
}

#[tokio::test]
async fn a_logout_keeps_the_basket_and_nothing_else() {
    let (server, laptop) = (start().await, browser(true));
    server.post(&laptop, "/basket").await;
    let users = id_of(&server.post(&laptop, "/login").await);
    assert_eq!(server.keys(&laptop).await, ["basket", "name"]);
    let answer = server.post(&laptop, "/logout").await;
    let visitors = id_of(&answer);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(server.keys(&laptop).await, ["basket"]);
    assert_eq!(laptop.get(server.url("/profile")).send().await.expect("an answer").status(), 401);

    // A copy of the user's cookie is worthless.
    let copy = browser(false).get(server.url("/keys")).header(COOKIE, format!("session_id={users}"));
    assert_eq!(copy.send().await.expect("an answer").text().await.expect("text"), "[]");
    assert_eq!(server.store.sessions_of(&Principal::new("ada")), []);
    assert_eq!((server.store.principal(&visitors), server.store.count()), (None, 1));

    // The next login takes the basket along.
    server.post(&laptop, "/login").await;
    assert_eq!(server.keys(&laptop).await, ["basket", "name"]);
}

#[tokio::test]
async fn the_file_of_each_ended_session_is_told_once() {
    let (server, laptop, phone) = (start().await, browser(true), browser(true));
    server.post(&laptop, "/upload").await;
    server.post(&laptop, "/login").await;
    let file = || Some("/tmp/7.png".to_owned());
    assert_eq!(server.ends.try_iter().collect::<Vec<_>>(), [(RemovalCause::Rotated, None)], "it lives on");
    server.post(&laptop, "/logout").await;
    assert_eq!(server.ends.try_iter().collect::<Vec<_>>(), [(RemovalCause::Deleted, file())]);
    server.post(&phone, "/upload").await;
    server.clock.advance(Duration::from_secs(31 * 60));
    server.store.evict_expired();
    let mut ends: Vec<_> = server.ends.try_iter().collect();
    ends.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(ends, [(RemovalCause::IdleTimeout, None), (RemovalCause::IdleTimeout, file())]);
}
