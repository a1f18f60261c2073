//! Several apps on one store, and several domains of one app.

use crate::harness::{ATTRIBUTES, Answer, NAME, Site};
use cloakroom::{Audience, Principal, SessionId};
use cloakroom_tower::{LayerError, Session, SessionCookie, SessionError, SessionLayer};
use http::header::{COOKIE, HOST};
use http::{Request, Response};
use std::sync::Arc;

/// Layers over one store, with the audience "site", "admin", and none.
fn apps() -> [Site; 3] {
    let first = Site::new();
    let over = |change: fn(SessionLayer) -> SessionLayer| {
        let layer = change(SessionLayer::new(Arc::clone(&first.store)));
        Site { store: Arc::clone(&first.store), clock: first.clock.clone(), layer }
    };
    let site = over(|layer| layer.audience(Audience::new("site")));
    let admin = over(|layer| layer.audience(Audience::new("admin")));
    [site, admin, over(|layer| layer)]
}

/// An operation of a handler on its session.
type Operation = fn(&Session) -> Result<(), SessionError>;

fn ada() -> Principal {
    Principal::new("ada")
}

#[test]
fn a_session_of_another_audience_is_unknown() {
    let apps = apps();
    let ways: [Operation; 3] = [
        |session| session.set("user", "ada"),
        |session| session.login(&ada()),
        |session| session.set("a", "b").and_then(|()| session.rotate()),
    ];
    for (at, app) in apps.iter().enumerate() {
        for way in ways {
            let (result, answer) = app.visit(&[], way);
            assert_eq!(result, Ok(()));
            let id = answer.id();
            for (other_at, other) in apps.iter().enumerate() {
                let (found, answer) = other.visit(&[id], |session| {
                    assert_eq!(session.exists(), session.id().is_some());
                    (session.id(), session.read(|_| ()).is_some(), session.touch())
                });
                let accepted = at == other_at;
                assert_eq!(found, (accepted.then_some(id), accepted, accepted), "{at} {other_at}");
                assert!(answer.sets_nothing());
            }
        }
    }
}

#[test]
fn a_request_with_an_id_of_another_app_neither_uses_nor_ends_that_session() {
    let [site, admin, _] = apps();
    let (_, answer) = admin.visit(&[], |session| session.login(&ada()).expect("room"));
    let id = answer.id();
    let (_, answer) = site.visit(&[id], |session| session.set("user", "eve").expect("room"));
    assert_ne!(answer.id(), id);
    let (ended, answer) = site.visit(&[id], |session| session.logout());
    assert!(!ended && answer.removes());
    site.visit(&[id], |session| session.login(&Principal::new("eve")).expect("room"));
    assert!(site.store.exists(&id), "neither a logout nor a login of the other app has ended it");
    let stale = site.changed(|layer| layer.remove_stale(true));
    assert!(stale.pass(&[id]).removes());
}

#[test]
fn an_id_of_another_app_hides_no_id_of_this_one() {
    let [site, admin, _] = apps();
    let [(_, of_site), (_, of_admin)] = [&site, &admin].map(|app| app.visit(&[], |session| session.set("a", "b")));
    let (id, _) = admin.visit(&[of_site.id(), of_admin.id()], |session| session.id());
    assert_eq!(id, Some(of_admin.id()));
}

#[test]
fn a_session_keeps_its_audience_at_every_login() {
    let [site, admin, _] = apps();
    let (_, visitor) = admin.visit(&[], |session| session.set("a", "b").expect("room"));
    let mut id = visitor.id();
    for user in ["ada", "ada", "eve"] {
        let (_, answer) = admin.visit(&[id], |session| session.login(&Principal::new(user)).expect("room"));
        id = answer.id();
        assert_eq!(site.visit(&[id], |session| session.id()).0, None, "{user}");
        assert_eq!(admin.visit(&[id], |session| session.id()).0, Some(id), "{user}");
    }
}

