//! Sessions under ids of the caller, and the replacement of a session's whole content.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{Attributes, InsertError, ManualClock, MissingError, Principal, SessionStore, SetError, WhenFull};

use crate::support::{ADA, EVE, TICK, TTL, assert_gone, crowd, id, session, store, store_with, user, usual};

#[test]
fn every_operation_works_on_an_inserted_session() {
    let (store, clock) = store();
    store.insert_with(&id(1), usual(), ADA).expect("the id is free");
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
    store.set(&id(1), "theme", "dark").expect("it is live");
    assert_eq!((store.count(), store.stats().created), (1, 1));
    clock.advance(TTL + TICK);
    assert_eq!(store.evict_expired(), 1);
    assert_gone(&store, &id(1));
}

#[test]
fn a_live_session_is_neither_replaced_nor_touched() {
    let (store, clock) = store();
    store.insert_with(&id(1), usual(), ADA).expect("the id is free");
    let created = session(&store);
    clock.advance(TTL);
    for taken in [id(1), created] {
        assert_eq!(store.insert_with(&taken, usual(), EVE), Err(InsertError::Occupied));
        assert_eq!(store.expires_in(&taken), Some(Duration::ZERO));
    }
    assert_eq!((store.count(), store.stats().created), (2, 2));
    clock.advance(TICK);
    assert_eq!(user(&store, &id(1)), None);
}

#[test]
fn an_expired_session_does_not_occupy_its_id() {
    let (store, clock) = store();
    store.insert_with(&id(1), usual(), [("user", "ada"), ("theme", "dark")]).expect("the id is free");
    clock.advance(TTL + TICK);
    store.insert_with(&id(1), usual(), EVE).expect("the session has expired");
    assert_eq!(store.read(&id(1), Attributes::len), Some(1));
    assert_eq!(user(&store, &id(1)).as_deref(), Some("eve"));
    assert_eq!(store.count(), 1);
}

#[test]
fn a_session_inserted_under_a_deleted_id_has_nothing_of_the_former() {
    let (store, clock) = store();
    let hour = usual().idle(60 * TTL);
    store.insert_with(&id(1), hour, [("user", "ada"), ("theme", "dark")]).expect("the id is free");
    assert!(store.delete(&id(1)));
    store.insert_with(&id(1), usual(), EVE).expect("the id is free");
    assert_eq!(store.get(&id(1), "theme"), None);
    clock.advance(TTL + TICK);
    assert!(!store.exists(&id(1)));
}

#[test]
fn a_forwarding_id_is_occupied_until_its_grace_is_over() {
    let (store, clock) = store();
    store.insert_with(&id(1), usual(), ADA).expect("the id is free");
    let new = store.rotation(&id(1)).grace(Duration::from_secs(5)).rotate().expect("it is live");
    assert_eq!(store.insert_with(&id(1), usual(), EVE), Err(InsertError::Occupied));
    clock.advance(Duration::from_secs(5) + TICK);
    store.insert_with(&id(1), usual(), EVE).expect("the grace is over");
    assert_eq!((user(&store, &id(1)), user(&store, &new)), (Some("eve".to_owned()), Some("ada".to_owned())));
}

#[test]
fn an_inserted_session_has_the_timeouts_it_is_given() {
    let (store, clock) = store_with(|builder| builder.absolute_timeout(3 * TTL));
    store.insert_with(&id(1), usual().absolute(TTL / 2), ADA).expect("the id is free");
    store.insert_with(&id(2), usual().idle(2 * TTL), ADA).expect("the id is free");
    store.insert_with(&id(3), usual(), ADA).expect("the id is free");
    let left = [1, 2, 3].map(|byte| store.expires_in(&id(byte)));
    assert_eq!(left, [Some(TTL / 2), Some(2 * TTL), Some(TTL)]);
    clock.advance(2 * TTL);
    assert_eq!([1, 2, 3].map(|byte| store.touch(&id(byte))), [false, true, false]);
    clock.advance(TTL + TICK);
    assert!(!store.exists(&id(2)), "the store's absolute timeout holds for it as well");
}

#[test]
fn a_full_store_refuses_an_insert_and_reports_an_occupied_id() {
    let (store, clock) = store_with(|builder| builder.max_sessions(2));
    store.insert_with(&id(1), usual(), ADA).expect("there is room");
    session(&store);
    assert_eq!(store.insert_with(&id(2), usual(), EVE), Err(InsertError::Full));
    assert_eq!(store.insert_with(&id(1), usual(), EVE), Err(InsertError::Occupied));
    assert_eq!((store.count(), store.stats().rejected_full), (2, 1));
    clock.advance(TTL + TICK);
    store.insert_with(&id(2), usual(), EVE).expect("expired sessions make room");
}

#[test]
fn an_insert_of_an_occupied_id_ends_no_session() {
    let (store, clock) = store_with(|builder| builder.max_sessions(8).when_full(WhenFull::EndIdlest));
    crowd(&store, 7);
    clock.advance(TICK);
    store.insert_with(&id(1), usual(), ADA).expect("there is room");
    assert_eq!(store.insert_with(&id(1), usual(), EVE), Err(InsertError::Occupied));
    assert_eq!(store.count(), 8);
    store.insert_with(&id(2), usual(), EVE).expect("the idlest makes room");
    assert_eq!((store.count(), store.exists(&id(1))), (8, true));
}

