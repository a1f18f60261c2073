//! The server on the layer of this package.

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use cloakroom::SessionStore;
use cloakroom_tower::{Session, SessionCookie, SessionError, SessionLayer};

use super::{TOKEN, USER};

pub(crate) fn app() -> Router {
    let cookie = SessionCookie::builder().name("id").secure(false).build().expect("a name without a prefix");
    Router::new()
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/visit", post(visit))
        .layer(SessionLayer::new(Arc::new(SessionStore::default())).cookie(cookie))
}

async fn login(session: Session) -> Result<(), SessionError> {
    session.set_each([("user", USER), ("token", TOKEN), ("visits", "0")])
}

async fn profile(session: Session) -> Result<String, StatusCode> {
    session.get("user").ok_or(StatusCode::UNAUTHORIZED)
}

async fn visit(session: Session) -> Result<String, StatusCode> {
    if !session.contains("user") {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let visits = session.increment("visits", 1).map_err(|_| StatusCode::UNAUTHORIZED)?;
    Ok(visits.to_string())
}
