//! An axum server with a login, on the layer and the extractors of `cloakroom-tower`.
//!
//! ```sh
//! cargo run -p cloakroom-tower --features axum --example axum_login -- 127.0.0.1:3000
//! ```
//!
//! Then open the address that it prints. `INSECURE_COOKIES=1` omits `Secure` and the prefix from the cookie, for Safari
//! and for clients other than browsers on plain `http://localhost`. `app.rs` has the routes.

mod app;

use cloakroom::{SessionStore, Sweeper};
use cloakroom_tower::{SessionCookie, SessionLayer};
use std::env;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let store = SessionStore::builder().max_sessions(100_000).max_sessions_per_principal(20).build()?;
    let store = Arc::new(store);
    let sweeper = Sweeper::start(Arc::clone(&store), Duration::from_secs(30))?;

    let mut sessions = SessionLayer::new(store);
    if env::var_os("INSECURE_COOKIES").is_some_and(|value| value == "1") {
        sessions = sessions.cookie(SessionCookie::builder().name("session_id").secure(false).build()?);
    }

    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let stop = async {
        // If there is no signal to wait for, the server runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, app::routes().layer(sessions)).with_graceful_shutdown(stop).await?;
    sweeper.stop();
    Ok(())
}
