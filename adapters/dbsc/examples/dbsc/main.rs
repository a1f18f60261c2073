//! An axum server whose sessions are bound to the device of their user, in browsers that can do so.
//!
//! ```sh
//! cargo run -p cloakroom-dbsc --example dbsc -- 127.0.0.1:3000
//! ```
//!
//! Then open <http://localhost:3000> in Chrome 145 or later. `app.rs` has the routes.

mod app;

use cloakroom::{SessionStore, Sweeper};
use cloakroom_dbsc::Dbsc;
use std::env;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let store = Arc::new(SessionStore::builder().max_sessions(100_000).max_sessions_per_principal(20).build()?);
    let sweeper = Sweeper::start(Arc::clone(&store), Duration::from_secs(30))?;
    let dbsc = Dbsc::builder().lifetime(Duration::from_secs(5 * 60)).build()?;

    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let stop = async {
        // If there is no signal to wait for, the server runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, app::app(store, Arc::new(dbsc))).with_graceful_shutdown(stop).await?;
    sweeper.stop();
    Ok(())
}
