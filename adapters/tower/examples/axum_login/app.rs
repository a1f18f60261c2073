//! The routes: login, profile, list of devices, logout.
//!
//! | request | response |
//! |---|---|
//! | `GET /` | the page |
//! | `POST /login`, form fields `user` and `password` | 200, and the session has a new id and a user; 401 if the password is wrong |
//! | `GET /profile` | 200 with the user and the number of visits; 401 without a login |
//! | `GET /devices` | 200 with the user's sessions: the browser of each, and which one is this one |
//! | `POST /logout` | 204, and the session has ended |
//! | `POST /logout-elsewhere` | 200 with the number of the user's other sessions that have ended |
//! | `POST /logout-everywhere` | 200 with the number of the user's sessions that have ended, including this one |

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, USER_AGENT};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use cloakroom::Principal;
use cloakroom_tower::{LoggedIn, Session, SessionError};
use serde::{Deserialize, Serialize};
use tower_http::csrf::CsrfLayer;

/// The routes without the session layer: `routes().layer(SessionLayer::new(store))` is the whole server.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(Html(include_str!("page.html"))))
        .route("/login", post(login).layer(DefaultBodyLimit::max(4 << 10)))
        .route("/profile", get(profile))
        .route("/devices", get(devices))
        .route("/logout", post(logout))
        .route("/logout-elsewhere", post(async |user: LoggedIn| user.logout_other_devices().map(Json)))
        .route("/logout-everywhere", post(async |user: LoggedIn| user.logout_all_devices().map(Json)))
        // Refuses requests that another site makes a browser send: by `Sec-Fetch-Site`, or else by `Origin`.
        .layer(CsrfLayer::new())
        .layer(from_fn(uncached))
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

/// The users and their passwords. A real server keeps hashes (argon2) in a database.
const USERS: [(&str, &str); 2] = [("ada", "engine"), ("grace", "compiler")];

async fn login(session: Session, headers: HeaderMap, Form(given): Form<Credentials>) -> Result<Response, SessionError> {
    if !USERS.contains(&(&given.user, &given.password)) {
        return Ok((StatusCode::UNAUTHORIZED, "wrong user or password").into_response());
    }
    // From here on, the id from before the login is dead.
    session.login(&Principal::new(&given.user))?;
    let browser = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
    let browser: String = browser.chars().take(100).collect();
    session.set_each([("user", given.user.as_str()), ("browser", &browser)])?;
    Ok(Json(given.user).into_response())
}

#[derive(Serialize)]
struct Profile {
    user: String,
    visits: i64,
}

/// If the session ends between the two operations, the second one fails, and the response is 401.
async fn profile(user: LoggedIn) -> Result<Json<Profile>, SessionError> {
    let visits = user.increment("visits", 1)?;
    let user = user.get("user").ok_or(SessionError::Gone)?;
    Ok(Json(Profile { user, visits }))
}

#[derive(Serialize)]
struct Device {
    browser: String,
    this_one: bool,
}

/// The response contains no ids, because scripts on the page could read them.
async fn devices(user: LoggedIn) -> Json<Vec<Device>> {
    let device = |id| {
        // `peek` touches no session, so unused sessions expire even if the user reloads the list.
        let browser = user.store().peek(&id, |device| device.get("browser").map(str::to_owned)).flatten()?;
        Some(Device { browser, this_one: user.id() == Some(id) })
    };
    Json(user.devices().into_iter().filter_map(device).collect())
}

/// The response is the same with or without a session, because the client is logged out in either case.
async fn logout(session: Session) -> StatusCode {
    session.logout();
    StatusCode::NO_CONTENT
}

/// Keeps responses out of caches, because they show data of sessions.
async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
