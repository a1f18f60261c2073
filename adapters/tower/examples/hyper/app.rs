//! The responses of the server: those of the example `axum_login`, with JSON instead of a form, and without a page.
//!
//! | request | response |
//! |---|---|
//! | `POST /login`, `{"user": .., "password": ..}` | 200, and the session has a new id and a user; 401 if the password is wrong |
//! | `GET /profile` | 200 with the user and the number of visits; 401 without a login |
//! | `GET /devices` | 200 with the user's sessions: the browser of each, and which one is this one |
//! | `POST /logout` | 204, and the session has ended |
//! | `POST /logout-elsewhere` | 200 with the number of the user's other sessions that have ended |
//! | `POST /logout-everywhere` | 200 with the number of the user's sessions that have ended, including this one |
//!
//! A form of another site can forge no login, because a form cannot send the content type of JSON, which this server
//! requires. The browser does not send the cookie with such requests either (`SameSite=Lax`). A server that cannot
//! trust its sibling domains also checks `Sec-Fetch-Site`.

use cloakroom::Principal;
use cloakroom_tower::{Session, SessionError};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;

/// The users and their passwords. A real server keeps hashes (argon2) in a database.
const USERS: [(&str, &str); 2] = [("ada", "engine"), ("grace", "compiler")];

const LONGEST_LOGIN: usize = 4 << 10;

pub(crate) async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let session = request.extensions().get::<Session>().expect("the layer surrounds this service").clone();
    let answered = match (request.method(), request.uri().path()) {
        (&Method::POST, "/login") => login(&session, request).await,
        (&Method::GET, "/profile") => profile(&session),
        (&Method::GET, "/devices") => user(&session).map(|_| json!(devices(&session))),
        (&Method::POST, "/logout") => {
            session.logout();
            Ok(Value::Null)
        }
        (&Method::POST, "/logout-elsewhere") => user(&session).and_then(|_| Ok(json!(session.logout_other_devices()?))),
        (&Method::POST, "/logout-everywhere") => user(&session).and_then(|_| Ok(json!(session.logout_all_devices()?))),
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there is no such page")),
    };
    let (status, body) = match answered {
        Ok(Value::Null) => (StatusCode::NO_CONTENT, Bytes::new()),
        Ok(value) => (StatusCode::OK, Bytes::from(value.to_string())),
        Err(Refusal(status, reason)) => (status, Bytes::from(json!({ "error": reason }).to_string())),
    };
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    let response = response.header(CACHE_CONTROL, "no-store").body(Full::new(body));
    Ok(response.expect("the headers are valid"))
}

pub(crate) struct Refusal(StatusCode, &'static str);

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Gone | SessionError::NotLoggedIn => Self(StatusCode::UNAUTHORIZED, "not logged in"),
            SessionError::Full => Self(StatusCode::SERVICE_UNAVAILABLE, "too many sessions, try again later"),
            SessionError::PrincipalFull => Self(StatusCode::CONFLICT, "too many devices, log out on one of them first"),
            error => {
                eprintln!("internal error: {error}");
                Self(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        }
    }
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn login(session: &Session, request: Request<Incoming>) -> Result<Value, Refusal> {
    if request.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json"));
    }
    let browser = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
    let browser: String = browser.chars().take(100).collect();
    let body = Limited::new(request.into_body(), LONGEST_LOGIN).collect().await;
    let body = body.map_err(|_| Refusal(StatusCode::BAD_REQUEST, "the body is too long or incomplete"))?.to_bytes();
    let given: Credentials = serde_json::from_slice(&body)
        .map_err(|_| Refusal(StatusCode::UNPROCESSABLE_ENTITY, "the body must have a user and a password"))?;
    if !USERS.contains(&(&given.user, &given.password)) {
        return Err(Refusal(StatusCode::UNAUTHORIZED, "wrong user or password"));
    }
    // From here on, the id from before the login is dead.
    session.login(&Principal::new(&given.user))?;
    session.set_each([("user", given.user.as_str()), ("browser", &browser)])?;
    Ok(json!(given.user))
}

/// The user that is logged in.
fn user(session: &Session) -> Result<Principal, Refusal> {
    Ok(session.principal().filter(|_| session.touch()).ok_or(SessionError::Gone)?)
}

fn profile(session: &Session) -> Result<Value, Refusal> {
    user(session)?;
    let visits = session.increment("visits", 1)?;
    let user = session.get("user").ok_or(SessionError::Gone)?;
    Ok(json!({ "user": user, "visits": visits }))
}

fn devices(session: &Session) -> Vec<Value> {
    let device = |id| {
        // `peek` touches no session, so unused sessions expire even if the user reloads the list.
        let browser = session.store().peek(&id, |device| device.get("browser").map(str::to_owned)).flatten()?;
        Some(json!({ "browser": browser, "this_one": session.id() == Some(id) }))
    };
    session.devices().into_iter().filter_map(device).collect()
}
