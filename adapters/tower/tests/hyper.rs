//! The example `hyper` over a socket, tested by an HTTP client with a cookie jar.

#[path = "../examples/hyper/app.rs"]
mod app;
mod support;

use cloakroom_tower::Session;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::net::Ipv4Addr;
use support::process::serves_as_it_is;
use support::{LoginBy, Server, Sessions};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tower::{Layer, service_fn};

/// Serves the example's paths, and one more that waits, until the runtime ends.
async fn start() -> (Server, UnboundedReceiver<()>) {
    let (sessions, arrivals) = Sessions::new();
    let slow = sessions.clone();
    let answer = move |request: Request<Incoming>| {
        let sessions = slow.clone();
        async move {
            if request.uri().path() != "/slow" {
                return app::answer(request).await;
            }
            let session = request.extensions().get::<Session>().expect("the layer surrounds this service");
            let status = if sessions.slow(session).await.is_ok() { 200 } else { 401 };
            Ok(Response::builder().status(status).body(Full::default()).expect("a response"))
        }
    };
    let service = sessions.layer().layer(service_fn(answer));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (Server { address, login_by: LoginBy::Json, sessions }, arrivals)
}

support::scenarios::tests_of_all!(start);

#[tokio::test]
async fn a_login_that_is_not_json_or_too_long_is_refused() {
    let (server, _arrivals) = start().await;
    let form = support::Browser::new(server.address, LoginBy::Form, "laptop");
    assert_eq!(form.request_to_log_in("ada", "engine").send().await.expect("an answer").status(), 415);
    let json = support::Browser::new(server.address, LoginBy::Json, "laptop");
    assert_eq!(json.request_to_log_in("ada", &"x".repeat(5_000)).send().await.expect("an answer").status(), 400);
    let nothing = json.request_to_log_in("ada", "engine").body("{}");
    assert_eq!(nothing.send().await.expect("an answer").status(), 422);
    assert_eq!(server.sessions.store.count(), 0);
}

#[tokio::test]
async fn the_example_serves_as_a_process() {
    serves_as_it_is("hyper", LoginBy::Json).await;
}
