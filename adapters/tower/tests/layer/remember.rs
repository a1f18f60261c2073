//! "Remember me": the lifetime of a login, and of its cookie.

use crate::harness::{NAME, Site};
use cloakroom::{ManualClock, Principal, SessionId, SessionStore};
use cloakroom_tower::{LayerError, Login, Session, SessionCookie, SessionError, SessionLayer};
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tower::{Layer, service_fn};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// An operation of a handler on its session.
type Operation = fn(&Session) -> Result<(), SessionError>;

fn ada() -> Principal {
    Principal::new("ada")
}

fn log_in(site: &Site, ids: &[SessionId], login: Login) -> (SessionId, String) {
    let (id, answer) = site.visit(ids, |session| {
        session.login_with(&ada(), login).expect("room");
        session.id().expect("a session")
    });
    let [cookie] = answer.set_cookies()[..] else { panic!("not one cookie") };
    (id, cookie.to_owned())
}

fn cookie_of(id: &SessionId, suffix: &str) -> String {
    format!("{NAME}={id}; HttpOnly; SameSite=Lax; Secure; Path=/{suffix}")
}

fn max_age(id: &SessionId, time: Duration) -> String {
    cookie_of(id, &format!("; Max-Age={}", time.as_secs()))
}

/// A request whose handler reads the session.
fn visit(site: &Site, id: &SessionId) -> Vec<String> {
    let (found, answer) = site.visit(&[*id], |session| session.read(|_| ()).is_some());
    assert!(found);
    answer.set_cookies().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_remembered_login_has_its_own_lifetime_and_another_one_has_none() {
    let site = Site::new();
    for visitor in [vec![], vec![site.store.create_with([("basket", "apple")]).expect("room")]] {
        let (id, cookie) = log_in(&site, &visitor, Login::remember(30 * DAY));
        assert_eq!(cookie, max_age(&id, 30 * DAY));
        assert_eq!(site.store.expires_in(&id), Some(30 * DAY));
        let (id, cookie) = log_in(&site, &[], Login::new());
        assert_eq!(cookie, cookie_of(&id, ""));
        assert_eq!(site.store.expires_in(&id), Some(30 * MINUTE));
    }
}

#[test]
fn a_login_without_it_on_a_remembered_session_keeps_nothing_of_it() {
    let site = Site::new();
    for user in ["ada", "eve"] {
        let (remembered, _) = log_in(&site, &[], Login::remember(30 * DAY));
        let (_, answer) = site.visit(&[remembered], |session| session.login(&Principal::new(user)).expect("room"));
        let id = answer.id();
        assert_eq!(site.store.expires_in(&id), Some(30 * MINUTE), "{user}");
        assert_eq!(answer.set_cookies(), [cookie_of(&id, "")], "{user}");
        for _ in 0..2_000 {
            site.clock.advance(30 * MINUTE);
            assert!(site.store.touch(&id), "the absolute timeout of {user} is that of the store: none");
        }
        assert_eq!(visit(&site, &id), [""; 0]);
    }
}

#[test]
fn without_a_longer_absolute_timeout_the_time_counts_from_the_login() {
    let site = Site::new();
    let (id, _) = log_in(&site, &[], Login::remember(8 * DAY));
    for _ in 0..8 {
        site.clock.advance(DAY);
        assert_eq!(visit(&site, &id), [""; 0], "the browser has the cookie up to the end");
    }
    site.clock.advance(Duration::from_millis(1));
    assert!(!site.store.exists(&id));
}

#[test]
fn a_remembered_cookie_is_renewed_as_it_is_used() {
    let site = Site::new();
    let (id, _) = log_in(&site, &[], Login::remember(8 * DAY).at_most(20 * DAY));
    site.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(visit(&site, &id), [""; 0]);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(visit(&site, &id), [max_age(&id, 8 * DAY)]);
    assert_eq!(visit(&site, &id), [""; 0], "it was sent just now");
    site.clock.advance(7 * DAY);
    assert_eq!(visit(&site, &id), [max_age(&id, 8 * DAY)]);
    site.clock.advance(5 * DAY);
    assert_eq!(visit(&site, &id), [max_age(&id, 7 * DAY)], "up to the absolute timeout");
    site.clock.advance(4 * DAY);
    assert_eq!(visit(&site, &id), [""; 0]);
    site.clock.advance(3 * DAY + Duration::from_millis(1));
    assert!(!site.store.exists(&id));
}

#[test]
fn a_request_that_does_not_use_the_session_renews_nothing() {
    let site = Site::new();
    let (id, _) = log_in(&site, &[], Login::remember(8 * DAY).at_most(20 * DAY));
    site.clock.advance(2 * DAY);
    assert!(site.pass(&[id]).sets_nothing());
    assert_eq!(site.store.expires_in(&id), Some(6 * DAY));
}

#[test]
fn a_response_that_cannot_carry_the_cookie_leaves_it_to_the_next() {
    let site = Site::new();
    let (id, _) = log_in(&site, &[], Login::remember(8 * DAY).at_most(20 * DAY));
    site.clock.advance(2 * DAY);
    for (status, cache) in [(304, ""), (200, "public"), (200, "max-age=60"), (401, ""), (403, ""), (503, "")] {
        let response = Response::builder().status(status).header("cache-control", cache).body(()).expect("a response");
        let (_, answer) = site.visit_with(&[id], response, |session| session.get("a"));
        assert_eq!(answer.set_cookies(), [""; 0], "{status} {cache}");
        assert_eq!(answer.0.headers()["cache-control"], cache);
        assert_eq!(answer.0.status(), StatusCode::from_u16(status).expect("a status"));
    }
    assert_eq!(visit(&site, &id), [max_age(&id, 8 * DAY)]);
}

#[test]
fn every_new_id_of_a_remembered_session_has_its_lifetime() {
    let site = Site::new();
    let ways: [Operation; 2] = [|session| session.rotate(), |session| session.bind(&ada())];
    for way in ways {
        let (id, _) = log_in(&site, &[], Login::remember(8 * DAY).at_most(20 * DAY));
        site.clock.advance(DAY / 2);
        let (result, answer) = site.visit(&[id], way);
        assert_eq!(result, Ok(()));
        let [cookie] = answer.set_cookies()[..] else { panic!("not one cookie") };
        assert!(cookie.ends_with("; Max-Age=691200"), "{cookie}");
    }
}

#[test]
fn a_logout_forgets_the_login() {
    let site = Site::new();
    let (id, _) = log_in(&site, &[], Login::remember(8 * DAY));
    let (_, answer) = site.visit(&[id], |session| {
        session.logout();
        session.set("flash", "Goodbye.").expect("room");
    });
    assert!(answer.set_cookies()[0].ends_with("; Path=/"), "no Max-Age: {answer:?}");
    assert_eq!(site.store.expires_in(&answer.id()), Some(30 * MINUTE));
}

#[test]
fn another_layer_over_the_store_knows_that_a_session_is_remembered() {
    let site = Site::new();
    let (id, _) = log_in(&site, &[], Login::remember(8 * DAY).at_most(20 * DAY));
    site.clock.advance(2 * DAY);
    let other =
        Site { store: Arc::clone(&site.store), clock: site.clock.clone(), layer: SessionLayer::new(site.store) };
    assert_eq!(visit(&other, &id), [max_age(&id, 8 * DAY)]);
}

#[test]
fn a_typed_session_is_remembered_too() {
    let clock = ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).build_typed::<u32>().expect("a valid configuration");
    let site = Site::over(store, clock);
    let login = Login::remember(8 * DAY).at_most(20 * DAY);
    let (id, answer) = site.visit(&[], |session| {
        session.login_lasting(&ada(), login, |_| 7).expect("room");
        session.id().expect("a session")
    });
    assert_eq!(answer.set_cookies(), [max_age(&id, 8 * DAY)]);
    site.clock.advance(2 * DAY);
    for _ in 0..2 {
        let (value, answer) = site.visit(&[id], |session| session.read(|value| *value));
        assert_eq!((value, answer.set_cookies()), (Some(7), vec![&*max_age(&id, 8 * DAY)]));
    }
}

#[test]
fn a_cookie_that_outlives_the_sessions_is_refused() {
    let cookie =
        SessionCookie::builder().max_age(30 * MINUTE + Duration::from_secs(1)).build().expect("a valid cookie");
    let layer = || SessionLayer::new(Arc::new(SessionStore::default())).cookie(cookie.clone());
    assert_eq!(layer().check(), Err(LayerError::CookieOutlivesSession));
    assert_eq!(layer().idle_timeout(DAY).check(), Ok(()));
    assert_eq!(layer().idle_timeout(DAY).absolute_timeout(MINUTE).check(), Err(LayerError::CookieOutlivesSession));
    let store = SessionStore::builder().ttl(DAY).absolute_timeout(MINUTE).build().expect("a valid configuration");
    let by_store = SessionLayer::new(Arc::new(store)).cookie(cookie.clone());
    assert_eq!(by_store.clone().check(), Err(LayerError::CookieOutlivesSession));
    assert_eq!(by_store.absolute_timeout(DAY).check(), Ok(()));
    let refused = std::panic::catch_unwind(|| layer().layer(service_fn(async |_: http::Request<()>| Ok::<_, ()>(()))));
    assert!(refused.is_err());
}
