//! Sessions that are held in use.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Hold, Principal, Timeouts, WhenFull, WhenPrincipalFull};

use crate::support::{TICK, TTL, session, store, store_with};

#[test]
fn a_held_session_does_not_expire_for_being_idle() {
    let (store, clock) = store();
    let (id, other) = (session(&store), session(&store));
    let hold = Hold::new(&store, &id).expect("it is live");
    clock.advance(100 * TTL);
    assert_eq!(store.evict_expired(), 1, "the other one");
    assert!(store.exists(&id) && !store.exists(&other));
    clock.advance(TTL + TICK);
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    clock.advance(TTL + TICK);
    drop(hold);
    clock.advance(TTL);
    assert!(store.exists(&id), "the idle timeout begins with the end of the hold");
    clock.advance(TICK);
    assert!(!store.exists(&id));
}

#[test]
fn the_absolute_timeout_ends_a_held_session() {
    let (store, clock) = store();
    let id = session(&store);
    store.set_timeouts(&id, Timeouts::default().absolute(3 * TTL)).expect("it is live");
    let hold = Hold::new(&store, &id).expect("it is live");
    clock.advance(3 * TTL);
    assert!(hold.is_live());
    clock.advance(TICK);
    assert!(!hold.is_live());
    assert_eq!(store.count(), 0);
}

#[test]
fn a_revocation_ends_a_held_session_at_once() {
    let (store, _) = store();
    let ada = Principal::new("ada");
    let deleted = session(&store);
    let revoked = store.new_session().principal(ada).create().expect("there is room");
    let holds = [&deleted, &revoked].map(|id| Hold::new(&store, id).expect("it is live"));
    assert!(store.delete(&deleted) && store.end_sessions_of(&ada) == 1);
    assert!(holds.iter().all(|hold| !hold.is_live()));
    drop(holds);
    assert_eq!(store.count(), 0);
}

#[test]
fn the_last_of_several_holds_counts() {
    let clock = cloakroom::ManualClock::new();
    let store = cloakroom::SessionStore::builder().ttl(TTL).clock(clock.clone()).build().expect("valid settings");
    let store = Arc::new(store);
    let id = session(&store);
    let [one, two] = [(); 2].map(|()| Hold::new(Arc::clone(&store), &id).expect("it is live"));
    drop(one);
    clock.advance(2 * TTL);
    assert!(store.exists(&id));
    drop(two);
    clock.advance(TTL + TICK);
    assert!(!store.exists(&id));
}

#[test]
fn there_is_no_hold_on_a_session_that_is_not_there() {
    let (store, clock) = store();
    let id = session(&store);
    clock.advance(TTL + TICK);
    assert!(Hold::new(&store, &id).is_none());
    assert!(!store.exists(&id) && store.count() == 0);
    assert!(format!("{:?}", Hold::new(&store, &session(&store))).contains("Hold(..)"));
}

#[test]
fn a_held_session_is_not_the_idlest_one() {
    let full = |builder: cloakroom::SessionStoreBuilder| {
        builder.max_sessions(2).when_full(WhenFull::EndIdlest).max_sessions_per_principal(2)
    };
    let (store, clock) = store_with(|builder| full(builder).when_principal_full(WhenPrincipalFull::EndIdlest));
    let ada = Principal::new("ada");
    let create = || store.new_session().principal(ada).create().expect("another one makes room");
    let held = create();
    let hold = Hold::new(&store, &held).expect("it is live");
    for _ in 0..10 {
        clock.advance(Duration::from_secs(1));
        let other = create();
        assert!(store.exists(&held) && store.exists(&other));
        clock.advance(Duration::from_secs(1));
        let visitor = session(&store);
        assert!(store.exists(&held) && store.exists(&visitor) && !store.exists(&other));
    }
    drop(hold);
}
