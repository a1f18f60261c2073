//! The routes: the session guide's cookie pattern, and a page to try it on.
//!
//! | request | answer |
//! |---|---|
//! | `POST /login`, form field `user` | 200 and a cookie with a new id; the sessions the request came with are ended |
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
//! The handlers call the store directly, without `spawn_blocking`: no operation of it waits for another thread.
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
use cloakroom::{Attributes, CreateError, Principal, SessionId, SessionStore, SetError};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[path = "agent.rs"]
mod agent;
#[path = "cookies.rs"]
mod cookies;
#[path = "devices.rs"]
mod devices;
#[path = "guard.rs"]
mod guard;
#[path = "live.rs"]
mod live;

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

#[derive(Clone)]
struct App {
    store: Arc<SessionStore>,
    lookups: Arc<live::Lookups>,
    settings: Settings,
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
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(middleware::from_fn(guard::guard))
        .with_state(App { store, lookups: Arc::new(live::Lookups::new()), settings })
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// A login always starts a new session: an id that was known before it, perhaps planted by somebody else, must not
/// become the id of a logged-in session.
async fn login(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Result<Response, Response> {
    let Form(login) = form.map_err(|rejection| refuse(rejection.status(), &rejection.body_text()).into_response())?;
    let user = login.user.trim();
    if !(1..=MAX_USER_CHARS).contains(&user.chars().count()) || user.chars().any(char::is_control) {
        let reason = format!("user must be 1 to {MAX_USER_CHARS} characters, none of them control characters");
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, &reason).into_response());
    }
    // Before the new one is created, so that in a full store somebody logged in can still log in anew.
    app.end_sessions(&headers);
    let attributes = devices::attributes_at_login(user, &headers).map_err(|error| internal(&error))?;
    let session = app.store.new_session().principal(Principal::new(user));
    let id = session.create_with(attributes).map_err(|error| not_created(&error))?;
    let cookie = cookies::issue(app.store.cookie_name(), &id, app.settings.secure_cookies);
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({ "user": user }))).into_response())
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

async fn profile(State(app): State<App>, headers: HeaderMap) -> Result<Json<Profile>, Response> {
    let seen = cookies::session_ids(&headers, app.store.cookie_name())
        .find_map(|id| app.store.read(&id, Visit::of).flatten().map(|visit| (id, visit)));
    app.lookups.note(1);
    let (id, visit) = seen.ok_or_else(not_logged_in)?;
    // Two visits at the same instant may count as one, since reading and setting are two operations. But a session that
    // ends between them stays ended: `set` never brings one back.
    let now = devices::seconds_since_1970().to_string();
    match app.store.set_each(&id, [("visits", &visit.visits.to_string()), ("seen_at", &now)]) {
        Ok(()) => Ok(Json(Profile { visit, expires_in: app.store.ttl().as_secs(), sessions: app.store.count() })),
        Err(SetError::NotFound | SetError::Expired) => Err(not_logged_in()),
        Err(error) => Err(internal(&error)),
    }
}

/// Answers the same whether there was a session or not: a client that wants to be logged out then is.
async fn logout(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    app.end_sessions(&headers);
    let cookie = cookies::remove(app.store.cookie_name(), app.settings.secure_cookies);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)])
}

impl App {
    /// Ends every session the request names, not just the first: whichever of them a browser goes on sending is dead.
    fn end_sessions(&self, headers: &HeaderMap) {
        for id in cookies::session_ids(headers, self.store.cookie_name()) {
            self.store.delete(&id);
        }
    }

    /// The first session that the request names in which somebody is logged in, and who. Touches nothing.
    fn logged_in(&self, headers: &HeaderMap) -> Option<(SessionId, Principal)> {
        cookies::session_ids(headers, self.store.cookie_name())
            .find_map(|id| self.store.principal(&id).map(|principal| (id, principal)))
    }
}

fn refuse(status: StatusCode, reason: &str) -> (StatusCode, Json<serde_json::Value>) {
    (status, Json(json!({ "error": reason })))
}

fn not_logged_in() -> Response {
    refuse(StatusCode::UNAUTHORIZED, "not logged in").into_response()
}

fn not_created(error: &CreateError) -> Response {
    match error {
        CreateError::Full | CreateError::PrincipalFull => {
            let retry = [(header::RETRY_AFTER, SWEEP_INTERVAL.as_secs().to_string())];
            (retry, refuse(StatusCode::SERVICE_UNAVAILABLE, "too many sessions, try again later")).into_response()
        }
        error => internal(error),
    }
}

/// The reason goes to the log; the client only learns that it was not its fault.
fn internal(error: &dyn std::error::Error) -> Response {
    eprintln!("internal error: {error}");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}
