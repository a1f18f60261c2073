//! Logins on a session of another principal, and the cause of ends at a principal's limit.

use std::sync::{Arc, Mutex};

use cloakroom::{
    BindError, ManualClock, MissingError, Principal, RemovalCause, SessionConfig, SessionId, SessionStore, Timeouts,
    WhenPrincipalFull,
};

use crate::support::{TICK, TTL, assert_gone, session, store, store_with};

fn ada() -> Principal {
    Principal::new("ada")
}

fn eve() -> Principal {
    Principal::new("eve")
}

fn bound(store: &SessionStore, principal: Principal) -> SessionId {
    store.new_session().principal(principal).create_with([("user", "ada")]).expect("there is room")
}

#[test]
fn a_session_ended_for_its_principals_limit_has_its_own_cause() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (clock, telling) = (ManualClock::new(), Arc::clone(&told));
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone()).max_sessions_per_principal(1);
    let store = store.when_principal_full(WhenPrincipalFull::EndIdlest);
    let store = store.on_removal(move |removal| telling.lock().unwrap().push((removal.id, removal.cause)));
    let store = store.build().expect("the settings are valid");
    let first = bound(&store, ada());
    clock.advance(TICK);
    bound(&store, ada());
    assert_eq!(*told.lock().unwrap(), [(first, RemovalCause::PrincipalLimit)]);
    let stats = store.stats();
    let removed = [RemovalCause::PrincipalLimit, RemovalCause::Capacity].map(|cause| stats.removed(cause));
    assert_eq!(removed, [1, 0]);
}

#[test]
fn bind_refuses_a_session_of_another_principal_and_leaves_it_unchanged() {
    let (store, clock) = store();
    let hers = bound(&store, ada());
    clock.advance(TTL);
    assert_eq!(store.bind(&hers, &eve()), Err(BindError::OtherPrincipal));
    assert_eq!(store.rotation(&hers).grace(TTL).bind(&eve()), Err(BindError::OtherPrincipal));
    assert_eq!((store.sessions_of(&ada()), store.sessions_of(&eve())), (vec![hers], vec![]));
    assert_eq!((store.principal(&hers), store.count()), (Some(ada()), 1));
    clock.advance(TICK);
    assert!(!store.exists(&hers), "the refused bind has touched the session");
}

#[test]
fn a_refused_bind_ends_no_session_of_the_other_principal() {
    let (store, _) =
        store_with(|builder| builder.max_sessions_per_principal(1).when_principal_full(WhenPrincipalFull::EndIdlest));
    let (hers, others) = (bound(&store, ada()), bound(&store, eve()));
    assert_eq!(store.bind(&hers, &eve()), Err(BindError::OtherPrincipal));
    assert_eq!((store.sessions_of(&ada()), store.sessions_of(&eve())), (vec![hers], vec![others]));
}

#[test]
fn a_login_of_a_visitor_or_of_the_same_principal_keeps_the_attributes_under_a_new_id() {
    let (store, _) = store();
    let visitor = session(&store);
    let first = store.login(&visitor, &ada()).expect("it is live");
    assert_gone(&store, &visitor);
    let second = store.login(&first, &ada()).expect("it is live");
    assert_gone(&store, &first);
    assert_eq!(store.get(&second, "user").as_deref(), Some("ada"));
    assert_eq!((store.sessions_of(&ada()), store.count()), (vec![second], 1));
}

#[test]
fn a_login_on_another_principals_session_ends_it_and_begins_an_empty_one() {
    let (store, _) = store();
    let hers = bound(&store, ada());
    let id = store.login(&hers, &eve()).expect("it is live");
    assert_gone(&store, &hers);
    assert_eq!((store.keys(&id), store.principal(&id)), (Some(vec![]), Some(eve())));
    assert_eq!((store.sessions_of(&ada()), store.sessions_of(&eve())), (vec![], vec![id]));
    assert_eq!(store.count(), 1);
}

#[test]
fn a_refused_login_leaves_the_session_unchanged() {
    let (store, clock) = store_with(|builder| builder.max_sessions_per_principal(1));
    let (hers, others, visitor) = (bound(&store, ada()), bound(&store, eve()), session(&store));
    assert_eq!(store.login(&hers, &eve()), Err(BindError::PrincipalFull));
    assert_eq!(store.login(&visitor, &eve()), Err(BindError::PrincipalFull));
    assert_eq!(store.login(&SessionId::from_bytes([7; 32]), &eve()), Err(BindError::Missing(MissingError::NotFound)));
    assert!([hers, others, visitor].iter().all(|id| store.exists(id)));
    assert_eq!(store.sessions_of(&ada()), [hers]);
    clock.advance(TTL + TICK);
    assert_eq!(store.login(&visitor, &ada()), Err(BindError::Missing(MissingError::Expired)));
}

#[test]
fn a_login_on_a_typed_session_shows_the_value_only_to_its_principal() {
    let store = SessionStore::<Vec<u32>>::typed(SessionConfig::default());
    let append = |current: Option<&Vec<u32>>| {
        let shown = current.map_or(0, |numbers| numbers.len() as u32 + 1);
        [current.cloned().unwrap_or_default(), vec![shown]].concat()
    };
    let read = |id: &SessionId| store.read(id, Vec::clone);
    let visitor = store.create_with(vec![7]).expect("there is room");
    let first = store.login_with(&visitor, &ada(), append).expect("it is live");
    assert_eq!((read(&visitor), read(&first)), (None, Some(vec![7, 2])));
    let second = store.login_with(&first, &ada(), append).expect("it is live");
    assert_eq!((read(&first), read(&second)), (None, Some(vec![7, 2, 3])));
    let third = store.login_with(&second, &eve(), append).expect("it is live");
    assert_eq!((read(&second), read(&third)), (None, Some(vec![0])));
    assert_eq!((store.sessions_of(&ada()), store.sessions_of(&eve())), (vec![], vec![third]));
    assert_eq!(store.count(), 1);
}

#[test]
fn a_login_with_timeouts_sets_them_on_a_kept_and_on_a_new_session() {
    let (store, clock) = store();
    let short = Timeouts::default().absolute(TTL / 2);
    let visitor = session(&store);
    let hers = store.rotation(&visitor).timeouts(short).login(&ada()).expect("it is live");
    assert_eq!((store.expires_in(&hers), store.get(&hers, "user").as_deref()), (Some(TTL / 2), Some("ada")));
    clock.advance(TTL / 4);
    let rotated = store.rotate_id(&hers).expect("it is live");
    assert_eq!(store.expires_in(&rotated), Some(TTL / 4), "what is not given stays");
    let others = store.rotation(&rotated).timeouts(short).login(&eve()).expect("it is live");
    assert_eq!((store.expires_in(&others), store.keys(&others)), (Some(TTL / 2), Some(vec![])));
}

#[test]
fn a_grace_never_forwards_from_one_principals_id_to_anothers_session() {
    let (store, _) = store();
    let (visitor, grace) = (session(&store), TTL / 2);
    let hers = store.rotation(&visitor).grace(grace).login(&ada()).expect("it is live");
    assert_eq!(store.principal(&visitor), Some(ada()));
    let others = store.rotation(&hers).grace(grace).login(&eve()).expect("it is live");
    for id in [visitor, hers] {
        assert_gone(&store, &id);
    }
    assert_eq!((store.principal(&others), store.count()), (Some(eve()), 1));
}
