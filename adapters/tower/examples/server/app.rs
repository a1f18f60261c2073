//! The routes of the server, and the page that uses them.
//!
//! | request | response |
//! |---|---|
//! | `POST /login`, form field `user` | 200 and a cookie with a new id; sessions that the request named have ended |
//! | `GET /profile` | 200 with the session's content, including this visit, or 401 |
//! | `POST /logout` | 204 and the removal of the cookie, with or without a session |
//! | `GET /live` | 200 with the user's devices and the store's figures, or 401; touches no session |
//! | `POST /end`, form field `device` | 204 if it has ended one of the user's sessions, or 404 |
//! | `POST /logout-everywhere` | 204 and the removal of the cookie; all sessions of the user have ended |
//! | `POST /crowd` | 204; a thousand sessions of visitors have been created |
//! | `GET /` | the page |
//!
//! Every refusal is JSON with a field `error`.
//!
//! There are no passwords: anyone can log in under any name. A server with passwords asks for the password again before
//! it ends other sessions (ASVS 5 requirement 7.5.2).
//!
//! A `SessionLayer` around the routes finds the session of each request and sends its cookie. The handlers call the
//! session and the store directly, without `spawn_blocking`, because no operation waits for another thread.
//!
//! The modules have explicit paths because the tests include this file from another directory.

use std::{sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cloakroom::{Attributes, Principal, SessionStore};
use cloakroom_tower::{Session, SessionCookie, SessionError, SessionLayer};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[path = "agent.rs"]
mod agent;
#[path = "devices.rs"]
mod devices;
#[path = "disk.rs"]
pub(crate) mod disk;
#[path = "guard.rs"]
mod guard;
#[path = "live.rs"]
mod live;
#[allow(dead_code, reason = "the tests of one server leave it out")]
#[path = "shared.rs"]
pub(crate) mod shared;

use live::Lookups;

/// The interval at which expired sessions are swept, after which a full store may have room again. It is short because
/// the page shows the figures; a minute is enough for other servers.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

const MAX_FORM_BYTES: usize = 4 << 10;
const MAX_USER_CHARS: usize = 64;

/// Allows only the server's own script and style on the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The settings of a deployment.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Whether the browser sends the cookie over HTTPS only. Chrome, Firefox and curl make an exception for
    /// `http://localhost`; Safari does not.
    pub(crate) secure_cookies: bool,
}

/// The page.
fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let page = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    let script = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    let style = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    Router::new()
        .route("/", get((page, include_str!("page.html"))))
        .route("/page.js", get((script, include_str!("page.js"))))
        .route("/page.css", get((style, include_str!("page.css"))))
}

/// Refuses all other addresses and methods than those of the routes so far.
fn refuse_others<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is no such page"))
        .method_not_allowed_fallback(async || refuse(StatusCode::METHOD_NOT_ALLOWED, "this page has no such method"))
}

/// The whole application over a store. Other code may use the store at the same time.
pub(crate) fn app(store: Arc<SessionStore>, settings: Settings) -> Router {
    let routes = page()
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .route("/live", get(live::live))
        .route("/end", post(devices::end))
        .route("/logout-everywhere", post(devices::logout_everywhere))
        .route("/crowd", post(live::crowd));
    let routes = refuse_others(routes).layer(DefaultBodyLimit::max(MAX_FORM_BYTES)).layer(sessions(store, settings));
    // Outermost, because a request from another site is refused without its session.
    guard::guarded(routes).with_state(Arc::new(Lookups::new()))
}

/// The layer. Its cookie is `Secure` and its name has the prefix `__Host-`, unless the settings turn that off.
fn sessions(store: Arc<SessionStore>, settings: Settings) -> SessionLayer {
    let insecure = insecure(store.cookie_name());
    let sessions = SessionLayer::new(store);
    if settings.secure_cookies { sessions } else { sessions.cookie(insecure) }
}

