//! The example `mcp` over a socket.

#[path = "../examples/mcp/app.rs"]
mod app;

use cloakroom::{ManualClock, Principal, SessionStore, SessionStoreBuilder};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

struct Server {
    address: SocketAddr,
    store: Arc<SessionStore>,
    clock: ManualClock,
}

impl Server {
    async fn start(configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder) -> Self {
        let clock = ManualClock::new();
        let store = configure(app::limits().clock(clock.clone())).build().expect("valid settings");
        let store = Arc::new(store);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        tokio::spawn(axum::serve(listener, app::app(Arc::clone(&store))).into_future());
        Self { address, store, clock }
    }

    /// A client of this user, without a session.
    fn client(&self, user: &str) -> Agent {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Agent { client, url: format!("http://{}/mcp", self.address), user: user.to_owned(), session: None }
    }
}

#[derive(Clone)]
struct Agent {
    client: Client,
    url: String,
    user: String,
    session: Option<String>,
}

impl Agent {
    fn request(&self, method: Method) -> reqwest::RequestBuilder {
        let request = self.client.request(method, &self.url).bearer_auth(format!("{}-token", self.user));
        let request = request.header("accept", "application/json, text/event-stream");
        match &self.session {
            Some(id) => request.header("mcp-session-id", id).header("mcp-protocol-version", "2025-11-25"),
            None => request,
        }
    }

    async fn post(&self, body: Value) -> Response {
        self.request(Method::POST).json(&body).send().await.expect("an answer")
    }

    /// Begins a session, unless it is refused.
    async fn initialize(&mut self) -> Response {
        self.session = None;
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "a test" } });
        let answer = self.post(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })).await;
        self.session = answer.headers().get("mcp-session-id").map(|id| id.to_str().expect("ASCII").to_owned());
        answer
    }

    /// Calls the tool: the status, and its result.
    async fn count(&self) -> (u16, Value) {
        let call = json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": { "name": "count" } });
        let answer = self.post(call).await;
        let status = answer.status().as_u16();
        let body: Value = if status == 200 { answer.json().await.expect("JSON") } else { Value::Null };
        (status, body["result"]["content"][0]["text"].clone())
    }

    async fn end(&self) -> u16 {
        self.request(Method::DELETE).send().await.expect("an answer").status().as_u16()
    }
}

#[tokio::test]
async fn a_session_runs_from_initialize_to_delete() {
    let server = Server::start(|store| store).await;
    let mut agent = server.client("ada");
    let answer = agent.initialize().await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (200, &"no-store".parse().expect("a value"))
    );
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!((&body["id"], &body["result"]["protocolVersion"]), (&json!(1), &json!("2025-06-18")));
    let id = agent.session.clone().expect("an id");
    assert!(id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));

    let notified = agent.post(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!((notified.status().as_u16(), notified.text().await.expect("a body").as_str()), (202, ""));
    assert_eq!(agent.count().await, (200, json!("1")));
    assert_eq!(agent.count().await, (200, json!("2")));
    let tools: Value =
        agent.post(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).await.json().await.expect("JSON");
    assert_eq!(tools["result"]["tools"][0]["name"], "count");
    let unknown: Value =
        agent.post(json!({ "jsonrpc": "2.0", "id": 3, "method": "x" })).await.json().await.expect("JSON");
    assert_eq!(unknown["error"]["code"], -32601);

    assert_eq!((agent.end().await, agent.end().await, agent.count().await.0), (204, 404, 404));
    assert_eq!(server.store.count(), 0);
    assert_eq!(agent.initialize().await.status(), 200, "the client begins anew");
    assert_ne!(agent.session, Some(id));
    assert_eq!(agent.count().await, (200, json!("1")));
}

#[tokio::test]
async fn a_full_server_answers_503_until_a_session_is_abandoned() {
    let server = Server::start(|store| store.max_sessions(2).ttl(Duration::from_secs(60))).await;
    let [mut first, mut second, mut third] = [(); 3].map(|()| server.client("ada"));
    assert!(first.initialize().await.status().is_success() && second.initialize().await.status().is_success());
    let refused = third.initialize().await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"30".parse().expect("a value")));
    assert_eq!(third.session, None);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(second.count().await.0, 200, "it is in use");
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(third.initialize().await.status(), 200, "the first one was abandoned");
    assert_eq!((first.count().await.0, second.count().await.0, third.count().await.0), (404, 200, 200));
}

#[tokio::test]
async fn a_user_with_too_many_sessions_takes_no_others_room() {
    let server = Server::start(|store| store.max_sessions_per_principal(1)).await;
    let [mut first, mut second, mut grace] = [server.client("ada"), server.client("ada"), server.client("grace")];
    assert_eq!(first.initialize().await.status(), 200);
    assert_eq!(second.initialize().await.status(), 503);
    assert_eq!(grace.initialize().await.status(), 200);
}

#[tokio::test]
async fn a_session_belongs_to_the_user_that_has_begun_it() {
    let server = Server::start(|store| store).await;
    let mut agent = server.client("ada");
    agent.initialize().await;
    let thief = Agent { user: "grace".to_owned(), ..agent.clone() };
    assert_eq!((thief.count().await.0, thief.end().await), (404, 404));
    let nobody = Agent { user: "nobody".to_owned(), ..agent.clone() };
    assert_eq!((nobody.count().await.0, nobody.end().await), (401, 401));
    let left = server.store.expires_in(&agent.session.as_ref().expect("an id").parse().expect("an id"));
    server.clock.advance(Duration::from_secs(1));
    thief.count().await;
    let now = server.store.expires_in(&agent.session.as_ref().expect("an id").parse().expect("an id"));
    assert_eq!(now, left.map(|left| left - Duration::from_secs(1)), "the thief's requests do not keep it alive");
    assert_eq!(agent.count().await, (200, json!("1")));
    assert_eq!(server.store.end_sessions_of(&Principal::new("ada")), 1);
    assert_eq!(agent.count().await.0, 404);
}

#[tokio::test]
async fn other_requests_are_refused() {
    let server = Server::start(|store| store).await;
    let mut agent = server.client("ada");
    agent.initialize().await;
    let without = Agent { session: None, ..agent.clone() };
    assert_eq!((without.count().await.0, without.end().await), (400, 400));
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    for unknown in ["", "no id", &"0".repeat(64)] {
        let unknown = Agent { session: Some(unknown.to_owned()), ..agent.clone() };
        assert_eq!(unknown.count().await.0, 404);
    }
    let version = without.request(Method::POST).header("mcp-session-id", agent.session.as_ref().expect("an id"));
    let version = version.header("mcp-protocol-version", "1999-01-01").json(&ping).send().await.expect("an answer");
    assert_eq!(version.status(), 400);
    let page = agent.request(Method::POST).header("origin", "http://localhost:3000").json(&ping).send().await;
    assert_eq!(page.expect("an answer").status(), 403);
    assert_eq!(agent.request(Method::GET).send().await.expect("an answer").status(), 405);
    assert_eq!(agent.post(json!([ping])).await.status(), 422);
    let long = json!({ "jsonrpc": "2.0", "id": "x".repeat(64 << 10), "method": "ping" });
    assert_eq!(agent.post(long).await.status(), 413);
    assert_eq!(agent.count().await, (200, json!("1")));
}
