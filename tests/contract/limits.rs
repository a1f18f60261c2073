//! `max_sessions` and `max_session_bytes`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cloakroom::{CreateError, MissingError, SessionStore, SetError};

use crate::support::{TICK, TTL, assert_gone, session, store_with};

#[track_caller]
fn assert_full(store: &SessionStore) {
    let before = store.count();
    assert!(matches!(store.create(), Err(CreateError::Full)));
    assert!(matches!(store.create_with([("user", "ada")]), Err(CreateError::Full)));
    assert_eq!(store.count(), before);
}

#[test]
fn zero_sessions_means_no_limit() {
    let (store, _) = store_with(|builder| builder.max_sessions(0));
    for _ in 0..10_000 {
        session(&store);
    }
    assert_eq!(store.count(), 10_000);
}

#[test]
fn create_refuses_beyond_the_limit_and_changes_nothing() {
    let (store, _) = store_with(|builder| builder.max_sessions(100));
    let ids: Vec<_> = (0..100).map(|_| session(&store)).collect();
    for _ in 0..10 {
        assert_full(&store);
    }
    assert_eq!(store.count(), 100);
    assert!(ids.iter().all(|id| store.get(id, "user").as_deref() == Some("ada")));
}

#[test]
fn a_store_for_one_session_holds_one_session() {
    let (store, clock) = store_with(|builder| builder.max_sessions(1));
    let first = session(&store);
    assert_full(&store);
    assert!(store.delete(&first));
    let second = session(&store);
    assert_full(&store);
    clock.advance(TTL + TICK);
    let third = session(&store);
    assert_full(&store);
    assert_eq!(store.count(), 1);
    assert_gone(&store, &first);
    assert_gone(&store, &second);
    assert!(store.exists(&third));
}

#[test]
fn a_place_freed_by_a_delete_is_usable_at_once() {
    let (store, _) = store_with(|builder| builder.max_sessions(3));
    let mut ids: Vec<_> = (0..3).map(|_| session(&store)).collect();
    for turn in 0..1_000 {
        assert_full(&store);
        assert!(store.delete(&ids[turn % 3]));
        ids[turn % 3] = session(&store);
    }
    assert_eq!(store.count(), 3);
}

#[test]
fn at_the_limit_create_replaces_expired_sessions() {
    let (store, clock) = store_with(|builder| builder.max_sessions(50));
    for _ in 0..50 {
        session(&store);
    }
    assert_full(&store);
    clock.advance(TTL + TICK);
    for _ in 0..50 {
        session(&store);
        assert!(store.count() <= 50);
    }
    assert_full(&store);
}

#[test]
fn at_the_limit_create_ends_no_live_session() {
    let (store, clock) = store_with(|builder| builder.max_sessions(10));
    let idle = session(&store);
    clock.advance(TICK);
    let live: Vec<_> = (0..9).map(|_| session(&store)).collect();
    assert_full(&store);
    clock.advance(TTL);
    let newcomer = session(&store);
    assert_full(&store);
    assert_gone(&store, &idle);
    assert!(live.iter().chain([&newcomer]).all(|id| store.exists(id)));
}

#[test]
fn a_place_freed_by_expiry_on_access_is_usable_at_once() {
    let (store, clock) = store_with(|builder| builder.max_sessions(2));
    let (one, other) = (session(&store), session(&store));
    clock.advance(TTL + TICK);
    assert_eq!(store.get(&one, "user"), None);
    assert!(matches!(store.set(&other, "user", "eve"), Err(SetError::Missing(MissingError::Expired))));
    assert_eq!(store.count(), 0);
    session(&store);
    session(&store);
    assert_full(&store);
}

#[test]
fn set_works_in_a_full_store() {
    let (store, _) = store_with(|builder| builder.max_sessions(2));
    let ids = [session(&store), session(&store)];
    assert_full(&store);
    for turn in 0..100 {
        for id in &ids {
            store.set(id, "turn", &turn.to_string()).expect("an update needs no place");
        }
    }
    assert_eq!(store.get(&ids[0], "turn").as_deref(), Some("99"));
    assert_full(&store);
}

#[test]
fn a_create_that_is_too_large_takes_no_place() {
    let (store, _) = store_with(|builder| builder.max_sessions(1).max_session_bytes(1_000));
    let large = "x".repeat(1_001);
    for _ in 0..10 {
        match store.create_with([("blob", &large)]) {
            Err(CreateError::TooLarge { size, limit }) => assert!(size > limit && limit == 1_000),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
    assert_eq!(store.count(), 0);
    session(&store);
}

#[test]
fn a_create_whose_attributes_panic_takes_no_place() {
    let (store, _) = store_with(|builder| builder.max_sessions(1));
    let attributes = (0..3).map(|turn| if turn < 2 { ("user", "ada") } else { panic!("no more attributes") });
    let create = AssertUnwindSafe(|| store.create_with(attributes));
    assert!(catch_unwind(create).is_err());
    assert_eq!(store.count(), 0);
    session(&store);
}

#[test]
fn a_set_that_is_too_large_is_refused_and_changes_nothing() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(1_000));
    let id = session(&store);
    let large = "x".repeat(1_001);
    for (key, value) in [("user", large.as_str()), ("other", &large), (&large, "")] {
        match store.set(&id, key, value) {
            Err(SetError::TooLarge { size, limit }) => assert!(size > limit && limit == 1_000),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    assert_eq!(store.read(&id, |attributes| attributes.len()), Some(1));
    assert_eq!(store.count(), 1);
}

#[test]
fn the_size_limit_applies_to_the_session_and_not_to_the_value() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(1_000));
    let id = store.create().expect("there is room");
    let value = "x".repeat(100);
    let refused = (0..100).find(|key| store.set(&id, &key.to_string(), &value).is_err());
    let refused = refused.expect("100 values of 100 bytes are more than 1000 bytes");
    assert!((5..10).contains(&refused), "{refused} values fit");
    for key in 0..refused {
        assert_eq!(store.get(&id, &key.to_string()).as_deref(), Some(value.as_str()));
    }
    assert_eq!(store.get(&id, &refused.to_string()), None);
}

#[test]
fn a_shorter_value_makes_room_for_another() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(1_000));
    let half = "x".repeat(500);
    let id = store.create_with([("one", &half)]).expect("half fits");
    assert!(matches!(store.set(&id, "other", &half), Err(SetError::TooLarge { .. })));
    store.set(&id, "one", "short").expect("shorter than before");
    store.set(&id, "other", &half).expect("half fits");
    assert_eq!(store.get(&id, "one").as_deref(), Some("short"));
    assert_eq!(store.get(&id, "other").as_deref(), Some(half.as_str()));
}

#[test]
fn a_key_given_twice_counts_once_against_the_size_limit() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(1_000));
    let half = "x".repeat(500);
    let id = store.create_with([("blob", &half), ("blob", &half), ("blob", &half)]).expect("one half fits");
    assert_eq!(store.get(&id, "blob").as_deref(), Some(half.as_str()));
}

#[test]
fn refused_creations_do_not_affect_expiry() {
    let (store, clock) = store_with(|builder| builder.max_sessions(1).max_session_bytes(100));
    let id = session(&store);
    for _ in 0..3 {
        assert_full(&store);
        assert!(store.create_with([("blob", "x".repeat(200))]).is_err());
        clock.advance(TTL / 3);
    }
    clock.advance(Duration::from_millis(1));
    assert!(!store.exists(&id));
}
