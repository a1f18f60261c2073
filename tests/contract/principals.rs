//! Sessions bound to a principal: listing them, and ending them together.

use cloakroom::{
    BindError, Clock, CreateError, ManualClock, MissingError, Principal, RemovalCause, SessionId, SessionStore,
    WhenPrincipalFull,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{TICK, TTL, assert_gone, session, store, store_with};

fn ada() -> Principal {
    Principal::new("ada")
}

fn login(store: &SessionStore, principal: Principal) -> SessionId {
    store.new_session().principal(principal).create_with([("user", "ada")]).expect("there is room")
}

#[test]
fn sessions_are_listed_by_their_principal_in_the_order_of_their_creation() {
    let (store, _) = store();
    let (first, second) = (login(&store, ada()), login(&store, ada()));
    let eve = login(&store, Principal::new("eve"));
    session(&store);
    assert_eq!(store.sessions_of(&ada()), [first, second]);
    assert_eq!(store.sessions_of(&Principal::new("eve")), [eve]);
    assert_eq!(store.sessions_of(&Principal::new("bob")), []);
    assert_eq!((store.principal(&first), store.principal(&eve)), (Some(ada()), Some(Principal::new("eve"))));
}

#[test]
fn a_session_without_a_principal_has_none() {
    let (store, _) = store();
    assert_eq!(store.principal(&session(&store)), None);
    assert_eq!(store.principal(&SessionId::from_bytes([7; 32])), None);
}

#[test]
fn an_ended_session_is_not_listed() {
    let (store, clock) = store();
    let ids: Vec<_> = (0..4).map(|_| login(&store, ada())).collect();
    store.delete(&ids[0]);
    assert_eq!(store.sessions_of(&ada()), ids[1..]);
    let rotated = store.rotate_id(&ids[1]).expect("it is live");
    assert_eq!(store.sessions_of(&ada()), [rotated, ids[2], ids[3]], "a rotated session keeps its turn");
    clock.advance(TTL);
    store.touch(&ids[2]);
    clock.advance(TICK);
    assert_eq!(store.evict_expired(), 2);
    assert_eq!(store.sessions_of(&ada()), [ids[2]]);
}

#[test]
fn sessions_of_and_principal_touch_no_session() {
    let (store, clock) = store();
    let id = login(&store, ada());
    clock.advance(TTL);
    assert_eq!((store.sessions_of(&ada()), store.principal(&id)), (vec![id], Some(ada())));
    clock.advance(TICK);
    assert_eq!((store.sessions_of(&ada()), store.principal(&id)), (vec![], None));
}

#[test]
fn all_sessions_of_a_principal_end_at_once_and_no_others() {
    let (store, _) = store();
    let ids: Vec<_> = (0..100).map(|_| login(&store, ada())).collect();
    let others = [login(&store, Principal::new("eve")), session(&store)];
    assert_eq!(store.end_sessions_of(&ada()), 100);
    ids.iter().for_each(|id| assert_gone(&store, id));
    assert!(others.iter().all(|id| store.exists(id)));
    assert_eq!((store.end_sessions_of(&ada()), store.count()), (0, 2));
}

#[test]
fn all_sessions_but_one_end_and_the_kept_one_may_be_another_principals() {
    let (store, _) = store();
    let ids: Vec<_> = (0..3).map(|_| login(&store, ada())).collect();
    assert_eq!(store.end_other_sessions_of(&ada(), &ids[1]), 2);
    assert_eq!(store.sessions_of(&ada()), [ids[1]]);
    let eve = login(&store, Principal::new("eve"));
    assert_eq!(store.end_other_sessions_of(&ada(), &eve), 1);
    assert_eq!((store.sessions_of(&ada()), store.exists(&eve)), (vec![], true));
}

#[test]
fn binding_gives_a_new_id_and_keeps_the_attributes() {
    let (store, _) = store();
    let visitor = session(&store);
    let id = store.bind(&visitor, &ada()).expect("it is live");
    assert_gone(&store, &visitor);
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    assert_eq!((store.sessions_of(&ada()), store.count()), (vec![id], 1));
}

#[test]
fn a_session_of_another_principal_is_not_bound() {
    let (store, _) = store();
    let (hers, eve) = (login(&store, ada()), Principal::new("eve"));
    assert_eq!(store.bind(&hers, &eve), Err(BindError::OtherPrincipal));
    assert_eq!((store.sessions_of(&ada()), store.sessions_of(&eve)), (vec![hers], vec![]));
    let again = store.bind(&hers, &ada()).expect("it is live");
    assert_eq!(store.sessions_of(&ada()), [again]);
}

#[test]
fn binding_a_missing_session_is_refused_and_ends_no_session() {
    let one = |builder: cloakroom::SessionStoreBuilder| {
        builder.max_sessions_per_principal(1).when_principal_full(WhenPrincipalFull::EndIdlest)
    };
    let (store, clock) = store_with(one);
    let visitor = session(&store);
    clock.advance(TTL + TICK);
    let hers = login(&store, ada());
    assert_eq!(store.bind(&visitor, &ada()), Err(BindError::Missing(MissingError::Expired)));
    assert_eq!(store.bind(&visitor, &ada()), Err(BindError::Missing(MissingError::NotFound)));
    assert_eq!(store.sessions_of(&ada()), [hers]);
}

/// Stands still for some readings, and then jumps beyond the timeout.
#[derive(Clone, Default)]
struct Leaping(Arc<AtomicUsize>);

impl Clock for Leaping {
    fn now(&self) -> Duration {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { TTL + TICK } else { Duration::ZERO }
    }
}

#[test]
fn binding_a_session_that_expires_in_between_takes_no_place() {
    let clock = Leaping::default();
    let builder = SessionStore::builder().ttl(TTL).max_sessions_per_principal(1).clock(clock.clone());
    let store = builder.build().expect("the settings are valid");
    let mut refused = 0;
    for readings in 0..6 {
        clock.0.store(usize::MAX, Ordering::Relaxed);
        let visitor = session(&store);
        clock.0.store(readings, Ordering::Relaxed);
        let bound = store.bind(&visitor, &ada());
        clock.0.store(usize::MAX, Ordering::Relaxed);
        match bound {
            Ok(id) => assert!(store.delete(&id)),
            Err(error) => assert_eq!(error, BindError::Missing(MissingError::Expired)),
        }
        refused += usize::from(bound.is_err());
        assert!(store.delete(&login(&store, ada())), "its place is free");
    }
    assert!((2..6).contains(&refused), "of six, {refused} expired");
}

#[test]
fn a_login_beyond_the_limit_is_refused_and_changes_nothing() {
    let (store, _) = store_with(|builder| builder.max_sessions_per_principal(2));
    let ids = [login(&store, ada()), login(&store, ada())];
    assert_eq!(store.new_session().principal(ada()).create(), Err(CreateError::PrincipalFull));
    let visitor = session(&store);
    assert_eq!(store.bind(&visitor, &ada()), Err(BindError::PrincipalFull));
    assert!(store.exists(&visitor));
    assert_eq!((store.sessions_of(&ada()), store.count()), (ids.to_vec(), 3));
    login(&store, Principal::new("eve"));
    store.delete(&ids[0]);
    login(&store, ada());
}

#[test]
fn rotating_and_rebinding_a_session_takes_no_second_place() {
    let (store, _) = store_with(|builder| builder.max_sessions_per_principal(1));
    let id = login(&store, ada());
    let id = store.rotate_id(&id).expect("it is live");
    let id = store.bind(&id, &ada()).expect("it is live");
    let id = store.rotation(&id).grace(TTL).rotate().expect("it is live");
    assert_eq!(store.sessions_of(&ada()), [id]);
}

#[test]
fn an_expired_session_frees_its_principals_place_without_an_eviction() {
    let (store, clock) = store_with(|builder| builder.max_sessions_per_principal(1));
    login(&store, ada());
    clock.advance(TTL + TICK);
    let id = login(&store, ada());
    assert_eq!(store.sessions_of(&ada()), [id]);
}

#[test]
fn the_session_with_the_oldest_touch_makes_room_under_end_idlest() {
    let policy = WhenPrincipalFull::EndIdlest;
    let (store, clock) = store_with(|builder| builder.max_sessions_per_principal(2).when_principal_full(policy));
    let (first, second) = (login(&store, ada()), login(&store, ada()));
    clock.advance(TICK);
    store.touch(&first);
    let third = login(&store, ada());
    assert_gone(&store, &second);
    assert_eq!(store.sessions_of(&ada()), [first, third]);
}

#[test]
fn an_old_id_in_grace_ends_with_the_sessions_of_its_principal() {
    let (store, _) = store();
    let old = login(&store, ada());
    let new = store.rotation(&old).grace(TTL).rotate().expect("it is live");
    assert!(store.exists(&old));
    assert_eq!(store.end_sessions_of(&ada()), 1);
    assert!(!store.exists(&old) && !store.exists(&new));
}

#[test]
fn the_listener_receives_the_principal_for_every_cause() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (clock, telling) = (ManualClock::new(), Arc::clone(&told));
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone()).max_sessions_per_principal(2);
    let store = store.when_principal_full(WhenPrincipalFull::EndIdlest);
    let store = store.on_removal(move |removal| telling.lock().unwrap().push((removal.cause, removal.principal)));
    let store = store.build().expect("the settings are valid");
    let first = login(&store, ada());
    clock.advance(TICK);
    login(&store, ada());
    clock.advance(TICK);
    let third = login(&store, ada());
    assert_gone(&store, &first);
    store.delete(&third);
    store.end_sessions_of(&ada());
    let causes = [RemovalCause::PrincipalLimit, RemovalCause::Deleted, RemovalCause::Principal];
    assert_eq!(*told.lock().unwrap(), causes.map(|cause| (cause, Some(ada()))));
}

