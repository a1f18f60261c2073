//! Attributes that hold values as JSON.

#[path = "layer/harness.rs"]
#[allow(dead_code, reason = "shared with tests/layer.rs")]
mod harness;

use cloakroom_tower::SessionError;
use harness::Site;
use std::collections::HashMap;

#[test]
fn a_value_is_read_back_by_the_next_request() {
    let site = Site::new();
    let basket = vec![("apple".to_owned(), 3), ("pear".to_owned(), 1)];
    let (set, answer) = site.visit(&[], |session| {
        assert_eq!(session.get_json::<u32>("basket"), Ok(None));
        session.set_json("basket", &basket)
    });
    assert_eq!(set, Ok(()));
    let (read, again) = site.visit(&[answer.id()], |session| {
        assert_eq!(session.get_json::<u32>("other"), Ok(None));
        assert_eq!(session.get_json::<u32>("basket"), Err(SessionError::Undeserializable));
        session.get_json("basket")
    });
    assert_eq!(read, Ok(Some(basket)));
    assert!(again.sets_nothing());
}

#[test]
fn a_value_without_json_creates_no_session() {
    let site = Site::new();
    let no_json = HashMap::from([((1, 2), 3)]);
    let (result, answer) = site.visit(&[], |session| session.set_json("map", &no_json));
    assert_eq!(result, Err(SessionError::Unserializable));
    assert!(answer.sets_nothing() && site.store.count() == 0);
}

#[test]
fn a_session_that_has_ended_has_no_value_and_accepts_none() {
    let site = Site::new();
    let id = site.store.create_with([("n", "1")]).expect("room");
    let (result, answer) = site.visit(&[id], |session| {
        assert_eq!(session.get_json("n"), Ok(Some(1)));
        site.store.delete(&id);
        assert_eq!(session.get_json::<u32>("n"), Ok(None));
        session.set_json("n", &2)
    });
    assert_eq!(result, Err(SessionError::Gone));
    assert!(answer.sets_nothing() && site.store.count() == 0);
}
