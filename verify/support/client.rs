//! A client of the example servers of the adapters, which keeps no cookies of its own.

use reqwest::{Client, Response, header};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) async fn send(address: SocketAddr, method: &str, path: &str, cookie: &str) -> Response {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("no TLS");
    let request = client.request(method.parse().expect("a method"), format!("http://{address}{path}"));
    let request = request.header(header::COOKIE, cookie);
    let request = if path == "/login" { request.form(&[("user", "ada")]) } else { request };
    request.send().await.expect("an answer")
}

/// Logs in, and returns the new cookie.
pub(crate) async fn log_in(address: SocketAddr, cookie: &str) -> String {
    let answer = send(address, "POST", "/login", cookie).await;
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("ASCII");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// The status of the profile, for this cookie.
pub(crate) async fn profile(address: SocketAddr, cookie: &str) -> u16 {
    send(address, "GET", "/profile", cookie).await.status().as_u16()
}