#[test]
fn users_are_common_to_all_apps() {
    let [site, admin, _] = apps();
    let [(_, of_site), (_, of_admin)] = [&site, &admin].map(|app| app.visit(&[], |session| session.login(&ada())));
    let (ended, _) = site.visit(&[of_site.id()], |session| session.logout_all_devices());
    assert_eq!(ended, Ok(2));
    assert!(!admin.store.exists(&of_admin.id()));
}

fn cookie(domain: &str) -> SessionCookie {
    SessionCookie::builder().name("__Secure-sid").domain(domain).build().expect("a valid cookie")
}

fn tenants() -> Site {
    Site::new().changed(|layer| {
        layer.cookies_by_domain([cookie("example.com"), cookie("shop.example.com"), cookie("b.example")])
    })
}

/// The cookie in the response to a request to this host that creates a session.
fn new_at(site: &Site, host: &str) -> String {
    let request = Request::builder().header(HOST, host).body(()).expect("a request");
    let (result, answer) = site.send(request, Response::new(()), |session| session.set("a", "b"));
    assert_eq!(result, Ok(()));
    let [cookie] = answer.set_cookies()[..] else { panic!("not one cookie") };
    cookie.to_owned()
}

#[test]
fn the_host_chooses_the_cookie_with_the_longest_domain() {
    let site = tenants();
    for (host, domain) in [
        ("example.com", "example.com"),
        ("www.EXAMPLE.com:8443", "example.com"),
        ("shop.example.com", "shop.example.com"),
        ("a.shop.example.com.", "shop.example.com"),
        ("b.example", "b.example"),
    ] {
        let cookie = new_at(&site, host);
        assert!(
            cookie.starts_with("__Secure-sid") && cookie.ends_with(&format!("; Domain={domain}")),
            "{host}: {cookie}"
        );
    }
}

#[test]
fn a_forged_host_gets_no_domain_of_its_own() {
    let site = tenants();
    for host in
        ["evil.example", "example.com.evil.example", "notexample.com", "example.com; Domain=evil", "", "[::1]:80"]
    {
        let cookie = new_at(&site, host);
        assert!(cookie.starts_with(NAME) && cookie.ends_with(ATTRIBUTES), "{host}: {cookie}");
    }
}

#[test]
fn the_chosen_cookie_is_the_one_that_is_read_and_removed() {
    let site = tenants();
    let id = site.store.create_with([("user", "ada")]).expect("room");
    let send = |name: &str, uri: &str, handler: fn(&Session) -> bool| -> (bool, Answer) {
        let request = Request::builder().uri(uri).header(COOKIE, format!("{name}={id}"));
        site.send(request.body(()).expect("a request"), Response::new(()), handler)
    };
    assert!(!send(NAME, "https://example.com/", |session| session.exists()).0);
    assert!(!send("__Secure-sid", "https://other.example/", |session| session.exists()).0);
    assert!(send("__Secure-sid", "https://b.example/", |session| session.exists()).0);
    let (ended, answer) = send("__Secure-sid", "https://example.com/", |session| session.logout());
    assert!(ended);
    assert_eq!(
        answer.set_cookies(),
        ["__Secure-sid=; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=0"]
    );
}

#[test]
fn a_cookie_by_domain_needs_a_domain() {
    let layer = Site::new().layer.cookies_by_domain([cookie("example.com"), SessionCookie::default()]);
    assert_eq!(layer.check(), Err(LayerError::CookieWithoutDomain));
    let long =
        SessionCookie::builder().name("sid").domain("example.com").max_age(std::time::Duration::from_secs(3_600));
    let layer = Site::new().layer.cookies_by_domain([long.build().expect("a valid cookie")]);
    assert_eq!(layer.check(), Err(LayerError::CookieOutlivesSession));
}

#[test]
fn a_session_without_an_audience_is_made_by_the_store() {
    let [site, _, plain] = apps();
    let id: SessionId = site.store.new_session().audience(Audience::new("site")).create().expect("room");
    assert_eq!(site.visit(&[id], |session| session.id()).0, Some(id));
    let id = site.store.create().expect("room");
    assert_eq!(
        (site.visit(&[id], |session| session.id()).0, plain.visit(&[id], |session| session.id()).0),
        (None, Some(id))
    );
}
