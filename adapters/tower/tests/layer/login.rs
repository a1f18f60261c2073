//! Who is logged in, and where else.

use crate::harness::Site;
use cloakroom::{Principal, WhenPrincipalFull};
use cloakroom_tower::SessionError;

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
fn a_login_keeps_the_basket_and_kills_the_id() {
    let site = Site::new();
    let visitor = site.store.create_with([("basket", "apple")]).expect("room");
    let (_, answer) = site.visit(&[visitor], |session| session.login(&ada()).expect("room"));
    assert!(!site.store.exists(&visitor));
    assert_eq!(site.store.principal(&answer.id()), Some(ada()));
    assert_eq!(site.store.get(&answer.id(), "basket").as_deref(), Some("apple"));
    // A second login of the same user keeps what is there, under a third id.
    let (_, again) = site.visit(&[answer.id()], |session| session.login(&ada()).expect("room"));
    assert_ne!(again.id(), answer.id());
    assert_eq!(site.store.get(&again.id(), "basket").as_deref(), Some("apple"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_login_of_another_user_sees_nothing_of_the_one_before() {
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
fn a_planted_second_cookie_does_not_survive_the_login() {
    let site = Site::new();
    let [own, planted] = [(); 2].map(|()| site.store.create().expect("room"));
    let (_, answer) = site.visit(&[own, planted], |session| session.login(&ada()).expect("room"));
    assert!(!site.store.exists(&planted) && !site.store.exists(&own));
    assert!(site.store.exists(&answer.id()));
}

#[test]
fn a_login_ends_the_session_before_even_in_a_full_store() {
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
fn a_login_beyond_the_users_limit_is_refused_or_ends_the_idlest_as_the_store_says() {
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
fn devices_are_the_users_own_and_are_ended_one_by_one_all_or_all_but_one() {
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

    let (ended, answer) = site.visit(&[laptop], |session| session.logout_elsewhere());
    assert_eq!(ended, 1);
    assert!(answer.sets_nothing() && site.store.exists(&laptop) && !site.store.exists(&phone));

    let phone = device("ada");
    let (ended, answer) = site.visit(&[laptop], |session| session.logout_everywhere());
    assert_eq!(ended, 2);
    assert!(answer.removes() && !site.store.exists(&phone) && !site.store.exists(&laptop));
    assert!(site.store.exists(&grace));

    let (ended, answer) = site.visit(&[grace], |session| session.end_device(&session.id().expect("a session")));
    assert!(ended && answer.removes() && site.store.count() == 0);
}

#[test]
fn logging_out_everywhere_without_a_login_ends_just_this_session() {
    let site = Site::new();
    let [visitor, other] = [(); 2].map(|()| site.store.create().expect("room"));
    let (ended, answer) = site.visit(&[visitor], |session| session.logout_everywhere());
    assert_eq!(ended, 1);
    assert!(answer.removes() && site.store.exists(&other) && !site.store.exists(&visitor));
}
