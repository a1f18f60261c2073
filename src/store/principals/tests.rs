//! Principals at the steps of operations that outside tests cannot reach.

use crate::attributes::Attributes;
use crate::entry::Key;
use crate::expiry::Tick;
use crate::id::SessionId;
use crate::principal::{Principal, WhenPrincipalFull};
use crate::store::SessionStore;
use crate::sync::on_step;

fn store(when_full: WhenPrincipalFull) -> SessionStore<Attributes> {
    let builder = SessionStore::builder().max_sessions_per_principal(2).when_principal_full(when_full);
    builder.build().expect("the settings are valid")
}

fn login(store: &SessionStore, principal: Principal) -> SessionId {
    store.new_session().principal(principal).create().expect("there is room")
}

/// The thread that ends the sessions is suspended right after the instant of effect.
#[test]
fn revoked_sessions_are_missing_and_take_no_place_before_they_are_removed() {
    for policy in [WhenPrincipalFull::Refuse, WhenPrincipalFull::EndIdlest] {
        let store = store(policy);
        let ada = Principal::new("ada");
        let ids = [login(&store, ada), login(&store, ada)];
        store.index.find(ada.key()).expect("an account").revoke(|| None);
        assert!(ids.iter().all(|id| !store.exists(id) && store.set(id, "role", "admin").is_err() && !store.delete(id)));
        assert_eq!(store.sessions_of(&ada), []);
        let new = [login(&store, ada), login(&store, ada)];
        assert_eq!(store.sessions_of(&ada), new);
        assert_eq!(store.end_sessions_of(&ada), 2);
        store.evict_expired();
        assert_eq!(store.count(), 0);
    }
}

/// The thread that has ended a session is suspended before it removes the session from the index.
#[test]
fn an_ended_session_prevents_no_login_while_the_index_still_lists_it() {
    for policy in [WhenPrincipalFull::Refuse, WhenPrincipalFull::EndIdlest] {
        let store = store(policy);
        let ada = Principal::new("ada");
        let kept = login(&store, ada);
        let user = store.index.open(ada.key());
        let Ok(ended) = user.join([7; 32], 2, |_| true) else { panic!("there is room") };
        assert!(ended.arrive(), "a member without a session");
        let new = login(&store, ada);
        assert_eq!(store.sessions_of(&ada), [kept, new]);
    }
}

#[test]
fn accounts_and_segments_are_freed_with_their_sessions() {
    let store = SessionStore::default();
    let ada = Principal::new("ada");
    let ids: Vec<_> = (0..100).map(|_| login(&store, ada)).collect();
    assert_eq!(store.sessions_of(&ada), ids);
    let rotated = store.rotate_id(&ids[50]).expect("it is live");
    assert_eq!(store.sessions_of(&ada)[50], rotated, "a session keeps its position");
    ids.iter().for_each(|id| _ = store.delete(id));
    assert_eq!((store.sessions_of(&ada), store.index.principals()), (vec![rotated], 1));
    store.delete(&rotated);
    assert_eq!((store.sessions_of(&ada), store.index.principals()), (vec![], 0));
}

/// The thread that creates or binds a session uses the principal's account until the session has arrived, even if the
/// session ends before.
#[test]
fn a_session_that_ends_before_it_has_arrived_does_not_free_the_account_in_use() {
    fn check(bring: fn(&SessionStore, Principal) -> SessionId) {
        let store = std::rc::Rc::new(SessionStore::default());
        let ada = Principal::new("ada");
        let (seen, arrived) = (store.clone(), std::rc::Rc::new(core::cell::Cell::new(false)));
        let arrives = arrived.clone();
        on_step(move |step| {
            if step == "about to arrive" && !arrives.replace(true) {
                assert_eq!(seen.delete_where(|_| true), 1);
                assert_eq!(seen.index.principals(), 1, "its account is in use");
            }
        });
        let id = bring(&store, ada);
        on_step(|_| {});
        assert!(arrived.get() && !store.exists(&id));
        assert_eq!((store.count(), store.index.principals()), (0, 0));
    }
    check(login);
    check(|store, ada| store.bind(&store.create().expect("there is room"), &ada).expect("it is live"));
}

