//! The extractors for axum, and the responses to refused requests.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use cloakroom::{Principal, SessionStore};
use cloakroom_tower::{LoggedIn, Session, SessionError, SessionLayer};
use http::header::COOKIE;
use http::{Request, StatusCode};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

const MISSING: &str = "no session layer for this type of session: add a `SessionLayer` to the router, after its routes";

fn routes() -> Router {
    Router::new()
        .route("/any", get(async |session: Session| session.id().is_some().to_string()))
        .route("/maybe", get(async |session: Option<Session>| session.is_some().to_string()))
        .route("/user", get(async |user: LoggedIn| (user.principal == Principal::new("ada")).to_string()))
        .route("/perhaps", get(async |user: Option<LoggedIn>| user.is_some().to_string()))
        .route("/typed", get(async |session: Session<u32>| session.id().is_some().to_string()))
}

async fn ask(app: &Router, path: &str, cookie: &str) -> (u16, String) {
    let request = Request::builder().uri(path).header(COOKIE, cookie).body(Body::empty()).expect("a request");
    read(app.clone().oneshot(request).await.expect("infallible")).await
}

async fn read(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

fn response(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn a_missing_layer_is_reported_with_status_500() {
    for path in ["/any", "/user", "/perhaps", "/typed"] {
        assert_eq!(ask(&routes(), path, "").await, response(500, MISSING), "{path}");
    }
    assert_eq!(ask(&routes(), "/maybe", "").await, response(200, "false"));
    let app = routes().layer(SessionLayer::new(Arc::new(SessionStore::default())));
    assert_eq!(ask(&app, "/typed", "").await, response(500, MISSING), "another type's layer");
}

#[tokio::test]
async fn handlers_receive_the_session_and_its_user() {
    let store = Arc::new(SessionStore::default());
    let app = routes().layer(SessionLayer::new(Arc::clone(&store)));
    let visitor = store.create().expect("room");
    let ada = store.new_session().principal(Principal::new("ada")).create().expect("room");
    let ended = store.new_session().principal(Principal::new("ada")).create().expect("room");
    store.delete(&ended);
    let refused = response(401, "not logged in");
    for (id, any, user) in [(visitor, "true", false), (ada, "true", true), (ended, "false", false)] {
        let cookie = format!("__Host-session_id={id}");
        assert_eq!(ask(&app, "/any", &cookie).await, response(200, any));
        assert_eq!(ask(&app, "/maybe", &cookie).await, response(200, "true"));
        assert_eq!(ask(&app, "/user", &cookie).await, if user { response(200, "true") } else { refused.clone() });
        assert_eq!(ask(&app, "/perhaps", &cookie).await, response(200, &user.to_string()));
    }
    assert_eq!(ask(&app, "/user", "").await, refused);
}

#[tokio::test]
async fn extracting_a_logged_in_session_touches_it() {
    let clock = cloakroom::ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).ttl(Duration::from_secs(60)).build().expect("valid");
    let store = Arc::new(store);
    let app = routes().layer(SessionLayer::new(Arc::clone(&store)));
    let id = store.new_session().principal(Principal::new("ada")).create().expect("room");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(50));
        assert_eq!(ask(&app, "/user", &format!("__Host-session_id={id}")).await, response(200, "true"));
    }
}

#[tokio::test]
async fn layers_over_two_stores_have_separate_sessions() {
    let (texts, numbers) = (Arc::new(SessionStore::default()), SessionStore::<u32>::typed(Default::default()));
    let numbers = Arc::new(numbers);
    let cookie = cloakroom_tower::SessionCookie::builder().name("__Host-number").build().expect("a valid cookie");
    let app = routes()
        .layer(SessionLayer::new(Arc::clone(&texts)))
        .layer(SessionLayer::new(Arc::clone(&numbers)).cookie(cookie));
    let number = format!("__Host-number={}", numbers.create_with(7).expect("room"));
    assert_eq!(ask(&app, "/typed", &number).await, response(200, "true"));
    assert_eq!(ask(&app, "/any", &number).await, response(200, "false"));
}

#[tokio::test]
async fn errors_are_responses() {
    let cases = [
        (SessionError::Gone, StatusCode::UNAUTHORIZED),
        (SessionError::NotLoggedIn, StatusCode::UNAUTHORIZED),
        (SessionError::OtherPrincipal, StatusCode::CONFLICT),
        (SessionError::Full, StatusCode::SERVICE_UNAVAILABLE),
        (SessionError::NotDurable, StatusCode::SERVICE_UNAVAILABLE),
        (SessionError::PrincipalFull, StatusCode::CONFLICT),
        (SessionError::TooLarge { size: 2, limit: 1 }, StatusCode::PAYLOAD_TOO_LARGE),
        (SessionError::TooManyAttributes { count: 2, limit: 1 }, StatusCode::PAYLOAD_TOO_LARGE),
        (SessionError::NotANumber, StatusCode::INTERNAL_SERVER_ERROR),
        (SessionError::Unserializable, StatusCode::INTERNAL_SERVER_ERROR),
        (SessionError::Undeserializable, StatusCode::INTERNAL_SERVER_ERROR),
        (SessionError::Answered, StatusCode::INTERNAL_SERVER_ERROR),
        (SessionError::TooManyChanges, StatusCode::INTERNAL_SERVER_ERROR),
    ];
    for (error, status) in cases {
        assert_eq!(read(error.into_response()).await, (status.as_u16(), error.to_string()));
        assert!(error.source().is_none());
    }
}
