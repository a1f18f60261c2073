//! Logouts that keep what the visitor may keep.

use crate::harness::{REMOVAL, Site};
use cloakroom::{ManualClock, Principal, SessionId, SessionStore};
use cloakroom_tower::SessionError;
use std::time::Duration;

fn ada() -> Principal {
    Principal::new("ada")
}

fn user(site: &Site) -> SessionId {
    let attributes = [("name", "Ada"), ("basket", "apple")];
    site.store.new_session().principal(ada()).create_with(attributes).expect("room")
}

#[test]
fn the_visitor_keeps_the_basket_under_a_new_id() {
    let site = Site::new();
    let old = user(&site);
    let (_, answer) = site.visit(&[old], |session| {
        session.logout_keeping(|key| key == "basket").expect("a session");
        assert_eq!((session.principal(), session.get("name")), (None, None));
        session.set("basket", "apple, pear").expect("the visitor's session");
    });
    assert!(!site.store.exists(&old) && site.store.sessions_of(&ada()).is_empty());
    assert_eq!(site.store.keys(&answer.id()), Some(vec!["basket".to_owned()]));
    assert_eq!(site.store.get(&answer.id(), "basket").as_deref(), Some("apple, pear"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn the_session_of_a_second_cookie_ends_too() {
    let site = Site::new();
    let (own, other) = (user(&site), user(&site));
    let (_, answer) = site.visit(&[own, other], |session| session.logout_keeping(|_| true).expect("a session"));
    assert!(!site.store.exists(&own) && !site.store.exists(&other));
    assert!(site.store.exists(&answer.id()));
}

#[test]
fn the_new_session_has_the_timeouts_of_the_layer() {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    let site = Site::new().changed(|layer| layer.idle_timeout(minute).absolute_timeout(hour));
    let old = user(&site);
    site.clock.advance(minute / 2);
    let (_, answer) = site.visit(&[old], |session| session.logout_keeping(|_| true).expect("a session"));
    assert_eq!(site.store.expires_in(&answer.id()), Some(minute));
    for _ in 0..60 {
        site.clock.advance(minute);
        site.store.touch(&answer.id());
    }
    site.clock.advance(Duration::from_millis(1));
    assert!(!site.store.exists(&answer.id()), "the absolute timeout began at the logout");
}

#[test]
fn nothing_is_kept_of_a_session_that_is_gone() {
    let site = Site::new();
    let (result, answer) = site.visit(&[], |session| session.logout_keeping(|_| true));
    assert_eq!(result, Err(SessionError::Gone));
    assert!(answer.sets_nothing());
    let old = user(&site);
    let (result, answer) = site.visit(&[old], |session| {
        session.store().delete(&old);
        let kept = session.logout_keeping(|_| true);
        session.logout();
        kept
    });
    assert_eq!((result, answer.set_cookies(), site.store.count()), (Err(SessionError::Gone), vec![REMOVAL], 0));
}

#[test]
fn a_session_with_a_value_keeps_what_the_closure_makes() {
    let clock = ManualClock::new();
    let store = SessionStore::builder().clock(clock.clone()).build_typed::<(Option<&str>, u32)>();
    let site = Site::over(store.expect("a valid configuration"), clock);
    let old = site.store.new_session().principal(ada()).create_with((Some("Ada"), 3)).expect("room");
    let (_, answer) =
        site.visit(&[old], |session| session.logout_keeping_with(|(_, basket)| (None, *basket)).expect("a session"));
    assert_eq!((site.store.exists(&old), site.store.principal(&answer.id())), (false, None));
    assert_eq!(site.store.read(&answer.id(), |value| *value), Some((None, 3)));
}
