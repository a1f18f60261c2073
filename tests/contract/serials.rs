//! Serial numbers tell two sessions of one id apart.

use std::sync::{Arc, Mutex};

use cloakroom::{ManualClock, RemovalCause, SessionId, SessionStore, Timeouts};

use crate::support::{TICK, TTL, session, store};

const ID: SessionId = SessionId::from_bytes([7; 32]);

fn insert(store: &SessionStore) {
    store.insert_with(&ID, Timeouts::default(), [("user", "ada")]).expect("the id is free");
}

#[test]
fn the_end_of_a_session_has_its_own_serial_when_its_id_is_inserted_again() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (clock, telling) = (ManualClock::new(), Arc::clone(&told));
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone());
    let store =
        store.on_removal(move |removal| telling.lock().unwrap().push((removal.id, removal.cause, removal.serial)));
    let store = store.build().expect("the settings are valid");
    insert(&store);
    let first = store.serial(&ID).expect("it is live");
    clock.advance(TTL + TICK);
    insert(&store);
    let second = store.serial(&ID).expect("it is live");
    assert_ne!(first, second);
    assert!(store.delete(&ID));
    let told = told.lock().unwrap();
    assert_eq!(*told, [(ID, RemovalCause::IdleTimeout, first), (ID, RemovalCause::Deleted, second)]);
}

#[test]
fn an_inserted_session_keeps_its_serial_when_it_changes() {
    let (store, _) = store();
    insert(&store);
    let serial = store.serial(&ID).expect("it is live");
    store.set(&ID, "user", "bob").expect("it is live");
    assert_eq!(store.serial(&ID), Some(serial));
    let mut shown = Vec::new();
    store.for_each(|view| shown.push((view.id(), view.serial())));
    assert_eq!(shown, [(ID, serial)]);
    let rotated = store.rotate_id(&ID).expect("it is live");
    assert_eq!(store.serial(&rotated), Some(serial));
}

#[test]
fn a_created_session_has_serial_zero() {
    let (store, _) = store();
    assert_eq!([session(&store), session(&store)].map(|id| store.serial(&id)), [Some(0); 2]);
}

#[test]
fn the_serial_of_a_missing_session_is_none_and_serial_touches_nothing() {
    let (store, clock) = store();
    let id = session(&store);
    assert_eq!(store.serial(&ID), None);
    clock.advance(TTL);
    assert!(store.serial(&id).is_some());
    clock.advance(TICK);
    assert_eq!(store.serial(&id), None);
}
