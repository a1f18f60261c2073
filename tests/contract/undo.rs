//! Rotations that are taken back, because the client has not received the new id.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::{Principal, RemovalCause, SessionId, SessionStore, Timeouts, Undo};

use crate::support::{TICK, TTL, session, store, store_with};

fn ada() -> Principal {
    Principal::new("ada")
}

fn rotated(store: &SessionStore, id: &SessionId) -> (SessionId, Undo<cloakroom::Attributes>) {
    let mut undo = None;
    let new = store.rotation(id).undo(&mut undo).rotate().expect("it is live");
    (new, undo.expect("it can be taken back"))
}

fn logged_in(store: &SessionStore, id: &SessionId) -> (SessionId, Undo<cloakroom::Attributes>) {
    let mut undo = None;
    let new = store.rotation(id).undo(&mut undo).login(&ada()).expect("it is live");
    (new, undo.expect("it can be taken back"))
}

#[test]
fn a_session_is_back_under_its_old_id_with_what_it_had() {
    let (store, clock) = store_with(|builder| builder.max_sessions(1));
    let old = session(&store);
    let (new, undo) = rotated(&store, &old);
    assert!(!store.exists(&old), "the old id is dead at once");
    store.set(&new, "role", "admin").expect("it is live");
    clock.advance(TTL);
    assert!(store.take_back(&undo));
    assert_eq!((store.get(&old, "user").as_deref(), store.get(&old, "role")), (Some("ada"), None));
    clock.advance(TICK);
    assert!(store.exists(&old) && !store.exists(&new) && !store.delete(&new));
    assert_eq!(store.count(), 1);
    assert!(store.delete(&old));
    assert_eq!(store.count(), 0);
}

#[test]
fn a_login_that_is_taken_back_leaves_the_visitor_and_no_session_of_the_principal() {
    let removed = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&removed);
    let (store, _) = store_with(|builder| {
        let listener =
            move |removal: &cloakroom::Removal| noted.lock().unwrap().push((removal.cause, removal.principal));
        builder.max_sessions_per_principal(1).on_removal(listener)
    });
    let visitor = session(&store);
    let (id, undo) = logged_in(&store, &visitor);
    assert_eq!(store.sessions_of(&ada()), [id]);
    store.set(&id, "address", "12 St James's Square").expect("it is live");
    assert!(store.take_back(&undo));
    assert_eq!((store.sessions_of(&ada()), store.principal(&visitor)), (vec![], None));
    assert_eq!(store.keys(&visitor), Some(vec!["user".to_owned()]));
    assert_eq!(*removed.lock().unwrap(), [(RemovalCause::Rotated, None), (RemovalCause::Rotated, Some(ada()))]);
    // The limit of one session has room again.
    let again = store.login(&visitor, &ada()).expect("there is room");
    assert_eq!(store.sessions_of(&ada()), [again]);
    assert_eq!(store.end_sessions_of(&ada()), 1);
}

#[test]
fn a_second_login_of_the_same_principal_is_taken_back_to_the_first_one() {
    let (store, clock) = store();
    let first = store.new_session().principal(ada()).create_with([("user", "ada")]).expect("there is room");
    let mut undo = None;
    let timeouts = Timeouts::default().absolute(Duration::from_secs(1));
    let second = store.rotation(&first).timeouts(timeouts).undo(&mut undo).login(&ada()).expect("it is live");
    assert!(store.take_back(&undo.expect("it can be taken back")));
    assert_eq!((store.sessions_of(&ada()), store.principal(&first)), (vec![first], Some(ada())));
    clock.advance(Duration::from_secs(2));
    assert!(store.exists(&first) && !store.exists(&second), "with the timeouts from before");
    assert_eq!(store.end_sessions_of(&ada()), 1);
    assert!(!store.exists(&first));
}

/// Each way to end the session while its rotation is tentative.
#[test]
fn a_revocation_wins_over_the_taking_back() {
    type End = fn(&SessionStore, &SessionId, &SessionId) -> bool;
    let ends: [End; 5] = [
        |store, _, new| store.delete(new),
        |store, old, _| store.delete(old),
        |store, old, _| store.log_out(old) || store.count() == 0,
        |store, _, _| store.end_sessions_of(&ada()) == 1,
        |store, _, _| store.delete_where(|_| true) == 1,
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (store, _) = store();
        let visitor = session(&store);
        let (new, undo) = logged_in(&store, &visitor);
        assert!(end(&store, &visitor, &new), "{number}");
        assert!(!store.take_back(&undo), "{number}");
        assert!(!store.exists(&visitor) && !store.exists(&new), "{number}");
        assert_eq!(store.count(), 0, "{number}");
    }
}

#[test]
fn the_old_id_cannot_end_a_session_whose_rotation_is_final() {
    let (store, _) = store();
    let old = session(&store);
    let (new, undo) = rotated(&store, &old);
    undo.keep();
    assert!(!store.delete(&old) && store.exists(&new));
    assert!(!store.take_back(&undo));
    assert!(store.exists(&new) && !store.exists(&old));

    // To drop what takes it back is to keep it.
    let (newer, undo) = rotated(&store, &new);
    drop(undo);
    assert!(!store.delete(&new) && store.exists(&newer));
}

#[test]
fn several_rotations_are_taken_back_from_the_last_to_the_first() {
    let (store, clock) = store();
    let first = session(&store);
    let (second, one) = rotated(&store, &first);
    let (third, two) = logged_in(&store, &second);
    assert!(store.take_back(&two) && store.take_back(&one));
    clock.advance(TICK);
    assert!(store.exists(&first) && !store.exists(&second) && !store.exists(&third));

    let (second, _one) = rotated(&store, &first);
    let (third, _two) = logged_in(&store, &second);
    assert!(store.delete(&first), "the client knows only the first id");
    assert!(!store.exists(&third));
    assert_eq!(store.count(), 0);
}

#[test]
fn what_cannot_be_taken_back_has_no_undo() {
    let (store, _) = store();
    let eves = store.new_session().principal(Principal::new("eve")).create().expect("there is room");
    let mut undo = None;
    store.rotation(&eves).undo(&mut undo).login(&ada()).expect("it is live");
    assert!(undo.is_none(), "the other principal's session has ended for good");
    let old = session(&store);
    store.rotation(&old).grace(TTL).undo(&mut undo).rotate().expect("it is live");
    assert!(undo.is_none(), "the old id still leads to the session");
    assert!(store.rotation(&old).undo(&mut undo).rotate().is_err() && undo.is_none());
}

#[test]
fn a_session_that_is_back_can_be_rotated_again() {
    let (store, _) = store();
    let old = session(&store);
    for _ in 0..3 {
        let (_, undo) = rotated(&store, &old);
        assert!(store.take_back(&undo));
        assert!(!store.take_back(&undo), "once");
    }
    let (new, undo) = rotated(&store, &old);
    undo.keep();
    assert!(store.exists(&new) && !store.exists(&old));
    assert_eq!(store.count(), 1);
}
