//! The `Set-Cookie` header of responses.

use crate::harness::{NAME, REMOVAL, Site};
use cloakroom::SessionId;
use cloakroom_tower::{SessionCookie, SessionError};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Response};
use std::time::Duration;

#[test]
fn a_request_that_stores_nothing_creates_nothing() {
    let site = Site::new();
    let ((), answer) = site.visit(&[], |session| {
        assert_eq!((session.id(), session.exists(), session.touch()), (None, false, false));
        assert_eq!((session.get("theme"), session.take("theme"), session.contains("theme")), (None, None, false));
        assert_eq!((session.remove("theme"), session.clear()), (Ok(false), Ok(())));
        assert_eq!((session.principal(), session.expires_in()), (None, None));
        assert_eq!(session.read(|_| ()), None);
        assert!(session.devices().is_empty() && session.snapshot().is_none());
        assert_eq!(session.logout_other_devices(), Err(SessionError::Gone));
    });
    assert!(answer.sets_nothing(), "{answer:?}");
    assert_eq!(site.store.count(), 0);
}

#[test]
fn the_first_stored_attribute_creates_a_session_and_sets_its_cookie() {
    let site = Site::new();
    let (id, answer) = site.visit(&[], |session| {
        assert_eq!(session.set("theme", "dark"), Ok(()));
        assert_eq!(session.set("lang", "en"), Ok(()));
        assert_eq!(session.get("theme").as_deref(), Some("dark"));
        session.id().expect("a session")
    });
    assert_eq!(answer.id(), id);
    assert_eq!(answer.0.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(site.store.get(&id, "lang").as_deref(), Some("en"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn using_a_session_sets_no_cookie() {
    let site = Site::new();
    let id = site.store.create_with([("theme", "dark")]).expect("room");
    let (theme, answer) = site.visit(&[id], |session| {
        session.set("lang", "en").expect("a session");
        session.get("theme")
    });
    assert_eq!(theme.as_deref(), Some("dark"));
    assert!(answer.sets_nothing(), "{answer:?}");
    assert_eq!(site.store.get(&id, "lang").as_deref(), Some("en"));
}

#[test]
fn the_layer_itself_touches_no_session() {
    let site = Site::with(|store| store.ttl(Duration::from_secs(60)));
    let id = site.store.create().expect("room");
    site.clock.advance(Duration::from_secs(50));
    assert!(site.pass(&[id]).sets_nothing());
    site.clock.advance(Duration::from_secs(11));
    assert!(!site.store.exists(&id));
}

#[test]
fn a_rotated_session_gets_a_cookie_and_the_old_id_is_dead() {
    let site = Site::new();
    let old = site.store.create_with([("basket", "apple")]).expect("room");
    let (rotated, answer) = site.visit(&[old], |session| session.rotate());
    assert_eq!(rotated, Ok(()));
    assert_ne!(answer.id(), old);
    assert_eq!(site.store.get(&answer.id(), "basket").as_deref(), Some("apple"));
    assert!(!site.store.exists(&old));
}

#[test]
fn a_logout_removes_the_cookie_whether_or_not_there_was_a_session() {
    let site = Site::new();
    let live = site.store.create().expect("room");
    let stale = SessionId::random().expect("random bytes");
    for (ids, was_there) in [(&[live][..], true), (&[stale][..], false), (&[][..], false)] {
        let (ended, answer) = site.visit(ids, |session| session.logout());
        assert_eq!(ended, was_there);
        assert!(answer.removes(), "{answer:?}");
        assert_eq!(answer.0.headers()[CACHE_CONTROL], "no-store");
    }
    assert_eq!(site.store.count(), 0);
}

#[test]
fn an_attribute_set_after_a_logout_is_in_a_new_session() {
    let site = Site::new();
    let old = site.store.create_with([("user", "ada")]).expect("room");
    let (_, answer) = site.visit(&[old], |session| {
        assert!(session.logout());
        assert!(!session.logout());
        assert_eq!((session.id(), session.get("user")), (None, None));
        session.set("flash", "Goodbye.").expect("room");
    });
    assert_ne!(answer.id(), old);
    assert_eq!(site.store.keys(&answer.id()), Some(vec!["flash".to_owned()]));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_session_created_and_ended_by_one_request_leaves_nothing() {
    let site = Site::new();
    let (_, answer) = site.visit(&[], |session| {
        session.set("a", "b").expect("room");
        session.logout()
    });
    assert!(answer.removes());
    assert_eq!(site.store.count(), 0);
}

#[test]
fn other_cookies_and_headers_of_the_response_are_kept() {
    let site = Site::new();
    let respond = || {
        let mut response = Response::new(());
        response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static("theme=dark"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        response
    };
    let (_, answer) = site.visit_with(&[], respond(), |session| session.logout());
    assert_eq!(answer.set_cookies(), ["theme=dark", REMOVAL]);
    assert_eq!(answer.0.headers()[CACHE_CONTROL], "no-store");
    let ((), answer) = site.visit_with(&[], respond(), |_| ());
    assert_eq!(answer.set_cookies(), ["theme=dark"]);
    assert_eq!(answer.0.headers()[CACHE_CONTROL], "public, max-age=60");

    let lenient = Site::new().changed(|layer| layer.leave_cache_control());
    let (_, answer) = lenient.visit_with(&[], respond(), |session| session.logout());
    assert_eq!(answer.0.headers()[CACHE_CONTROL], "public, max-age=60");
}

#[test]
fn a_stale_cookie_is_removed_only_if_the_layer_says_so() {
    let stale = SessionId::random().expect("random bytes");
    let site = Site::new();
    assert!(site.pass(&[stale]).sets_nothing());
    let (_, answer) = site.visit(&[stale], |session| {
        assert_eq!(session.id(), None);
        session.set("a", "b").expect("room")
    });
    assert_ne!(answer.id(), stale);

    let site = Site::new().changed(|layer| layer.remove_stale(true));
    assert!(site.pass(&[stale]).removes());
    assert!(site.pass(&[]).sets_nothing());
    let (_, answer) = site.visit(&[stale], |session| session.set("a", "b"));
    assert!(site.store.exists(&answer.id()));
    assert!(site.pass(&[answer.id()]).sets_nothing());
}

#[test]
fn a_rolling_cookie_is_sent_with_each_response_and_touches_the_session() {
    let cookie = SessionCookie::builder().max_age(Duration::from_secs(60)).build().expect("a valid cookie");
    let site = Site::with(|store| store.ttl(Duration::from_secs(60)));
    let site = site.changed(|layer| layer.rolling(true).cookie(cookie));
    let id = site.store.create().expect("room");
    for _ in 0..3 {
        site.clock.advance(Duration::from_secs(50));
        let expected = format!("{NAME}={id}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
        assert_eq!(site.pass(&[id]).set_cookies(), [expected]);
    }
    site.clock.advance(Duration::from_secs(61));
    assert!(site.pass(&[id]).sets_nothing());
    assert!(site.pass(&[]).sets_nothing());
}

#[test]
fn the_first_live_id_of_several_counts_and_a_logout_ends_all() {
    let site = Site::new();
    let [ada, grace] = ["ada", "grace"].map(|user| site.store.create_with([("user", user)]).expect("room"));
    let stale = SessionId::random().expect("random bytes");
    for (ids, user) in [([ada, grace], "ada"), ([grace, ada], "grace"), ([stale, ada], "ada")] {
        let (found, answer) = site.visit(&ids, |session| session.get("user"));
        assert_eq!(found.as_deref(), Some(user));
        assert!(answer.sets_nothing());
    }
    let (ended, answer) = site.visit(&[stale, grace, ada, grace], |session| session.logout());
    assert!(ended && answer.removes());
    assert_eq!(site.store.count(), 0);
}

#[test]
fn the_store_names_the_cookie_unless_the_layer_has_one() {
    let names = [("session_id", "__Host-session_id"), ("__Secure-sid", "__Secure-sid"), ("__HOST-sid", "__HOST-sid")];
    for (configured, expected) in names {
        assert_eq!(Site::with(|store| store.cookie_name(configured)).layer.session_cookie().name(), expected);
    }
    let longest = "n".repeat(256);
    assert_eq!(Site::with(|store| store.cookie_name(&longest)).layer.session_cookie().name().len(), 263);
    let cookie = SessionCookie::builder().name("ticket").build().expect("a valid cookie");
    assert_eq!(Site::new().changed(|layer| layer.cookie(cookie)).layer.session_cookie().name(), "ticket");
}
