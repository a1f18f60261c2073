//! Logins at the limit of a principal, and the order in which a principal's sessions are listed.

use cloakroom::{
    BindError, CreateError, ManualClock, Principal, SessionId, SessionStore, SessionStoreBuilder, WhenFull,
    WhenPrincipalFull,
};

use crate::support::{TICK, TTL, assert_gone, session, store, store_with};

fn ada() -> Principal {
    Principal::new("ada")
}

fn eve() -> Principal {
    Principal::new("eve")
}

fn login(store: &SessionStore, clock: &ManualClock, principal: Principal) -> SessionId {
    clock.advance(TICK);
    store.new_session().principal(principal).create_with([("user", "ada")]).expect("there is room")
}

fn one_for_each_principal(when_full: WhenFull) -> impl Fn(SessionStoreBuilder) -> SessionStoreBuilder {
    move |builder| builder.max_sessions(2).when_full(when_full).max_sessions_per_principal(1)
}

#[test]
fn a_login_refused_for_its_principals_limit_ends_no_session() {
    for when_full in [WhenFull::EndIdlest, WhenFull::EndUnbound] {
        let (store, clock) = store_with(one_for_each_principal(when_full));
        let visitor = session(&store);
        let hers = login(&store, &clock, ada());
        assert_eq!(store.new_session().principal(ada()).create(), Err(CreateError::PrincipalFull));
        assert!(store.exists(&visitor), "the visitor has made room for nobody, {when_full:?}");
        assert!(store.exists(&hers));
        assert_eq!(store.count(), 2);
    }
}

#[test]
fn a_login_refused_for_its_principals_limit_keeps_the_sessions_of_other_principals() {
    for when_full in [WhenFull::EndIdlest, WhenFull::EndUnbound] {
        let (store, clock) = store_with(one_for_each_principal(when_full));
        let others = login(&store, &clock, eve());
        let hers = login(&store, &clock, ada());
        for _ in 0..3 {
            assert_eq!(store.new_session().principal(ada()).create(), Err(CreateError::PrincipalFull));
        }
        assert!(store.exists(&others), "another user has made room for nobody, {when_full:?}");
        assert_eq!((store.sessions_of(&ada()), store.count()), (vec![hers], 2));
    }
}

#[test]
fn a_bind_refused_for_its_principals_limit_leaves_the_session_unbound() {
    let (store, clock) = store_with(one_for_each_principal(WhenFull::EndIdlest));
    let visitor = session(&store);
    let hers = login(&store, &clock, ada());
    assert_eq!(store.bind(&visitor, &ada()), Err(BindError::PrincipalFull));
    assert!(store.exists(&visitor) && store.exists(&hers));
}

/// The principal's ended session makes room in the store too.
#[test]
fn a_login_beyond_its_principals_limit_in_a_full_store_ends_only_the_principals_idlest_session() {
    for when_full in [WhenFull::Refuse, WhenFull::EndIdlest, WhenFull::EndUnbound] {
        let (store, clock) = store_with(|builder| {
            let builder = builder.max_sessions(4).when_full(when_full).max_sessions_per_principal(2);
            builder.when_principal_full(WhenPrincipalFull::EndIdlest)
        });
        let visitor = session(&store);
        let others = login(&store, &clock, eve());
        let [first, second] = [(); 2].map(|()| login(&store, &clock, ada()));
        clock.advance(TICK);
        assert!(store.touch(&first));
        let third = store.new_session().principal(ada()).create();
        let third = third.unwrap_or_else(|error| panic!("her idlest makes room, {when_full:?}: {error}"));
        assert!(store.exists(&visitor) && store.exists(&others), "others have made room, {when_full:?}");
        assert_gone(&store, &second);
        assert_eq!((store.sessions_of(&ada()), store.count()), (vec![first, third], 4));
    }
}

#[test]
fn logins_beyond_their_principals_limit_do_not_empty_a_full_store() {
    let (store, clock) = store_with(|builder| {
        let builder = builder.max_sessions(10).when_full(WhenFull::EndUnbound).max_sessions_per_principal(1);
        builder.when_principal_full(WhenPrincipalFull::EndIdlest)
    });
    let visitors: Vec<_> = (0..9).map(|_| session(&store)).collect();
    for _ in 0..20 {
        login(&store, &clock, ada());
    }
    assert!(visitors.iter().all(|id| store.exists(id)));
    assert_eq!((store.sessions_of(&ada()).len(), store.count()), (1, 10));
}

#[test]
fn a_rotated_session_keeps_its_position_in_its_principals_list() {
    let (store, clock) = store();
    let [first, second, third] = [(); 3].map(|()| login(&store, &clock, ada()));
    let rotated = store.rotate_id(&first).expect("it is live");
    assert_eq!(store.sessions_of(&ada()), [rotated, second, third]);
    let again = store.rotation(&second).grace(TTL).rotate().expect("it is live");
    assert_eq!(store.sessions_of(&ada()), [rotated, again, third]);
    let bound = store.bind(&rotated, &ada()).expect("it is live");
    assert_eq!(store.sessions_of(&ada()), [bound, again, third]);
    let fourth = login(&store, &clock, ada());
    assert_eq!(store.sessions_of(&ada()), [bound, again, third, fourth]);
}

#[test]
fn a_session_that_was_bound_later_keeps_its_position_when_it_is_rotated() {
    let (store, clock) = store();
    let visitor = session(&store);
    let hers = login(&store, &clock, ada());
    let bound = store.bind(&visitor, &ada()).expect("it is live");
    let listed = store.sessions_of(&ada());
    assert!(listed == [hers, bound] || listed == [bound, hers]);
    let rotated = [hers, bound].map(|id| store.rotate_id(&id).expect("it is live"));
    let place = |id, among: &[SessionId]| among.iter().position(|listed| *listed == id);
    let after = store.sessions_of(&ada());
    assert_eq!(place(rotated[0], &after), place(hers, &listed));
    assert_eq!(place(rotated[1], &after), place(bound, &listed));
}
