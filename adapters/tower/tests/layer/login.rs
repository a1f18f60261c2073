//! Logins, and the sessions of one user.

use crate::harness::Site;
use cloakroom::{Principal, WhenPrincipalFull};
use cloakroom_tower::{Session, SessionError};

fn ada() -> Principal {
    Principal::new("ada")
}

#[test]
fn a_login_without_a_session_starts_one() {
    let site = Site::new();
    let ((), answer) = site.visit(&[], |session| {
        session.login(&ada()).expect("room");
        session.set("name", "Ada").expect("a session");
    });
    assert_eq!(site.store.principal(&answer.id()), Some(ada()));
    assert_eq!(site.store.get(&answer.id(), "name").as_deref(), Some("Ada"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_login_keeps_the_attributes_and_ends_the_old_id() {
    let site = Site::new();
    let visitor = site.store.create_with([("basket", "apple")]).expect("room");
    let (_, answer) = site.visit(&[visitor], |session| session.login(&ada()).expect("room"));
    assert!(!site.store.exists(&visitor));
    assert_eq!(site.store.principal(&answer.id()), Some(ada()));
    assert_eq!(site.store.get(&answer.id(), "basket").as_deref(), Some("apple"));
    // A second login of the same user keeps the attributes, under a third id.
    let (_, again) = site.visit(&[answer.id()], |session| session.login(&ada()).expect("room"));
    assert_ne!(again.id(), answer.id());
    assert_eq!(site.store.get(&again.id(), "basket").as_deref(), Some("apple"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_login_of_another_user_keeps_no_attribute() {
    let site = Site::new();
    let eve = site.store.new_session().principal(Principal::new("eve")).create_with([("note", "mine")]).expect("room");
    let (_, answer) = site.visit(&[eve], |session| {
        session.login(&ada()).expect("room");
        assert_eq!(session.get("note"), None);
    });
    assert!(!site.store.exists(&eve));
    assert_eq!(site.store.principal(&answer.id()), Some(ada()));
    assert_eq!(site.store.keys(&answer.id()), Some(vec![]));
}

#[test]
fn the_session_of_a_planted_second_cookie_ends_at_the_login() {
    let site = Site::new();
    let [own, planted] = [(); 2].map(|()| site.store.create().expect("room"));
    let (_, answer) = site.visit(&[own, planted], |session| session.login(&ada()).expect("room"));
    assert!(!site.store.exists(&planted) && !site.store.exists(&own));
    assert!(site.store.exists(&answer.id()));
}

#[test]
fn a_login_succeeds_in_a_full_store_by_ending_the_previous_session() {
    let site = Site::with(|store| store.max_sessions(1));
    let eve = site.store.new_session().principal(Principal::new("eve")).create().expect("room");
    let (result, refused) = site.visit(&[], |session| session.login(&ada()));
    assert_eq!(result, Err(SessionError::Full));
    assert!(refused.sets_nothing());
    let (result, answer) = site.visit(&[eve], |session| session.login(&ada()));
    assert_eq!(result, Ok(()));
    assert_eq!(site.store.principal(&answer.id()), Some(ada()));
}

#[test]
fn a_login_beyond_the_users_limit_is_refused_or_ends_the_idlest_session() {
    let site = Site::with(|store| store.max_sessions_per_principal(1));
    let (_, first) = site.visit(&[], |session| session.login(&ada()).expect("room"));
    let (result, answer) = site.visit(&[], |session| session.login(&ada()));
    assert_eq!(result, Err(SessionError::PrincipalFull));
    assert!(answer.sets_nothing());
    let visitor = site.store.create().expect("room");
    let (result, answer) = site.visit(&[visitor], |session| session.login(&ada()));
    assert_eq!(result, Err(SessionError::PrincipalFull));
    assert!(answer.sets_nothing() && site.store.exists(&visitor) && site.store.exists(&first.id()));

    let site =
        Site::with(|store| store.max_sessions_per_principal(1).when_principal_full(WhenPrincipalFull::EndIdlest));
    let (_, first) = site.visit(&[], |session| session.login(&ada()).expect("room"));
    let (_, second) = site.visit(&[], |session| session.login(&ada()).expect("room"));
    assert!(!site.store.exists(&first.id()) && site.store.exists(&second.id()));
}

#[test]
fn a_user_ends_one_device_all_others_or_all() {
    let site = Site::new();
    let device = |user: &str| site.visit(&[], |session| session.login(&Principal::new(user)).expect("room")).1.id();
    let [laptop, phone, tablet] = [(); 3].map(|()| device("ada"));
    let grace = device("grace");
    let (devices, answer) = site.visit(&[laptop], |session| {
        assert_eq!(session.principal(), Some(ada()));
        session.devices()
    });
    assert_eq!(devices, [laptop, phone, tablet]);
    assert!(answer.sets_nothing());

    let (ended, answer) = site.visit(&[laptop], |session| [tablet, tablet, grace].map(|id| session.end_device(&id)));
    assert_eq!(ended, [true, false, false]);
    assert!(answer.sets_nothing() && site.store.exists(&grace) && !site.store.exists(&tablet));

    let (ended, answer) = site.visit(&[laptop], |session| session.logout_other_devices());
    assert_eq!(ended, Ok(1));
    assert!(answer.sets_nothing() && site.store.exists(&laptop) && !site.store.exists(&phone));

    let phone = device("ada");
    let (ended, answer) = site.visit(&[laptop], |session| session.logout_all_devices());
    assert_eq!(ended, Ok(2));
    assert!(answer.removes() && !site.store.exists(&phone) && !site.store.exists(&laptop));
    assert!(site.store.exists(&grace));

    let (ended, answer) = site.visit(&[grace], |session| session.end_device(&session.id().expect("a session")));
    assert!(ended && answer.removes() && site.store.count() == 0);
}

#[test]
fn logging_out_devices_without_a_user_or_a_session_is_an_error() {
    let ways = [Session::logout_all_devices, Session::logout_other_devices];
    let site = Site::new();
    let user = site.store.new_session().principal(ada()).create().expect("room");
    for way in ways {
        let visitor = site.store.create().expect("room");
        let (ended, answer) = site.visit(&[visitor], way);
        assert_eq!(ended, Err(SessionError::NotLoggedIn));
        assert!(answer.sets_nothing() && site.store.exists(&visitor) && site.store.exists(&user));

        let hers = site.store.new_session().principal(ada()).create().expect("room");
        let (ended, answer) = site.visit(&[hers], |session| {
            site.store.delete(&hers);
            way(session)
        });
        assert_eq!(ended, Err(SessionError::Gone));
        assert!(answer.sets_nothing() && site.store.exists(&user));
    }
}

#[test]
fn logging_out_all_devices_counts_the_users_sessions_and_ends_others_of_the_request() {
    let site = Site::new();
    let [own, other] = [(); 2].map(|()| site.store.new_session().principal(ada()).create().expect("room"));
    let planted = site.store.create().expect("room");
    let (ended, answer) = site.visit(&[own, planted], Session::logout_all_devices);
    assert_eq!(ended, Ok(2));
    assert!(answer.removes() && [own, other, planted].iter().all(|id| !site.store.exists(id)));
}

#[test]
fn logging_out_other_devices_keeps_a_session_that_the_request_has_rotated() {
    let site = Site::new();
    let [own, other] = [(); 2].map(|()| site.store.new_session().principal(ada()).create().expect("room"));
    let (ended, answer) = site.visit(&[own], |session| {
        session.rotate().expect("a session");
        session.logout_other_devices()
    });
    assert_eq!(ended, Ok(1));
    assert_eq!(site.store.sessions_of(&ada()), [answer.id()]);
    assert!(!site.store.exists(&other));
}

#[test]
fn a_session_of_one_user_cannot_be_bound_to_another() {
    let site = Site::new();
    let eve = site.store.new_session().principal(Principal::new("eve")).create_with([("note", "mine")]).expect("room");
    let (result, answer) = site.visit(&[eve], |session| session.bind(&ada()));
    assert_eq!(result, Err(SessionError::OtherPrincipal));
    assert!(answer.sets_nothing() && site.store.exists(&eve));
}

#[test]
fn a_refused_login_of_another_user_leaves_the_previous_session() {
    let site = Site::with(|store| store.max_sessions_per_principal(1));
    site.store.new_session().principal(ada()).create().expect("room");
    let eve = site.store.new_session().principal(Principal::new("eve")).create_with([("note", "mine")]).expect("room");
    let (result, answer) = site.visit(&[eve], |session| session.login(&ada()));
    assert_eq!(result, Err(SessionError::PrincipalFull));
    assert!(answer.sets_nothing());
    assert_eq!(site.store.get(&eve, "note").as_deref(), Some("mine"));
}
