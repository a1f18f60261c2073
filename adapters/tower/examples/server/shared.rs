//! The same routes over sessions that several servers share, in Redis or Valkey: one node of them.
//!
//! Every response names the node in `x-node`, which the page shows. If the engine is away, requests that need it are
//! answered with status 503, and the cookie stays. `POST /crowd` is missing.

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cloakroom::{Attributes, Principal};
use cloakroom_redis::SharedStore;
use cloakroom_tower::shared::Session;
use cloakroom_tower::{SessionError, SessionLayer};
use serde::Serialize;
use serde_json::json;

use super::devices::{self, Device, Which};
use super::{
    Content, Login, MAX_FORM_BYTES, Profile, Settings, guard, insecure, not_logged_in, page, refuse, refuse_others,
    user_of,
};

/// The whole application over a store that servers share. `node` names this server.
pub(crate) fn app(store: SharedStore, node: HeaderValue, settings: Settings) -> Router {
    let insecure = insecure(store.config().cookie_name.as_str());
    let sessions = SessionLayer::shared(store);
    let sessions = if settings.secure_cookies { sessions } else { sessions.cookie(insecure) };
    let routes = page()
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .route("/live", get(live))
        .route("/end", post(end))
        .route("/logout-everywhere", post(logout_everywhere));
    let routes = refuse_others(routes).layer(DefaultBodyLimit::max(MAX_FORM_BYTES)).layer(sessions);
    guard::guarded(routes).layer(axum::middleware::map_response(move |mut response: Response| {
        response.headers_mut().insert("x-node", node.clone());
        core::future::ready(response)
    }))
}

async fn login(
    session: Session,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Result<Json<serde_json::Value>, Response> {
    let user = &user_of(form).map_err(IntoResponse::into_response)?;
    let attributes = devices::attributes_at_login(user, &headers).map_err(|error| super::internal(&error))?;
    session.login(&Principal::new(user)).await.map_err(not_done)?;
    session.set_each(attributes).await.map_err(not_done)?;
    Ok(Json(json!({ "user": user })))
}

async fn profile(session: Session) -> Result<Json<Profile>, Response> {
    let content = session.read(Content::of).await.map_err(not_done)?.flatten().ok_or_else(not_logged_in)?;
    let now = devices::seconds_since_1970().to_string();
    session.set_each([("visits", &content.visits.to_string()), ("seen_at", &now)]).await.map_err(not_done)?;
    let store = session.store();
    let sessions = usize::try_from(store.health().near).unwrap_or(usize::MAX);
    Ok(Json(Profile { content, expires_in: store.config().ttl.as_secs(), sessions }))
}

/// 503 if the engine has not confirmed the end. The response removes the cookie all the same.
async fn logout(session: Session) -> Result<StatusCode, Response> {
    session.logout().await.map_err(not_done)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The response to `GET /live`.
#[derive(Serialize)]
struct Live {
    expires_in: u64,
    devices: Vec<Device>,
    near: Near,
}

/// The figures of this node, since it was started.
#[derive(Serialize)]
struct Near {
    /// Sessions that this node keeps near.
    sessions: u64,
    hits: u64,
    misses: u64,
    invalidations: u64,
    commands: u64,
    /// Milliseconds since the last answered ping was sent.
    ping_age: u128,
}

async fn live(session: Session) -> Result<Json<Live>, Response> {
    session.principal().await.map_err(not_done)?.ok_or_else(not_logged_in)?;
    let store = session.store();
    let Some(id) = session.id().await.map_err(not_done)? else { return Err(not_logged_in()) };
    let left = store.expires_in(&id).await.map_err(|error| not_done(error.into()))?;
    let devices = devices_of(&session).await.map_err(not_done)?;
    let health = store.health();
    let near = Near {
        sessions: health.near,
        hits: health.hits,
        misses: health.misses,
        invalidations: health.invalidations,
        commands: health.commands,
        ping_age: health.ping_age.as_millis(),
    };
    Ok(Json(Live { expires_in: left.as_secs(), devices: devices.into_iter().map(|(_, shown)| shown).collect(), near }))
}

/// The devices of the user that is logged in, oldest first.
async fn devices_of(session: &Session) -> Result<Vec<(cloakroom_redis::Device, Device)>, SessionError> {
    let (now, this) = (devices::seconds_since_1970(), session.id().await?);
    let mut shown = Vec::new();
    for device in session.devices().await? {
        let is_this = this.is_some_and(|id| device.is(&id));
        let row = |attributes: &Attributes| Device::of(attributes, now, is_this);
        // Another device may have ended meanwhile.
        match session.store().peek_device(&device, row).await {
            Ok(Some(row)) => shown.push((device, row)),
            Ok(None) => {}
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(shown)
}

async fn end(session: Session, form: Result<Form<Which>, FormRejection>) -> Result<StatusCode, Response> {
    session.principal().await.map_err(not_done)?.ok_or_else(not_logged_in)?;
    let Form(which) = form.map_err(|rejection| refuse(rejection.status(), &rejection.body_text()).into_response())?;
    let devices = devices_of(&session).await.map_err(not_done)?;
    let found = devices.iter().find(|(_, shown)| shown.is_named(&which));
    let Some((device, _)) = found else { return Err(no_such_device()) };
    match session.end_device(device).await.map_err(not_done)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_device()),
    }
}

fn no_such_device() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is no such device").into_response()
}

async fn logout_everywhere(session: Session) -> Result<StatusCode, Response> {
    session.logout_all_devices().await.map_err(not_done)?;
    Ok(StatusCode::NO_CONTENT)
}

/// 401 only if there is no session. An engine that is away is no end of a session.
fn not_done(error: SessionError) -> Response {
    match error {
        SessionError::Gone | SessionError::NotLoggedIn => not_logged_in(),
        SessionError::Away | SessionError::Unknown | SessionError::Unconfirmed => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()).into_response()
        }
        error => super::not_done(error),
    }
}
