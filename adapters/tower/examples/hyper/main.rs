//! A plain hyper server with a login, on the layer of `cloakroom-tower`.
//!
//! ```sh
//! cargo run -p cloakroom-tower --example hyper -- 127.0.0.1:3000
//! curl -i -H 'Content-Type: application/json' -d '{"user":"ada","password":"engine"}' http://127.0.0.1:3000/login
//! ```
//!
//! `INSECURE_COOKIES=1` omits `Secure` and the prefix from the cookie, for clients that make no exception for
//! `http://localhost`. `app.rs` has the responses.

mod app;

use cloakroom::{SessionStore, Sweeper};
use cloakroom_tower::{SessionCookie, SessionLayer};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::env;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let store = SessionStore::builder().max_sessions(100_000).max_sessions_per_principal(20).build()?;
    let store = Arc::new(store);
    let _sweeper = Sweeper::start(Arc::clone(&store), Duration::from_secs(30))?;

    let mut sessions = SessionLayer::new(store);
    if env::var_os("INSECURE_COOKIES").is_some_and(|value| value == "1") {
        sessions = sessions.cookie(SessionCookie::builder().name("session_id").secure(false).build()?);
    }
    let service = sessions.layer(service_fn(app::answer));

    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    let mut http = http1::Builder::new();
                    let connection = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
                    if let Err(error) = connection.await {
                        eprintln!("connection: {error}");
                    }
                });
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}
