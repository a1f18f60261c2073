//! An MCP server (Model Context Protocol, streamable HTTP) with sessions that are limited, expire, and belong to the
//! user that has begun them. It needs no cookie and no layer: the store and axum.
//!
//! ```sh
//! cargo run -p cloakroom-tower --features axum --example mcp -- 127.0.0.1:3000
//! ```
//!
//! A client sends `Authorization: Bearer ada-token`. `app.rs` has the endpoint.

mod app;

use cloakroom::Sweeper;
use std::env;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let store = Arc::new(app::limits().build()?);
    // Frees the memory of abandoned sessions. They make room for new ones even if it has not met them yet.
    let sweeper = Sweeper::start(Arc::clone(&store), Duration::from_secs(30))?;
    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let stop = async {
        // If there is no signal to wait for, the server runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, app::app(store)).with_graceful_shutdown(stop).await?;
    sweeper.stop();
    Ok(())
}
