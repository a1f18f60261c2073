//! Ids as tokens in a header, beside cookies and instead of them.

use crate::harness::{Answer, NAME, Site};
use cloakroom::{Principal, SessionId};
use cloakroom_tower::{LayerError, Login, Session, SessionLayer, SessionToken};
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE, VARY, WWW_AUTHENTICATE};
use http::{HeaderName, Request, Response};
use std::time::Duration;

const SENT: &str = "session-token";
const MINE: HeaderName = HeaderName::from_static("mcp-session-id");

fn bearer() -> Site {
    Site::new().changed(|layer| layer.token(SessionToken::bearer()))
}

/// A request with these headers.
fn request(fields: &[(&str, &str)]) -> Request<()> {
    let request = fields.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request")
}

fn send<R>(site: &Site, fields: &[(&str, &str)], handler: impl FnOnce(&Session) -> R) -> (R, Answer) {
    site.send(request(fields), Response::new(()), handler)
}

/// The user that a request with these headers finds.
fn user(site: &Site, fields: &[(&str, &str)]) -> Option<String> {
    let (user, answer) = send(site, fields, |session| session.get("user"));
    assert!(answer.sets_nothing() && !answer.0.headers().contains_key(SENT), "{answer:?}");
    user
}

fn live(site: &Site, user: &str) -> SessionId {
    site.store.create_with([("user", user)]).expect("room")
}

fn token_of(answer: &Answer, name: &str) -> SessionId {
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.0.headers()[CACHE_CONTROL], "no-store");
    assert!(answer.0.headers()[name].is_sensitive());
    answer.0.headers()[name].to_str().expect("ASCII").parse().expect("an id")
}

#[test]
fn a_login_that_asks_for_its_token_gets_it_in_a_header_and_no_cookie() {
    let site = bearer();
    let (by_token, answer) = send(&site, &[(SENT, "new")], |session| {
        session.login_with(&Principal::new("ada"), Login::remember(Duration::from_secs(60))).expect("room");
        session.is_by_token()
    });
    assert!(by_token);
    let first = token_of(&answer, SENT);
    let authorization = format!("Bearer {first}");
    let (_, answer) = send(&site, &[("authorization", &authorization)], |session| session.rotate().expect("a session"));
    let second = token_of(&answer, SENT);
    assert!(site.store.exists(&second) && !site.store.exists(&first));
    // A logout needs no header: the client forgets the token.
    let authorization = format!("bearer {second}");
    let (ended, answer) = send(&site, &[("authorization", &authorization)], |session| session.logout());
    assert!(ended && answer.sets_nothing() && answer.0.headers().is_empty());
    assert_eq!(site.store.count(), 0);
}

#[test]
fn a_request_without_a_token_is_one_by_cookie_as_before() {
    let site = bearer();
    for fields in [&[][..], &[("authorization", "Basic YTpi")]] {
        let (by_token, answer) = send(&site, fields, |session| {
            session.set("a", "b").expect("room");
            session.is_by_token()
        });
        assert!(!by_token);
        assert!(site.store.exists(&answer.id()));
    }
    let id = live(&site, "ada");
    let cookie = format!("{NAME}={id}");
    assert_eq!(user(&site, &[("cookie", &cookie), ("authorization", "Basic YTpi")]).as_deref(), Some("ada"));
}

#[test]
fn a_token_is_found_under_its_scheme_only() {
    let site = bearer();
    let id = live(&site, "ada");
    for value in [format!("Bearer {id}"), format!("bearer  {id} "), format!("BEARER {}", id.to_string().to_uppercase())]
    {
        assert_eq!(user(&site, &[("authorization", &value)]).as_deref(), Some("ada"), "{value}");
    }
    let digits = id.to_string();
    let wrong = [
        digits.clone(),
        format!("Basic {id}"),
        format!("Bearer{id}"),
        format!("Bearer {}", &digits[1..]),
        format!("Bearer {id}0"),
        format!("Bearer \"{id}\""),
        format!("Bearer {id} {id}"),
        format!("Bearer {id}, Bearer {id}"),
        "Bearer".to_owned(),
    ];
    for value in wrong {
        assert_eq!(user(&site, &[("authorization", &value)]), None, "{value}");
    }
    assert_eq!(user(&site, &[(SENT, &digits)]), None, "that header is for responses");
    let both = [("authorization", &*format!("Bearer {id}")), ("authorization", &*format!("Bearer {id}"))];
    assert_eq!(user(&site, &both), None, "of two tokens none counts");
}