/// The thread that rotates the session is suspended right after the instant of effect: the session is found through its
/// old id.
#[test]
fn a_session_is_listed_at_every_step_of_a_rotation_with_grace() {
    let store = std::rc::Rc::new(SessionStore::default());
    let ada = Principal::new("ada");
    let old = login(&store, ada);
    let (seen, listed) = (store.clone(), std::rc::Rc::new(core::cell::RefCell::default()));
    let lists = listed.clone();
    on_step(move |step| {
        if step == "moved on" {
            lists.replace(seen.sessions_of(&ada));
        }
    });
    let new = store.rotation(&old).grace(core::time::Duration::from_secs(9)).rotate().expect("it is live");
    on_step(|_| {});
    assert_eq!((listed.take(), store.sessions_of(&ada)), (vec![new], vec![new]));
}

/// The principal never has two live sessions after the first two. The thread that ends the second session is suspended
/// before it removes the session from the index, while a third session takes the first one's place in the index.
#[test]
fn a_login_is_refused_only_if_all_sessions_were_live_at_one_instant() {
    let store = SessionStore::default();
    let ada = Principal::new("ada");
    let open = || store.index.open(ada.key());
    for key in [[1; 32], [2; 32]] {
        let Ok(joining) = open().join(key, 2, |_| true) else { panic!("there is room") };
        assert!(joining.arrive());
    }
    let dead = core::cell::RefCell::new(vec![[1; 32]]);
    let is_live = |key: &Key| !dead.borrow().contains(key);
    let looks = core::cell::Cell::new(0);
    let login = open().join([4; 32], 2, |key| {
        looks.set(looks.get() + 1);
        // Both sessions were looked at, and the first is about to be removed.
        if looks.get() == 3 {
            let third = open().join([3; 32], 2, |key| {
                let live = is_live(key);
                if *key == [2; 32] {
                    dead.borrow_mut().push([2; 32]);
                }
                live
            });
            let Ok(third) = third else { panic!("there is room") };
            assert!(third.arrive());
        }
        is_live(key)
    });
    assert!(login.is_ok(), "refused after {} looks", looks.get());
}

/// Runs `meanwhile` once, at the first step of this name in an operation of this thread.
fn at_step(name: &'static str, meanwhile: impl Fn() + 'static) {
    let done = core::cell::Cell::new(false);
    on_step(move |step| {
        if step == name && !done.replace(true) {
            meanwhile();
        }
    });
}

/// A thread is suspended between reading the standing and reading the members, which may be younger.
#[test]
fn a_thread_with_an_old_standing_does_not_remove_a_session_from_after_the_revocation() {
    let store = std::rc::Rc::new(store(WhenPrincipalFull::Refuse));
    let ada = Principal::new("ada");
    login(&store, ada);
    let meanwhile = store.clone();
    let user = store.index.find(ada.key()).expect("an account");
    user.revoke(|| None);
    at_step("has the key", move || {
        assert_eq!(meanwhile.end_sessions_of(&ada), 1);
        login(&meanwhile, ada);
    });
    let revoked = user.take_revoked();
    on_step(|_| {});
    store.table.end_revoked(&revoked, false, store.moment_at(&Tick::new(0)));
    drop(user);
    let listed = store.sessions_of(&ada);
    assert_eq!((listed.len(), store.count()), (1, 1));
    assert!(store.rotate_id(&listed[0]).is_ok());
}

#[test]
fn a_login_after_a_revocation_and_a_new_session_respects_the_limit() {
    let store = std::rc::Rc::new(store(WhenPrincipalFull::Refuse));
    let ada = Principal::new("ada");
    let [_, kept] = [login(&store, ada), login(&store, ada)];
    let user = store.index.open(ada.key());
    let meanwhile = store.clone();
    at_step("slot read", move || {
        assert_eq!(meanwhile.end_other_sessions_of(&ada, &kept), 1);
        login(&meanwhile, ada);
    });
    let third = user.join([7; 32], 2, |id| store.table.holds(id, store.moment()));
    on_step(|_| {});
    assert!(third.is_err());
    assert_eq!((store.sessions_of(&ada).len(), store.count()), (2, 2));
}