#[test]
fn attributes_that_are_too_large_are_refused() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(16).max_sessions(1));
    let large = [("biography", "a long story")];
    let refused = store.insert_with(&id(1), usual(), large);
    assert_eq!(refused, Err(InsertError::TooLarge { size: 23, limit: 16 }));
    assert_eq!((store.count(), store.stats().rejected_too_large), (0, 1));
    store.insert_with(&id(1), usual(), ADA).expect("the refused one has taken no place");
    assert_eq!(store.replace_with(&id(1), usual(), large), Err(SetError::TooLarge { size: 23, limit: 16 }));
    assert_eq!(user(&store, &id(1)).as_deref(), Some("ada"));
}

#[test]
fn an_inserted_session_has_no_principal_until_it_is_bound() {
    let (store, _) = store();
    store.insert_with(&id(1), usual(), ADA).expect("the id is free");
    assert_eq!(store.principal(&id(1)), None);
    let ada = Principal::new("ada");
    let bound = store.bind(&id(1), &ada).expect("it is live");
    assert_eq!(store.sessions_of(&ada), [bound]);
    store.insert_with(&id(1), usual(), EVE).expect("the id is free again");
    assert_eq!(store.end_sessions_of(&ada), 1);
    assert_eq!(user(&store, &id(1)).as_deref(), Some("eve"));
}

#[test]
fn one_of_several_threads_that_insert_one_id_succeeds() {
    let (store, _) = store();
    for round in 0..200 {
        let inserted = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| match store.insert_with(&id(round), usual(), ADA) {
                    Ok(()) => _ = inserted.fetch_add(1, Ordering::Relaxed),
                    Err(error) => assert_eq!(error, InsertError::Occupied),
                });
            }
        });
        assert_eq!((inserted.into_inner(), store.count()), (1, usize::from(round) + 1));
    }
}

/// In each round one thread ends the session and another inserts one: the ended session is never seen again.
#[test]
fn a_deleted_session_stays_deleted_while_its_id_is_inserted_again() {
    let (store, _) = store();
    store.insert_with(&id(1), usual(), [("turn", "0")]).expect("the id is free");
    for turn in 1..500_u32 {
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(store.delete(&id(1)));
                let seen = store.get(&id(1), "turn");
                assert!(seen.is_none_or(|seen| seen == turn.to_string()), "a deleted session is back");
            });
            scope.spawn(|| while store.insert_with(&id(1), usual(), [("turn", turn.to_string())]).is_err() {});
        });
        assert_eq!(store.get(&id(1), "turn"), Some(turn.to_string()));
    }
    assert_eq!(store.count(), 1);
}

#[test]
fn a_replaced_session_has_only_the_new_attributes_and_timeouts() {
    let (store, clock) = store();
    let id = store.create_with([("user", "ada"), ("theme", "dark")]).expect("there is room");
    let before = store.version(&id);
    clock.advance(TTL);
    store.replace_with(&id, usual().absolute(3 * TTL), EVE).expect("it is live");
    assert_eq!(store.read(&id, Attributes::len), Some(1));
    assert_eq!(user(&store, &id).as_deref(), Some("eve"));
    assert_ne!(store.version(&id), before);
    for _ in 0..3 {
        assert_eq!(store.expires_in(&id), Some(TTL));
        clock.advance(TTL);
        assert!(store.touch(&id));
    }
    clock.advance(TICK);
    assert_eq!(store.replace_with(&id, usual(), EVE), Err(SetError::Missing(MissingError::Expired)));
    assert_eq!(store.replace_with(&id, usual(), EVE), Err(SetError::Missing(MissingError::NotFound)));
}

#[test]
fn a_replacement_keeps_timeouts_that_are_not_given() {
    let (store, clock) = store();
    store.insert_with(&id(1), usual().absolute(2 * TTL), ADA).expect("the id is free");
    clock.advance(TTL / 2);
    store.replace_with(&id(1), usual(), EVE).expect("it is live");
    store.replace_with(&id(1), usual().idle(Duration::MAX), EVE).expect("it is live");
    assert_eq!(store.expires_in(&id(1)), Some(2 * TTL - TTL / 2));
}

#[test]
fn a_replacement_never_creates_a_session() {
    let (store, _) = store();
    assert_eq!(store.replace_with(&id(1), usual(), ADA), Err(SetError::Missing(MissingError::NotFound)));
    assert_gone(&store, &id(1));
}

#[test]
fn typed_sessions_are_inserted_and_replaced() {
    let clock = ManualClock::new();
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone()).build_typed::<Vec<u32>>();
    let store = store.expect("the settings are valid");
    store.insert_with(&id(1), usual().absolute(TTL / 2), vec![7]).expect("the id is free");
    assert_eq!(store.insert_with(&id(1), usual(), vec![8]), Err(InsertError::Occupied));
    let push = |before: &Vec<u32>| [&before[..], &[9]].concat();
    store.replace_with(&id(1), usual().absolute(2 * TTL), push).expect("it is live");
    assert_eq!(store.read(&id(1), Vec::clone), Some(vec![7, 9]));
    clock.advance(TTL);
    assert!(store.exists(&id(1)));
    clock.advance(TICK);
    assert_eq!(store.replace_with(&id(1), usual(), push), Err(MissingError::Expired));
    assert_eq!(store.replace_with(&id(1), usual(), push), Err(MissingError::NotFound));
    store.insert_with(&id(1), usual(), vec![8]).expect("the session has ended");
    assert_eq!(store.read(&id(1), Vec::clone), Some(vec![8]));
}
