//! The settings of the layer over shared sessions: cookies, tokens, audiences, caches.

use crate::harness::{NAME, Node, VISITOR, layer, store, with_engine};
use cloakroom::{Audience, Principal};
use cloakroom_redis::SharedStore;
use cloakroom_tower::shared::Session;
use cloakroom_tower::{Login, SessionError, SessionLayer, SessionToken};
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE, VARY, WWW_AUTHENTICATE};
use http::{HeaderName, Request, Response, StatusCode};
use std::convert::Infallible;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn};

type SharedLayer = SessionLayer<cloakroom::Attributes, SharedStore>;

/// Sends one request through a layer, to a handler that responds with what it says.
async fn send(
    layer: &SharedLayer,
    headers: &[(HeaderName, String)],
    handler: impl AsyncFn(Session) -> StatusCode,
) -> Response<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    let service = layer.layer(service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().expect("the layer").clone();
        let status = handler(session).await;
        Ok::<_, Infallible>(Response::builder().status(status).body(()).expect("a response"))
    }));
    service.oneshot(request).await.expect("never an error")
}

async fn log_in(session: Session) -> StatusCode {
    session.login(&Principal::new("ada")).await.expect("room");
    StatusCode::OK
}

/// The cookies of a response as a client sends them.
fn cookies(response: &Response<()>) -> Vec<String> {
    let all = response.headers().get_all(SET_COOKIE).iter();
    all.map(|it| it.to_str().expect("ASCII").split(';').next().expect("a part").to_owned()).collect()
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_visitor_has_a_cookie_of_its_own_which_a_login_removes() {
    with_engine(async |engine| {
        let node = Node::over(&engine).await;
        let visitor = node.post("/visit", "").await.cookie();
        assert!(visitor.starts_with(&format!("{VISITOR}=")));
        let login = node.post("/login?user=ada", &visitor).await;
        assert!(login.cookies[0].starts_with(&format!("{NAME}=")) && login.removes(VISITOR));
        assert_eq!(login.cookies.len(), 2);
        assert_eq!(login.headers[CACHE_CONTROL.as_str()], "no-store");
        // What the visitor has stored is still there.
        let cookie = login.cookies[0].split(';').next().expect("a part").to_owned();
        assert_eq!(node.post("/visit", &cookie).await.text, "2");
        assert_eq!(node.store.count().await, Ok(1));
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_token_carries_the_id_and_its_absence_is_challenged() {
    with_engine(async |engine| {
        let layer = layer(store(&engine).await).token(SessionToken::bearer());
        let asks = [(HeaderName::from_static("session-token"), "new".to_owned())];
        let login = send(&layer, &asks, log_in).await;
        assert!(cookies(&login).is_empty());
        let token = login.headers()["session-token"].to_str().expect("ASCII").to_owned();
        let who = async |session: Session| match session.principal().await.expect("it is there") {
            Some(_) if session.is_by_token() => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        };
        let with = |token: &str| [(AUTHORIZATION, format!("Bearer {token}"))];
        assert_eq!(send(&layer, &with(&token), who).await.status(), 200);
        let refused = send(&layer, &with("0"), who).await;
        assert_eq!(
            (refused.status(), &refused.headers()[WWW_AUTHENTICATE]),
            (StatusCode::UNAUTHORIZED, &"Bearer".parse().expect("a value"))
        );
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_of_another_audience_is_unknown_and_left_alone() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let of = |name: &str| layer(store.clone()).audience(Audience::new(name));
        let (site, admin) = (of("site"), of("admin"));
        let cookie = [(COOKIE, cookies(&send(&site, &[], log_in).await).remove(0))];
        let none = async |session: Session| {
            assert_eq!(session.id().await, Ok(None));
            assert_eq!(session.logout().await, Ok(false));
            StatusCode::OK
        };
        send(&admin, &cookie, none).await;
        send(&layer(store.clone()), &cookie, none).await;
        send(&site, &cookie, async |session| {
            assert_eq!(session.principal().await, Ok(Some(Principal::new("ada"))));
            StatusCode::OK
        })
        .await;
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn the_response_to_a_use_renews_the_cookie_if_the_layer_says_so() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let rolling = layer(store.clone()).rolling(true).vary(true);
        let login = send(&rolling, &[], log_in).await;
        assert_eq!(login.headers()[VARY], "cookie");
        let cookie = [(COOKIE, cookies(&login).remove(0))];
        let nothing = async |_: Session| StatusCode::OK;
        let renewed = send(&rolling, &cookie, nothing).await;
        assert_eq!(cookies(&renewed), [cookie[0].1.clone()]);
        assert!(!renewed.headers().contains_key(VARY), "nobody has asked for the session");
        let failed = send(&rolling, &cookie, async |_| StatusCode::FORBIDDEN).await;
        assert!(cookies(&failed).is_empty());
        assert!(cookies(&send(&layer(store.clone()), &cookie, nothing).await).is_empty());
        // A session that has ended gets no cookie.
        store.end_sessions_of(&Principal::new("ada")).await.expect("the engine is there");
        assert!(cookies(&send(&rolling, &cookie, nothing).await).is_empty());
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn the_cookie_of_a_remembered_login_lasts_as_long_as_its_session() {
    with_engine(async |engine| {
        let layer = layer(store(&engine).await);
        let month = Duration::from_secs(30 * 24 * 60 * 60);
        let login = send(&layer, &[], async |session| {
            session.login_with(&Principal::new("ada"), Login::remember(month)).await.expect("room");
            StatusCode::OK
        })
        .await;
        let cookie = login.headers()[SET_COOKIE].to_str().expect("ASCII");
        let (_, age) = cookie.split_once("Max-Age=").expect("a lifetime");
        let age: u64 = age.split(';').next().expect("a part").parse().expect("a number");
        assert!((month.as_secs() - 2..=month.as_secs()).contains(&age), "{age}");
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn an_unknown_cookie_is_removed_if_the_layer_says_so() {
    with_engine(async |engine| {
        let layer = layer(store(&engine).await).remove_stale(true);
        let id = cloakroom::SessionId::random().expect("random bytes");
        let cookie = [(COOKIE, format!("{NAME}={id}"))];
        let asks = async |session: Session| {
            assert_eq!(session.exists().await, Ok(false));
            StatusCode::OK
        };
        let answer = send(&layer, &cookie, asks).await;
        assert_eq!(cookies(&answer), [format!("{NAME}=")]);
        // Nobody has asked whether the session exists.
        assert!(cookies(&send(&layer, &cookie, async |_| StatusCode::OK).await).is_empty());
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn nested_layers_have_one_session_and_one_cookie() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let (outer, inner) = (layer(store.clone()), layer(store.clone()).rolling(true));
        let handler = inner.layer(service_fn(async |request: Request<()>| {
            let session = request.extensions().get::<Session>().expect("the layer");
            assert_eq!(session.get("between").await, Ok(Some("the layers".to_owned())));
            session.set("a", "b").await.expect("room");
            Ok::<_, Infallible>(Response::new(()))
        }));
        let between = service_fn(|request: Request<()>| {
            let handler = handler.clone();
            async move {
                let session = request.extensions().get::<Session>().expect("the layer").clone();
                session.set("between", "the layers").await.expect("room");
                handler.oneshot(request).await
            }
        });
        let service = outer.layer(between);
        let answer = service.oneshot(Request::new(())).await.expect("an answer");
        assert_eq!(cookies(&answer).len(), 1);
        assert_eq!(store.count().await, Ok(1));
    });
}

/// A session that another server ends before the response is made gets no cookie, which would displace the cookie of
/// a newer login.
#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_that_has_ended_before_the_response_gets_no_cookie() {
    with_engine(async |engine| {
        let (one, two) = (store(&engine).await, store(&engine).await);
        let answer = send(&layer(one), &[], async |session| {
            log_in(session.clone()).await;
            two.end_sessions_of(&Principal::new("ada")).await.expect("the engine is there");
            // The other server's word has come, at the latest after the bound.
            tokio::time::sleep(crate::harness::BOUND).await;
            assert_eq!(session.set("a", "b").await, Err(SessionError::Gone));
            StatusCode::OK
        })
        .await;
        assert!(cookies(&answer).is_empty());
    });
}
