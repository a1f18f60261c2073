//! The application: a login, a profile, a logout, and something slow.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use cloakroom::{Principal, SessionStore};
use cloakroom_tower::{LoggedIn, Session, SessionError, SessionLayer};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn app(store: Arc<SessionStore>) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/slow", get(slow))
        .route("/logout", post(logout))
        .layer(SessionLayer::new(store))
}

/// A real server checks a password first.
async fn login(session: Session, user: String) -> Result<(), SessionError> {
    session.login(&Principal::new(&user))?;
    session.set("name", &user)
}

async fn profile(user: LoggedIn) -> String {
    user.get("name").unwrap_or_default()
}

/// Is in flight for a while.
async fn slow(user: LoggedIn) -> String {
    tokio::time::sleep(Duration::from_millis(300)).await;
    user.get("name").unwrap_or_default()
}

async fn logout(session: Session) -> StatusCode {
    session.logout();
    StatusCode::NO_CONTENT
}
