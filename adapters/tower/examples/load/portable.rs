//! The server on tower-sessions, over any store.

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use tower_sessions::{Session, SessionManagerLayer, SessionStore, session::Error};

use super::{TOKEN, USER};

pub(crate) fn app(store: impl SessionStore + Clone) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/visit", post(visit))
        .layer(SessionManagerLayer::new(store).with_secure(false))
}

async fn login(session: Session) -> Result<(), StatusCode> {
    session.insert("user", USER).await.map_err(failed)?;
    session.insert("token", TOKEN).await.map_err(failed)?;
    session.insert("visits", 0_i64).await.map_err(failed)
}

async fn profile(session: Session) -> Result<String, StatusCode> {
    session.get::<String>("user").await.map_err(failed)?.ok_or(StatusCode::UNAUTHORIZED)
}

async fn visit(session: Session) -> Result<String, StatusCode> {
    if session.get_value("user").await.map_err(failed)?.is_none() {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let visits = session.get::<i64>("visits").await.map_err(failed)?.ok_or(StatusCode::UNAUTHORIZED)? + 1;
    session.insert("visits", visits).await.map_err(failed)?;
    Ok(visits.to_string())
}

fn failed(_: Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}