/// Logins, rotations and logouts run while all sessions are ended again and again: every session from before such a
/// call has ended after it.
#[test]
fn no_session_from_before_survives_end_sessions_of() {
    let rounds = if cfg!(debug_assertions) { 300 } else { 3_000 };
    let (store, _) = store_with(|builder| builder.shards(1));
    for _ in 0..rounds {
        let before: Vec<_> = (0..4).map(|_| login(&store, ada())).collect();
        let rotated = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for id in &before[..2] {
                let rotated = &rotated;
                let store = &store;
                scope.spawn(move || {
                    let mut id = *id;
                    while let Ok(next) = store.rotate_id(&id) {
                        rotated.lock().unwrap().push(next);
                        id = next;
                    }
                });
            }
            scope.spawn(|| store.end_sessions_of(&ada()));
            store.end_sessions_of(&ada());
            assert!(before.iter().all(|id| !store.exists(id)));
        });
        // The rotating threads have stopped, so their sessions have ended.
        assert!(rotated.lock().unwrap().iter().all(|id| !store.exists(id)));
        assert_eq!((store.sessions_of(&ada()), store.count()), (vec![], 0));
    }
}

#[test]
fn many_logins_at_once_never_exceed_the_limit() {
    for policy in [WhenPrincipalFull::Refuse, WhenPrincipalFull::EndIdlest] {
        let (store, _) = store_with(|builder| builder.max_sessions_per_principal(3).when_principal_full(policy));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..300 {
                        let id = store.new_session().principal(ada()).create();
                        assert!(store.sessions_of(&ada()).len() <= 3);
                        if let (0, Ok(id)) = (round % 3, id) {
                            store.delete(&id);
                        }
                    }
                });
            }
        });
        assert_eq!(store.sessions_of(&ada()).len(), store.count());
        assert!((1..=3).contains(&store.count()), "{} with {policy:?}", store.count());
    }
}