#[test]
fn a_token_rules_out_the_cookies_of_its_request_even_if_it_is_wrong() {
    let site = bearer();
    let (ada, eve) = (live(&site, "ada"), live(&site, "eve"));
    let cookie = format!("{NAME}={eve}");
    let (token, unknown) = (format!("Bearer {ada}"), format!("Bearer {}", SessionId::from_bytes([1; 32])));
    assert_eq!(user(&site, &[("cookie", &cookie), ("authorization", &token)]).as_deref(), Some("ada"));
    for fields in [[("authorization", &*unknown), ("cookie", &cookie)], [(SENT, "new"), ("cookie", &cookie)]] {
        assert_eq!(user(&site, &fields), None);
        let (_, answer) = send(&site, &fields, |session| session.set("user", "grace").expect("room"));
        assert_ne!(token_of(&answer, SENT), eve);
    }
    // Neither a login nor a logout by token ends the session of the cookie.
    let fields = [("authorization", &*token), ("cookie", &cookie)];
    send(&site, &fields, |session| session.login(&Principal::new("ada")).expect("room"));
    assert!(site.store.exists(&eve) && !site.store.exists(&ada));
    send(&site, &fields, |session| session.logout());
    assert!(site.store.exists(&eve));
}

#[test]
fn a_refused_bearer_token_is_told_the_scheme() {
    let site = bearer();
    let refused = |fields: &[(&str, &str)], extra: &[(&str, &str)]| {
        let response =
            extra.iter().fold(Response::builder().status(401), |response, field| response.header(field.0, field.1));
        let response = response.body(()).expect("a response");
        let (_, answer) = site.send(request(fields), response, |_| ());
        answer.0.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().expect("ASCII").to_owned())
    };
    assert_eq!(refused(&[("authorization", "Bearer x")], &[]).as_deref(), Some("Bearer"));
    assert_eq!(refused(&[("authorization", "Bearer x")], &[("www-authenticate", "DPoP")]).as_deref(), Some("DPoP"));
    assert_eq!(refused(&[("cookie", "a=b")], &[]), None);
    let (_, answer) = send(&site, &[("authorization", "Bearer x")], |_| ());
    assert!(!answer.0.headers().contains_key(WWW_AUTHENTICATE), "only with the status 401");
}

#[test]
fn a_header_of_ones_own_works_instead_of_cookies() {
    let site = Site::new().changed(|layer| layer.only_token(SessionToken::in_header(MINE)));
    let (_, answer) = send(&site, &[], |session| session.set("user", "ada").expect("room"));
    let id = token_of(&answer, MINE.as_str());
    assert_eq!(user(&site, &[(MINE.as_str(), &id.to_string())]).as_deref(), Some("ada"));
    assert_eq!(user(&site, &[("cookie", &format!("{NAME}={id}"))]), None);
    let response = Response::builder().status(401).body(()).expect("a response");
    let (_, answer) = site.send(request(&[(MINE.as_str(), "x")]), response, |_| ());
    assert!(answer.0.headers().is_empty());
    let (_, answer) = send(&site, &[(MINE.as_str(), "")], |session| session.set("a", "b").expect("room"));
    assert!(site.store.exists(&token_of(&answer, MINE.as_str())));
}

#[test]
fn a_request_by_token_is_touched_but_sent_no_cookie_by_a_rolling_layer() {
    let site = bearer().changed(|layer| layer.rolling(true).remove_stale(true));
    let id = live(&site, "ada");
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(user(&site, &[("authorization", &format!("Bearer {id}"))]).as_deref(), Some("ada"));
    assert_eq!(site.store.expires_in(&id), Some(Duration::from_secs(30 * 60)));
    assert_eq!(user(&site, &[("authorization", "Bearer stale")]), None);
}

#[test]
fn a_response_depends_on_each_header_that_may_bring_the_id() {
    let varies = |layer: SessionLayer, names: &[&str]| {
        let site = Site::new().changed(|_| layer.vary(true));
        let (_, answer) = send(&site, &[], |session| session.exists());
        assert_eq!(answer.0.headers().get_all(VARY).iter().collect::<Vec<_>>(), names);
    };
    let layer = || Site::new().layer;
    varies(layer(), &["cookie"]);
    varies(layer().token(SessionToken::bearer()), &["cookie", "authorization"]);
    varies(layer().only_token(SessionToken::in_header(MINE)), &["mcp-session-id"]);
}

#[test]
fn a_token_cannot_share_a_header_with_cookies() {
    let check = |token| Site::new().layer.token(token).check();
    for token in [
        SessionToken::in_header(COOKIE),
        SessionToken::bearer().sent_in(SET_COOKIE),
        SessionToken::in_header(AUTHORIZATION),
    ] {
        assert_eq!(check(token), Err(LayerError::TokenHeader));
    }
    assert_eq!(check(SessionToken::in_header(AUTHORIZATION).sent_in(MINE)), Ok(()));
    assert_eq!(check(SessionToken::bearer().sent_in(MINE)), Ok(()));
}
