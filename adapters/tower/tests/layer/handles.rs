//! Several handles of one request, used at the same time.

use crate::harness::Site;
use cloakroom::Principal;
use cloakroom_tower::{Session, SessionError};
use std::sync::Barrier;
use std::thread;

/// Runs two operations on two handles of one request at once.
fn at_once<A: Send, B: Send>(
    session: &Session,
    first: impl FnOnce(&Session) -> A + Send,
    second: impl FnOnce(&Session) -> B + Send,
) -> (A, B) {
    let (barrier, other) = (Barrier::new(2), session.clone());
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            barrier.wait();
            second(&other)
        });
        barrier.wait();
        let first = first(session);
        (first, second.join().expect("no panic"))
    })
}

#[test]
fn two_concurrent_first_changes_share_one_session() {
    let site = Site::new();
    for _ in 0..300 {
        let (results, answer) = site
            .visit(&[], |session| at_once(session, |session| session.set("a", "1"), |session| session.set("b", "2")));
        assert_eq!(results, (Ok(()), Ok(())));
        let mut keys = site.store.keys(&answer.id()).expect("a session");
        keys.sort();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(site.store.count(), 1);
        site.store.delete(&answer.id());
    }
}

#[test]
fn a_set_concurrent_with_a_rotation_is_kept_or_fails() {
    let site = Site::new();
    for _ in 0..300 {
        let old = site.store.create().expect("room");
        let ((rotated, set), answer) =
            site.visit(&[old], |session| at_once(session, |session| session.rotate(), |session| session.set("b", "2")));
        assert_eq!(rotated, Ok(()));
        let stored = site.store.get(&answer.id(), "b");
        match set {
            Ok(()) => assert_eq!(stored.as_deref(), Some("2")),
            Err(error) => assert_eq!((error, stored), (SessionError::Gone, None)),
        }
        assert_eq!(site.store.count(), 1);
        site.store.delete(&answer.id());
    }
}

#[test]
fn a_concurrent_logout_and_login_leave_only_the_session_of_the_cookie() {
    let site = Site::new();
    for _ in 0..300 {
        let old = site.store.create().expect("room");
        let ((_, login), answer) = site.visit(&[old], |session| {
            at_once(session, |session| session.logout(), |session| session.login(&Principal::new("ada")))
        });
        assert_eq!(login, Ok(()));
        if answer.removes() {
            assert_eq!(site.store.count(), 0);
        } else {
            assert_eq!(site.store.count(), 1);
            assert!(site.store.delete(&answer.id()));
        }
    }
}

#[test]
fn one_request_changes_the_id_at_most_a_hundred_times() {
    let site = Site::new();
    let (changes, answer) = site.visit(&[], |session| {
        session.set("a", "b").expect("room");
        (1..1_000).find(|_| session.rotate().is_err())
    });
    assert_eq!(changes, Some(100));
    // The session is unchanged, and can be ended.
    assert_eq!(site.store.get(&answer.id(), "a").as_deref(), Some("b"));
    let (result, answer) = site.visit(&[answer.id()], |session| {
        while session.rotate().is_ok() {}
        (session.rotate(), session.logout(), session.set("a", "b"))
    });
    assert_eq!(result, (Err(SessionError::TooManyChanges), true, Err(SessionError::TooManyChanges)));
    assert!(answer.removes());
    assert_eq!(site.store.count(), 0);
}

#[test]
fn debug_output_contains_no_secret() {
    let site = Site::new();
    let id = site.store.create_with([("user", "ada")]).expect("room");
    let (shown, _) = site.visit(&[id], |session| format!("{session:?} {:?}", site.layer));
    assert!(!shown.contains(&id.to_string()) && !shown.contains("ada"), "{shown}");
}

#[test]
fn errors_of_the_store_are_passed_on() {
    let site = Site::with(|store| store.max_sessions(1).max_session_bytes(16));
    let ((), answer) = site.visit(&[], |session| {
        let large = "x".repeat(20);
        assert_eq!(session.set("a", &large), Err(SessionError::TooLarge { size: 23, limit: 16 }));
        let updated = session.update(|draft| draft.set("a", &large));
        assert_eq!(updated, Err(SessionError::TooLarge { size: 23, limit: 16 }));
        assert_eq!(site.store.count(), 0);
        session.set("n", "many").expect("room");
        assert_eq!(session.increment("n", 1), Err(SessionError::NotANumber));
    });
    let (full, other) = site.visit(&[], |session| session.set("a", "b"));
    assert_eq!(full, Err(SessionError::Full));
    assert!(other.sets_nothing() && site.store.exists(&answer.id()));
}

/// The session is not taken for one that has ended, and so keeps its cookie.
#[test]
fn a_change_without_room_for_its_bytes_finds_the_store_full() {
    let site = Site::with(|store| store.max_bytes(300));
    let ((), answer) = site.visit(&[], |session| {
        session.set("a", "b").expect("room");
        assert_eq!(session.set("a", &"x".repeat(300)), Err(SessionError::Full));
        assert_eq!(session.increment(&"x".repeat(300), 1), Err(SessionError::Full));
        assert_eq!(session.get("a").as_deref(), Some("b"));
    });
    assert!(site.store.exists(&answer.id()));
    site.store.create_with([("a", "x".repeat(120))]).expect("room");
    let (login, _) = site.visit(&[answer.id()], |session| session.login(&Principal::new("ada")));
    assert_eq!(login, Err(SessionError::Full));
    assert!(site.store.exists(&answer.id()));
}

#[test]
fn too_many_attributes_have_an_error_of_their_own() {
    let site = Site::with(|store| store.max_attributes(1));
    let refused = SessionError::TooManyAttributes { count: 2, limit: 1 };
    site.visit(&[], |session| {
        assert_eq!(session.update(|draft| ["a", "b"].map(|key| draft.set(key, ""))), Err(refused));
        assert_eq!(site.store.count(), 0);
        session.set("a", "1").expect("the first attribute fits");
        assert_eq!(session.set("b", "2"), Err(refused));
        assert_eq!(session.increment("b", 1), Err(refused));
    });
}

#[test]
fn update_creates_one_session_and_returns_the_closures_result() {
    let site = Site::new();
    let (results, answer) = site.visit(&[], |session| {
        let next = || {
            session.update(|draft| {
                let count = draft.get("n").and_then(|n| n.parse().ok()).unwrap_or(0_u32) + 1;
                draft.set("n", &count.to_string());
                count
            })
        };
        [next(), next()]
    });
    assert_eq!(results, [Ok(1), Ok(2)]);
    assert_eq!(site.store.get(&answer.id(), "n").as_deref(), Some("2"));
    assert_eq!(site.store.count(), 1);
}

#[test]
fn a_long_read_delays_no_other_request_and_sees_one_version() {
    let site = Site::new();
    let id = site.store.create_with([("user", "ada")]).expect("room");
    let (seen, answer) = site.visit(&[id], |session| {
        session.read(|attributes| {
            // Complete requests of the same session.
            thread::scope(|scope| {
                let others = scope.spawn(|| {
                    let (set, _) = site.visit(&[id], |session| session.set("user", "grace"));
                    let (ended, _) = site.visit(&[id], |session| session.logout());
                    (set, ended)
                });
                assert_eq!(others.join().expect("no panic"), (Ok(()), true));
            });
            attributes.get("user").map(str::to_owned)
        })
    });
    assert_eq!(seen, Some(Some("ada".to_owned())));
    assert!(answer.sets_nothing());
    assert_eq!(site.store.count(), 0);
}
