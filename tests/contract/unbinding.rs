//! Taking a session from its principal, under a new id: a logout that keeps what the visitor may keep.

use cloakroom::{ManualClock, MissingError, Principal, RemovalCause, RotateError, SessionId, SessionStore, Timeouts};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{TICK, TTL, assert_gone, store, store_with};

fn ada() -> Principal {
    Principal::new("ada")
}

fn user(store: &SessionStore) -> SessionId {
    let attributes = [("name", "Ada"), ("basket", "3 apples"), ("language", "en"), ("role", "admin")];
    store.new_session().principal(ada()).create_with(attributes).expect("there is room")
}

#[test]
fn the_session_loses_its_principal_its_id_and_what_is_not_kept() {
    let (store, _) = store();
    let old = user(&store);
    let new = store.unbind(&old, |key| key == "basket" || key == "language").expect("it is live");
    assert_gone(&store, &old);
    assert_eq!((store.principal(&new), store.sessions_of(&ada())), (None, vec![]));
    let held =
        store.read(&new, |session| session.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    let held: Vec<(String, String)> = held.expect("it is live");
    let expected = [("basket", "3 apples"), ("language", "en")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(held, expected);
    assert_eq!(store.count(), 1);
    assert_eq!(store.end_sessions_of(&ada()), 0);
    assert!(store.exists(&new), "it is not one of hers");
}

#[test]
fn a_session_without_a_principal_is_treated_alike() {
    let (store, _) = store();
    let old = store.create_with([("basket", "3 apples"), ("draft", "x")]).expect("there is room");
    let new = store.unbind(&old, |key| key == "basket").expect("it is live");
    assert_gone(&store, &old);
    assert_eq!(store.keys(&new), Some(vec!["basket".to_owned()]));
}

#[test]
fn no_session_of_an_unknown_expired_or_ended_id_is_begun() {
    let (store, clock) = store();
    let missing = |id: &SessionId| store.unbind(id, |_| true);
    assert_eq!(missing(&SessionId::from_bytes([7; 32])), Err(RotateError::Missing(MissingError::NotFound)));
    let revoked = user(&store);
    store.end_sessions_of(&ada());
    assert_eq!(missing(&revoked), Err(RotateError::Missing(MissingError::NotFound)));
    let expired = user(&store);
    clock.advance(TTL + TICK);
    assert_eq!(missing(&expired), Err(RotateError::Missing(MissingError::Expired)));
    assert_eq!(store.count(), 0);
}

#[test]
fn the_new_session_has_the_timeouts_of_a_new_one_or_those_that_were_given() {
    let (store, clock) = store_with(|builder| builder.absolute_timeout(3 * TTL));
    let of_a_user = Timeouts::default().idle(9 * TTL).absolute(9 * TTL);
    let old = user(&store);
    store.set_timeouts(&old, of_a_user).expect("it is live");
    clock.advance(2 * TTL);
    let new = store.unbind(&old, |_| true).expect("it is live");
    assert_eq!(store.expires_in(&new), Some(TTL));
    let again = store.rotation(&new).timeouts(Timeouts::default().idle(9 * TTL)).unbind(|_| true).expect("it is live");
    assert_eq!(store.expires_in(&again), Some(3 * TTL), "the absolute timeout begins anew");
}

#[test]
fn a_grace_does_not_let_the_old_id_read() {
    let (store, _) = store();
    let old = user(&store);
    let new = store.rotation(&old).grace(TTL).unbind(|key| key == "basket").expect("it is live");
    assert_gone(&store, &old);
    assert!(store.exists(&new));
}

#[test]
fn it_needs_no_second_place_and_frees_the_principals() {
    let (store, _) = store_with(|builder| builder.max_sessions(1).max_sessions_per_principal(1));
    let old = user(&store);
    let new = store.unbind(&old, |key| key == "basket").expect("a full store is no hindrance");
    assert_eq!(store.count(), 1);
    assert!(store.create().is_err(), "the place is taken");
    let back = store.login(&new, &ada()).expect("she has room");
    assert_eq!(store.get(&back, "basket").as_deref(), Some("3 apples"));
}

#[test]
fn the_listener_is_told_that_the_users_session_was_deleted() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let builder = SessionStore::builder().on_removal(move |removal| {
        telling.lock().unwrap().push((removal.id, removal.cause, removal.principal));
    });
    let store = builder.build().expect("the settings are valid");
    let old = user(&store);
    let new = store.unbind(&old, |_| true).expect("it is live");
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), [(old, RemovalCause::Deleted, Some(ada()))]);
    store.delete(&new);
    assert_eq!(*told.lock().unwrap(), [(new, RemovalCause::Deleted, None)]);
    let stats = store.stats();
    assert_eq!((stats.created, stats.removed(RemovalCause::Deleted), stats.live), (2, 2, 0));
}

#[test]
fn a_panic_while_the_rest_is_chosen_leaves_the_session_as_it_was() {
    let (store, _) = store();
    let id = user(&store);
    let panics = || store.unbind(&id, |_| panic!("out of order"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert_eq!((store.sessions_of(&ada()), store.count()), (vec![id], 1));
    assert_eq!(store.get(&id, "role").as_deref(), Some("admin"));
}

#[test]
fn a_session_with_a_value_is_unbound_too() {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().clock(clock.clone()).build_typed::<(Option<&str>, u32)>();
    let store = builder.expect("the settings are valid");
    let old = store.new_session().principal(ada()).create_with((Some("Ada"), 3)).expect("there is room");
    let new = store.unbind_with(&old, |(_, basket)| (None, *basket)).expect("it is live");
    assert_eq!((store.exists(&old), store.principal(&new)), (false, None));
    assert_eq!(store.read(&new, |value| *value), Some((None, 3)));
}

/// One of them takes the session. The others find none, and no session of hers is left.
#[test]
fn of_many_concurrent_logouts_and_deletes_one_wins() {
    let (store, _) = store();
    for _ in 0..200 {
        let id = user(&store);
        let won = thread::scope(|scope| {
            let unbinds = [(); 2].map(|()| scope.spawn(|| store.unbind(&id, |key| key == "basket").is_ok()));
            let deletes = [(); 2].map(|()| scope.spawn(|| store.delete(&id)));
            let ended = scope.spawn(|| store.end_sessions_of(&ada()) == 1);
            let all = unbinds.into_iter().chain(deletes).chain([ended]);
            all.map(|thread| thread.join().expect("no panic")).filter(|won| *won).count()
        });
        assert_eq!((won, store.sessions_of(&ada())), (1, vec![]));
    }
    store.delete_where(|_| true);
    assert_eq!(store.count(), 0);
}
