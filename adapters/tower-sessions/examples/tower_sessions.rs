//! A web server on axum and tower-sessions with its sessions in `cloakroom`: login, profile, logout, and logout
//! everywhere.
//!
//! Run `cargo run -p cloakroom-tower-sessions --example tower_sessions`, then the curl commands that it prints. The
//! variable `PORT` sets the port, which is 3000 by default.
//!
//! The differences from the same server on `MemoryStore`:
//!
//! ```diff
//! -use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer};
//! +use cloakroom_tower_sessions::CloakroomStore;
//! +use tower_sessions::{Expiry, ExpiredDeletion, Session, SessionManagerLayer};
//!
//! -let store = MemoryStore::default();
//! +let store = CloakroomStore::default();
//! +tokio::spawn(sweep(store.clone())); // MemoryStore never removes expired sessions
//!  let sessions = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::minutes(30)));
//! ```
//!
//! The handlers are identical. `/logout-everywhere` is not possible with `MemoryStore`.

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use cloakroom_tower_sessions::{CloakroomStore, Settings};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{ExpiredDeletion, Expiry, Session, SessionManagerLayer, SessionStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let store = CloakroomStore::with(Settings::new().max_sessions(100_000));
    tokio::spawn(sweep(store.clone()));
    let routes = routes().merge(everywhere(store.clone()));
    // Browsers and curl send a Secure cookie to localhost over plain http.
    let app = with_sessions(routes, store, Duration::minutes(30), true);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let page = format!("http://localhost:{}", listener.local_addr()?.port());
    println!("curl -i -b jar.txt -c jar.txt -d user=ada {page}/login");
    println!("curl -i -b jar.txt -c jar.txt {page}/profile");
    println!("curl -i -b jar.txt -c jar.txt -X POST {page}/logout");
    println!("curl -i -b jar.txt -c jar.txt -X POST {page}/logout-everywhere");
    axum::serve(listener, app).await?;
    Ok(())
}

/// Removes expired sessions once a minute.
async fn sweep(store: CloakroomStore) {
    let mut minutes = tokio::time::interval(std::time::Duration::from_secs(60));
    loop {
        minutes.tick().await;
        if let Err(error) = store.delete_expired().await {
            eprintln!("expired sessions were not deleted: {error}");
        }
    }
}

/// The routes that work with any store.
pub(crate) fn routes() -> Router {
    Router::new().route("/login", post(login)).route("/profile", get(profile)).route("/logout", post(logout))
}

/// Adds sessions in this store to the routes. A session expires if it is not changed for the time `idle`.
pub(crate) fn with_sessions(
    routes: Router,
    store: impl SessionStore + Clone,
    idle: Duration,
    secure_cookies: bool,
) -> Router {
    let sessions = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(idle));
    routes.layer(sessions.with_secure(secure_cookies).with_same_site(SameSite::Lax))
}

/// The route that uses the store directly.
pub(crate) fn everywhere(store: CloakroomStore) -> Router {
    Router::new().route("/logout-everywhere", post(logout_everywhere)).with_state(store)
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

async fn login(session: Session, Form(Login { user }): Form<Login>) -> Result<Response, Failed> {
    // The id from before the login must not be valid after it.
    session.cycle_id().await?;
    session.insert("user", &user).await?;
    session.insert("visits", 0).await?;
    Ok(Json(json!({ "user": user })).into_response())
}

async fn profile(session: Session) -> Result<Response, Failed> {
    let Some(user) = session.get::<String>("user").await? else { return Ok(not_logged_in()) };
    let visits = session.get::<u64>("visits").await?.unwrap_or(0) + 1;
    session.insert("visits", visits).await?;
    Ok(Json(json!({ "user": user, "visits": visits })).into_response())
}

async fn logout(session: Session) -> Result<StatusCode, Failed> {
    session.flush().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logout_everywhere(State(store): State<CloakroomStore>, session: Session) -> Result<Response, Failed> {
    let Some(user) = session.get_value("user").await? else { return Ok(not_logged_in()) };
    let ended = store.delete_where(|data| data.get("user") == Some(&user));
    session.flush().await?; // removes the cookie
    Ok(Json(json!({ "ended": ended })).into_response())
}

fn not_logged_in() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": "not logged in" }))).into_response()
}

/// An internal error. Its reason is written to the log and not sent to the client.
struct Failed(tower_sessions::session::Error);

impl From<tower_sessions::session::Error> for Failed {
    fn from(error: tower_sessions::session::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        eprintln!("internal error: {}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
