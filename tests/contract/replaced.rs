//! Ids that were replaced or logged out: a look-up tells them from unknown ones for a while.

use std::time::Duration;

use cloakroom::{MissingError, Principal, SessionId, SessionStore};

use crate::support::{TICK, TTL, session, store, store_with};

const REMEMBERED: Duration = Duration::from_secs(60);

fn told(store: &SessionStore, id: &SessionId) -> MissingError {
    store.lookup(id, |_| ()).expect_err("the id is dead")
}

#[test]
fn a_rotated_id_is_told_from_an_unknown_one_for_a_minute_and_no_longer() {
    let (store, clock) = store();
    let old = session(&store);
    let new = store.rotate_id(&old).expect("it is live");
    assert_eq!(told(&store, &old), MissingError::Replaced);
    assert!(!store.exists(&old) && store.get(&old, "user").is_none() && store.set(&old, "a", "b").is_err());
    clock.advance(REMEMBERED);
    assert_eq!(told(&store, &old), MissingError::Replaced);
    assert!(store.touch(&new));
    clock.advance(TICK);
    assert_eq!(told(&store, &old), MissingError::NotFound);
    assert!(store.exists(&new));
}

#[test]
fn the_id_from_before_a_login_is_told_and_so_is_that_of_another_principal() {
    let (store, _) = store();
    let visitor = session(&store);
    let ada = store.login(&visitor, &Principal::new("ada")).expect("it is live");
    let eve = store.login(&ada, &Principal::new("eve")).expect("it is live");
    assert_eq!([told(&store, &visitor), told(&store, &ada)], [MissingError::Replaced; 2]);
    assert!(store.exists(&eve));
}

#[test]
fn a_logout_that_asks_for_it_is_told_and_a_delete_is_not() {
    let (store, _) = store();
    let (one, other) = (session(&store), session(&store));
    assert!(store.log_out(&one) && store.delete(&other));
    assert_eq!((told(&store, &one), told(&store, &other)), (MissingError::LoggedOut, MissingError::NotFound));
    // An id that names no session is not remembered, so a client cannot fill the memory with ids of its own.
    let unknown = SessionId::from_bytes([7; 32]);
    assert!(!store.log_out(&unknown));
    assert_eq!((told(&store, &unknown), store.stats().remembered), (MissingError::NotFound, 1));
}

#[test]
fn an_expired_id_is_remembered_if_a_login_has_replaced_it() {
    let (store, clock) = store();
    let expired = session(&store);
    clock.advance(TTL + TICK);
    store.remember_replaced(&expired);
    assert_eq!(told(&store, &expired), MissingError::Replaced);
    let live = session(&store);
    store.remember_replaced(&live);
    assert!(store.delete(&live));
    assert_eq!(told(&store, &live), MissingError::NotFound);
}

#[test]
fn remembered_ids_are_no_sessions_and_are_swept() {
    let (store, clock) = store_with(|builder| builder.max_sessions(1));
    let mut id = session(&store);
    for rotations in 1..=50 {
        id = store.rotate_id(&id).expect("it is live");
        assert_eq!((store.count(), store.stats().remembered), (1, rotations));
    }
    clock.advance(REMEMBERED + TICK);
    assert_eq!(store.evict_expired(), 1, "remembered ids are not counted");
    assert_eq!(store.stats().remembered, 0);

    let id = session(&store);
    store.rotate_id(&id).expect("it is live");
    clock.advance(REMEMBERED + TICK);
    while !store.evict_expired_within(Duration::from_secs(20)).complete {}
    assert_eq!(store.stats().remembered, 0);
}

#[test]
fn a_flood_of_rotations_is_remembered_within_bounds_and_the_latest_first() {
    let (store, clock) = store();
    let mut last = session(&store);
    for _ in 0..70_000 {
        last = store.rotate_id(&last).expect("it is live");
    }
    assert_eq!(store.stats().remembered, 65_536);
    clock.advance(TICK);
    let next = store.rotate_id(&last).expect("it is live");
    assert_eq!(told(&store, &last), MissingError::Replaced);
    assert!(store.exists(&next));
}

#[test]
fn a_store_that_remembers_nothing_tells_nothing() {
    let (store, _) = store_with(|builder| builder.remember_replaced(Duration::ZERO));
    let (old, out) = (session(&store), session(&store));
    store.rotate_id(&old).expect("it is live");
    assert!(store.log_out(&out));
    assert_eq!([told(&store, &old), told(&store, &out)], [MissingError::NotFound; 2]);
    assert_eq!((store.stats().remembered, store.stats().replays), (0, 0));
}

#[test]
fn each_lookup_of_a_replaced_id_is_counted() {
    let (store, _) = store();
    let old = session(&store);
    let new = store.rotate_id(&old).expect("it is live");
    assert_eq!(store.stats().replays, 0);
    for replays in 1..=3 {
        let _ = told(&store, &old);
        assert_eq!(store.lookup(&new, |_| ()), Ok(()));
        let _ = told(&store, &SessionId::from_bytes([7; 32]));
        assert_eq!(store.stats().replays, replays);
    }
}
