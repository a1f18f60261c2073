//! Sessions that hold a value of the application's own type.

use crate::harness::Site;
use cloakroom::{ManualClock, Principal, SessionId, SessionStore};
use cloakroom_tower::SessionError;

#[derive(Clone, Debug, PartialEq)]
struct Visitor {
    name: String,
    clicks: u32,
}

/// A value that is not `Clone`.
struct Unique(u32);

fn site<T: Send + Sync + 'static>(max_sessions: usize) -> Site<T> {
    let clock = ManualClock::new();
    let builder = SessionStore::builder().clock(clock.clone()).max_sessions(max_sessions);
    Site::over(builder.build_typed().expect("a valid configuration"), clock)
}

fn visitor(name: &str) -> Visitor {
    Visitor { name: name.to_owned(), clicks: 0 }
}

#[test]
fn a_value_is_stored_read_and_replaced() {
    let site = site::<Visitor>(0);
    let (result, answer) = site.visit(&[], |session| {
        let clicked = session.update(|visitor| Visitor { clicks: visitor.clicks + 1, ..visitor.clone() });
        assert_eq!(clicked, Err(SessionError::Gone));
        session.create_with(visitor("ada"))?;
        session.update(|visitor| Visitor { clicks: visitor.clicks + 1, ..visitor.clone() })?;
        Ok::<_, SessionError>(session.read(Visitor::clone))
    });
    assert_eq!(result, Ok(Some(Visitor { clicks: 1, ..visitor("ada") })));
    assert_eq!(site.store.read(&answer.id(), |visitor| visitor.clicks), Some(1));
}

#[test]
fn a_rotated_session_keeps_its_value() {
    let site = site::<Visitor>(0);
    let old = site.store.create_with(visitor("ada")).expect("room");
    let (_, answer) = site.visit(&[old], |session| session.rotate().expect("a session"));
    assert!(!site.store.exists(&old));
    assert_eq!(site.store.read(&answer.id(), Visitor::clone), Some(visitor("ada")));
}

#[test]
fn a_typed_login_succeeds_in_a_full_store_by_ending_the_previous_session() {
    let site = site::<Unique>(1);
    let old = site.store.create_with(Unique(1)).expect("room");
    let ada = Principal::new("ada");
    let (result, answer) = site.visit(&[old], |session| session.login_with(&ada, |_| Unique(2)));
    assert_eq!(result, Ok(()));
    assert!(!site.store.exists(&old));
    assert_eq!(site.store.principal(&answer.id()), Some(ada));
    assert_eq!(site.store.read(&answer.id(), |value| value.0), Some(2));
    let (refused, answer) = site.visit(&[], |session| session.create_with(Unique(3)));
    assert_eq!(refused, Err(SessionError::Full));
    assert!(answer.sets_nothing());
}

#[test]
fn after_the_response_no_session_is_created_and_none_ends() {
    let site = site::<Unique>(0);
    let (session, _) = site.visit(&[], |session| session.clone());
    assert_eq!(session.create_with(Unique(1)), Err(SessionError::Answered));
    assert_eq!(site.store.count(), 0);

    let id = site.store.create_with(Unique(1)).expect("room");
    let (session, _) = site.visit(&[id], |session| session.clone());
    assert_eq!(session.login_with(&Principal::new("ada"), |_| Unique(2)), Err(SessionError::Answered));
    assert_eq!(session.read(|value| value.0), Some(1));
}

#[test]
fn a_login_receives_the_value_of_a_visitor_or_of_the_same_user_only() {
    let site = site::<Visitor>(0);
    let log_in = |ids: &[SessionId], user: &str| {
        let (shown, answer) = site.visit(ids, |session| {
            let mut shown = None;
            let entered = session.login_with(&Principal::new(user), |before| {
                shown = before.map(|before| before.name.clone());
                visitor(user)
            });
            assert_eq!(entered, Ok(()));
            shown
        });
        (shown, answer.id())
    };
    let basket = site.store.create_with(visitor("basket")).expect("room");
    let (shown, ada) = log_in(&[basket], "ada");
    assert_eq!(shown.as_deref(), Some("basket"));
    let (shown, again) = log_in(&[ada], "ada");
    assert_eq!(shown.as_deref(), Some("ada"));
    let (shown, eve) = log_in(&[again], "eve");
    assert_eq!(shown, None);
    assert!([basket, ada, again].iter().all(|id| !site.store.exists(id)));
    assert_eq!((log_in(&[], "ada").0, site.store.read(&eve, Visitor::clone)), (None, Some(visitor("eve"))));
}

#[test]
fn two_tasks_that_start_a_session_at_once_leave_the_one_of_the_cookie() {
    let site = site::<Unique>(0);
    for _ in 0..1_000 {
        let (barrier, both) = (std::sync::Barrier::new(2), [1, 2]);
        let ((), answer) = site.visit(&[], |session| {
            std::thread::scope(|scope| {
                for number in both {
                    let (session, barrier) = (session.clone(), &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        session.create_with(Unique(number)).expect("room");
                    });
                }
            });
        });
        assert_eq!(site.store.count(), 1, "a session that no response names");
        assert!(site.store.delete(&answer.id()));
    }
}

#[test]
fn a_typed_login_whose_response_is_dropped_ends() {
    let site = site::<Visitor>(0);
    let rotated = site.store.create_with(visitor("basket")).expect("room");
    let (session, answer) = site.visit(&[rotated], |session| session.clone());
    assert!(answer.sets_nothing());
    assert_eq!(session.rotate(), Err(SessionError::Answered));
    assert_eq!(site.store.read(&rotated, Visitor::clone), Some(visitor("basket")));
}