fn insecure(name: &str) -> SessionCookie {
    SessionCookie::builder().name(name).secure(false).build().expect("the store's name for the cookie has no prefix")
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// A login always gives the session a new id, because an attacker may have planted the id from before it. It also
/// restarts the absolute timeout.
async fn login(
    session: Session,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Result<Json<serde_json::Value>, Response> {
    let user = &user_of(form).map_err(IntoResponse::into_response)?;
    let attributes = devices::attributes_at_login(user, &headers).map_err(|error| internal(&error))?;
    session.login(&Principal::new(user)).map_err(not_done)?;
    session.set_each(attributes).map_err(not_done)?;
    Ok(Json(json!({ "user": user })))
}

/// The name in a login form.
fn user_of(form: Result<Form<Login>, FormRejection>) -> Result<String, Refusal> {
    let Form(login) = form.map_err(|rejection| refuse(rejection.status(), &rejection.body_text()))?;
    let user = login.user.trim();
    if !(1..=MAX_USER_CHARS).contains(&user.chars().count()) || user.chars().any(char::is_control) {
        // Called by the field's label on the page, where the message is shown.
        let reason = format!("your name must have 1 to {MAX_USER_CHARS} characters, and no control characters");
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, &reason));
    }
    Ok(user.to_owned())
}

/// The response to `GET /profile`.
#[derive(Serialize)]
struct Profile {
    #[serde(flatten)]
    content: Content,
    /// Seconds until the session expires if it is not used again.
    expires_in: u64,
    /// The number of sessions in the store, including expired ones that have not been swept yet.
    sessions: usize,
}

/// The content of a session, including this visit.
#[derive(Serialize)]
struct Content {
    user: String,
    /// Seconds since 1970.
    logged_in_at: u64,
    visits: u64,
}

impl Content {
    /// `None` if no user is logged in to the session.
    fn of(session: &Attributes) -> Option<Content> {
        let number = |key| session.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Some(Content {
            user: session.get("user")?.to_owned(),
            logged_in_at: number("logged_in_at"),
            visits: number("visits").saturating_add(1),
        })
    }
}

async fn profile(State(lookups): State<Arc<Lookups>>, session: Session) -> Result<Json<Profile>, Response> {
    lookups.note(1);
    let content = session.read(Content::of).flatten().ok_or_else(not_logged_in)?;
    let now = devices::seconds_since_1970().to_string();
    // Reading and setting are two operations, so two visits at the same time may count as one. A session that ends
    // between the two operations stays ended.
    session.set_each([("visits", &content.visits.to_string()), ("seen_at", &now)]).map_err(not_done)?;
    let store = session.store();
    Ok(Json(Profile { content, expires_in: store.ttl().as_secs(), sessions: store.count() }))
}

/// The response is the same with or without a session, because the client is logged out in either case.
async fn logout(session: Session) -> StatusCode {
    session.logout();
    StatusCode::NO_CONTENT
}

/// A response that says why a request is refused.
type Refusal = (StatusCode, Json<serde_json::Value>);

fn refuse(status: StatusCode, reason: &str) -> Refusal {
    (status, Json(json!({ "error": reason })))
}

fn not_logged_in() -> Response {
    refuse(StatusCode::UNAUTHORIZED, "not logged in").into_response()
}

fn not_done(error: SessionError) -> Response {
    match error {
        SessionError::Gone => not_logged_in(),
        SessionError::Full | SessionError::PrincipalFull => {
            let retry = [(header::RETRY_AFTER, SWEEP_INTERVAL.as_secs().to_string())];
            (retry, refuse(StatusCode::SERVICE_UNAVAILABLE, "too many sessions, try again later")).into_response()
        }
        error => internal(&error),
    }
}

/// Writes the reason to the log. The client is told only that the error is internal.
fn internal(error: &dyn std::error::Error) -> Response {
    eprintln!("internal error: {error}");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}
