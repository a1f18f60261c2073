//! The routes: login, profile, logout, and the two endpoints that the browser uses by itself.
//!
//! | request | response |
//! |---|---|
//! | `GET /` | the page |
//! | `POST /login`, form fields `user` and `password` | 200, a session, and the offer to bind it; 401 if the password is wrong |
//! | `GET /profile` | 200 with the user, and whether the session is bound to a device; 401 without a login or without the device |
//! | `POST /logout` | 204, and the session has ended; 401 without the device |
//! | `POST /dbsc/register`, `POST /dbsc/refresh` | see [`Dbsc`] |

use axum::extract::{DefaultBodyLimit, Extension, Request};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use cloakroom::{Principal, SessionStore};
use cloakroom_dbsc::{Dbsc, OfferError, Refusal, Standing};
use cloakroom_tower::{LoggedIn, Session, SessionError, SessionLayer};
use serde::Deserialize;
use std::sync::Arc;

/// The whole server.
pub(crate) fn app(store: Arc<SessionStore>, dbsc: Arc<Dbsc>) -> Router {
    Router::new()
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .layer(from_fn(demand_the_device))
        // The routes from here on are open to a lapsed session, which has to reach them.
        .route("/", get(Html(include_str!("page.html"))))
        .route("/login", post(login).layer(DefaultBodyLimit::max(4 << 10)))
        .route("/dbsc/register", post(register))
        .route("/dbsc/refresh", post(refresh))
        .layer(Extension(dbsc))
        .layer(SessionLayer::new(store))
}

type Device = Extension<Arc<Dbsc>>;

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

/// The users and their passwords. A real server keeps hashes (argon2) in a database.
const USERS: [(&str, &str); 2] = [("ada", "engine"), ("grace", "compiler")];

async fn login(session: Session, dbsc: Device, Form(given): Form<Credentials>) -> Result<Response, SessionError> {
    if !USERS.contains(&(&given.user, &given.password)) {
        return Ok((StatusCode::UNAUTHORIZED, "wrong user or password").into_response());
    }
    session.login(&Principal::new(&given.user))?;
    session.set("user", &given.user)?;
    let id = session.id().ok_or(SessionError::Gone)?;
    match dbsc.offer(session.store(), &id) {
        Ok(offer) => Ok(([offer], given.user).into_response()),
        Err(OfferError::Set(error)) => Err(error.into()),
        Err(error) => Ok((StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()),
    }
}

/// Refuses a request with the cookie of a session that is bound to a device, but without a cookie that the device has
/// signed for: the cookie was copied.
async fn demand_the_device(session: Session, dbsc: Device, request: Request, next: Next) -> Response {
    let standing = session.id().and_then(|id| dbsc.standing(session.store(), &id, request.headers()));
    match standing {
        Some(Standing::Lapsed { skipped: None }) => {
            (StatusCode::UNAUTHORIZED, "this is not the device of the login").into_response()
        }
        Some(Standing::Lapsed { skipped: Some(_) }) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "60")], "the device cannot sign now").into_response()
        }
        _ => next.run(request).await,
    }
}

async fn profile(user: LoggedIn, dbsc: Device, headers: HeaderMap) -> Result<String, SessionError> {
    let name = user.get("user").ok_or(SessionError::Gone)?;
    let standing = user.id().and_then(|id| dbsc.standing(user.store(), &id, &headers));
    Ok(format!("{name}, {}", if standing == Some(Standing::Bound) { "bound" } else { "not bound" }))
}

async fn logout(session: Session) -> StatusCode {
    session.logout();
    StatusCode::NO_CONTENT
}

async fn register(session: Session, dbsc: Device, headers: HeaderMap) -> Response {
    let response = dbsc.register(session.store(), session.id().as_ref(), &headers);
    if let (Some(refusal), Some(id)) = (response.extensions().get::<Refusal>(), session.id()) {
        eprintln!("registration refused: {refusal}, session {}", session.store().fingerprint(&id));
    }
    response.into_response()
}

async fn refresh(session: Session, dbsc: Device, headers: HeaderMap) -> Response {
    let response = dbsc.refresh(session.store(), session.id().as_ref(), &headers);
    match (response.extensions().get::<Refusal>(), session.id()) {
        // A browser may repeat the answer to an old challenge.
        (None | Some(Refusal::Challenge), _) | (_, None) => {}
        (Some(refusal), Some(id)) => {
            eprintln!("refresh refused: {refusal}, session {}", session.store().fingerprint(&id));
        }
    }
    response.into_response()
}
