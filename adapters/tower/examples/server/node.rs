//! One of several servers that share their sessions in an engine.

use std::{error::Error, time::Duration};

use axum::http::HeaderValue;
use cloakroom::SessionStore;
use cloakroom_redis::{SharedOptions, SharedStore};

use super::{
    LONGEST_SESSION, MAX_DEVICES, MAX_SESSIONS, app::shared::app, how_to_try, listen, say, serve, settings, stop_signal,
};

/// Serves on a port until the stop signal. The sessions stay in the engine.
pub(crate) async fn run(url: &str, port: u16, ttl: Duration) -> Result<(), Box<dyn Error>> {
    let sessions = SessionStore::builder()
        .ttl(ttl)
        .absolute_timeout(LONGEST_SESSION)
        .max_sessions(MAX_SESSIONS)
        .max_sessions_per_principal(MAX_DEVICES);
    let store = SharedStore::connect(SharedOptions::new(url).near(sessions)).await?;
    let listener = listen(port).await?;
    let stop = stop_signal()?;
    let (address, settings) = (listener.local_addr()?, settings());
    say(&how_to_try(address, settings));
    serve(listener, app(store, HeaderValue::from(address.port()), settings), stop).await?;
    say("goodbye; the sessions stay in the engine");
    Ok(())
}
