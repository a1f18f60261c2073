//! The routes: the session guide's cookie pattern, and a page to try it on.
//!
//! | request | answer |
//! |---|---|
//! | `POST /login`, form field `user` | 200 and a cookie with a new id; those the request came with are worth nothing |
//! | `GET /profile` | 200 with what the session knows, this visit counted, or 401 |
//! | `POST /logout` | 204 and the cookie's removal, whether or not there was a session |
//! | `GET /live` | 200 with the user's devices and the store's figures, or 401; the session is not touched |
//! | `POST /end`, form field `device` | 204, and one of the user's sessions is ended, or 404 |
//! | `POST /logout-everywhere` | 204 and the cookie's removal, and all the user's sessions are ended |
//! | `POST /crowd` | 204, and a thousand visitors have come by |
//! | `GET /` | the page |
//!
//! There are no passwords: whoever gives a name is its bearer. Where there are, the ends of other sessions ask for one again (ASVS 5, 7.5.2).
//!
//! A `SessionLayer` around the routes finds the session of each request and sends its cookie. The handlers use it, and the store, directly, without `spawn_blocking`: no
//! operation waits for another thread.
//!
//! The modules bear their paths because the tests include this file from another directory.

use std::{sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    middleware,
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
#[path = "guard.rs"]
mod guard;
#[path = "live.rs"]
mod live;

use live::Lookups;

/// How often expired sessions are swept out, and so when a full store may have room again. A server whose figures nobody watches may take longer.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

const MAX_FORM_BYTES: usize = 4 << 10;
const MAX_USER_CHARS: usize = 64;

/// Only what the page itself brings may run or be shown on it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What differs from one deployment to the next.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Whether cookies travel over HTTPS only. Chrome, Firefox and curl make an exception for `http://localhost`,
    /// Safari does not.
    pub(crate) secure_cookies: bool,
}

/// The whole application over a store that may also be used elsewhere.
pub(crate) fn app(store: Arc<SessionStore>, settings: Settings) -> Router {
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
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .route("/live", get(live::live))
        .route("/end", post(devices::end))
        .route("/logout-everywhere", post(devices::logout_everywhere))
        .route("/crowd", post(live::crowd))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is no such page"))
        .method_not_allowed_fallback(async || refuse(StatusCode::METHOD_NOT_ALLOWED, "this page has no such method"))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(sessions(store, settings))
        // Around the sessions: what is refused for where it comes from needs none.
        .layer(middleware::from_fn(guard::guard))
        .with_state(Arc::new(Lookups::new()))
}

/// The cookie is `__Host-` and the store's name for it, and `Secure`, unless it has to do without.
fn sessions(store: Arc<SessionStore>, settings: Settings) -> SessionLayer {
    let insecure = SessionCookie::builder().name(store.cookie_name()).secure(false);
    let sessions = SessionLayer::new(store);
    match settings.secure_cookies {
        true => sessions,
        false => sessions.cookie(insecure.build().expect("the store's name for the cookie has no prefix")),
    }
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// A login always gives the session a new id: one that was known before it, perhaps planted by somebody else, must not become the id of a
/// logged-in session. And whoever has just said who they are has the store's longest time again, also if the session is older.
async fn login(
    session: Session,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Result<Json<serde_json::Value>, Response> {
    let Form(login) = form.map_err(|rejection| refuse(rejection.status(), &rejection.body_text()).into_response())?;
    let user = login.user.trim();
    if !(1..=MAX_USER_CHARS).contains(&user.chars().count()) || user.chars().any(char::is_control) {
        // Called by the field's label on the page, where the message is shown.
        let reason = format!("your name must have 1 to {MAX_USER_CHARS} characters, and no control characters");
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, &reason).into_response());
    }
    let attributes = devices::attributes_at_login(user, &headers).map_err(|error| internal(&error))?;
    session.login(&Principal::new(user)).map_err(not_done)?;
    session.set_each(attributes).map_err(not_done)?;
    Ok(Json(json!({ "user": user })))
}

/// What `GET /profile` answers.
#[derive(Serialize)]
struct Profile {
    #[serde(flatten)]
    visit: Visit,
    /// Seconds until the session expires unless it is used again.
    expires_in: u64,
    /// Sessions in the store, expired ones included until they are swept out.
    sessions: usize,
}

/// What the session itself knows, this visit counted.
#[derive(Serialize)]
struct Visit {
    user: String,
    /// Seconds since 1970.
    logged_in_at: u64,
    visits: u64,
}

impl Visit {
    /// Nothing, if nobody is logged in to the session.
    fn of(session: &Attributes) -> Option<Visit> {
        let number = |key| session.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Some(Visit {
            user: session.get("user")?.to_owned(),
            logged_in_at: number("logged_in_at"),
            visits: number("visits").saturating_add(1),
        })
    }
}

async fn profile(State(lookups): State<Arc<Lookups>>, session: Session) -> Result<Json<Profile>, Response> {
    lookups.note(1);
    let visit = session.read(Visit::of).flatten().ok_or_else(not_logged_in)?;
    let now = devices::seconds_since_1970().to_string();
    // Two visits at the same instant may count as one, since reading and setting are two operations. But a session that
    // ends between them stays ended: nothing brings one back.
    session.set_each([("visits", &visit.visits.to_string()), ("seen_at", &now)]).map_err(not_done)?;
    let store = session.store();
    Ok(Json(Profile { visit, expires_in: store.ttl().as_secs(), sessions: store.count() }))
}

/// Answers the same whether there was a session or not: a client that wants to be logged out then is.
async fn logout(session: Session) -> StatusCode {
    session.logout();
    StatusCode::NO_CONTENT
}

fn refuse(status: StatusCode, reason: &str) -> (StatusCode, Json<serde_json::Value>) {
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

/// The reason goes to the log; the client only learns that it was not its fault.
fn internal(error: &dyn std::error::Error) -> Response {
    eprintln!("internal error: {error}");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}
