//! The example `axum_login` over a socket, tested by an HTTP client with a cookie jar.

#[path = "../examples/axum_login/app.rs"]
mod app;
mod support;

use axum::routing::get;
use cloakroom_tower::Session;
use std::net::Ipv4Addr;
use support::process::serves_as_it_is;
use support::{LoginBy, Server, Sessions};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;

/// Serves the example's routes, and one more that waits, until the runtime ends.
async fn start() -> (Server, UnboundedReceiver<()>) {
    let (sessions, arrivals) = Sessions::new();
    let slow = {
        let sessions = sessions.clone();
        get(async move |session: Session| sessions.slow(&session).await)
    };
    let app = app::routes().route("/slow", slow).layer(sessions.layer());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(axum::serve(listener, app).into_future());
    (Server { address, login_by: LoginBy::Form, sessions }, arrivals)
}

support::scenarios::tests_of_all!(start);

#[tokio::test]
async fn a_post_from_another_site_is_refused() {
    let (server, _arrivals) = start().await;
    let browser = support::Browser::new(server.address, server.login_by, "laptop");
    let own = format!("http://{}", server.address);
    let cases: [(&str, &str, u16); 6] = [
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", &own, 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ];
    for (header, value, status) in cases {
        let login = browser.request_to_log_in("ada", "engine").header(header, value);
        assert_eq!(login.send().await.expect("an answer").status(), status, "{header}: {value}");
    }
}

#[tokio::test]
async fn the_page_is_served() {
    let (server, _arrivals) = start().await;
    let page = support::Browser::new(server.address, server.login_by, "laptop").get("/").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.text().await.expect("text").contains("action=\"/login\""));
}

#[tokio::test]
async fn the_example_serves_as_a_process() {
    serves_as_it_is("axum_login", LoginBy::Form).await;
}
