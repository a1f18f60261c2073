//! Changing attributes by other operations than `set`: each makes one new version of the session, or none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cloakroom::{
    IncrementError, ManualClock, MissingError, SessionId, SessionStore, SetError, SetIfError, Timeouts, TryUpdateError,
};

use crate::support::{TICK, TTL, assert_gone, session, store, store_with};

/// The attributes of a live session, in their order, without touching it.
fn all(store: &SessionStore, id: &SessionId) -> Vec<(String, String)> {
    let pairs =
        store.read(id, |attributes| attributes.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    pairs.expect("the session is live")
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn abc(store: &SessionStore) -> SessionId {
    store.create_with([("a", "1"), ("b", "2"), ("c", "3")]).expect("there is room")
}

/// An operation on the session of [`abc`], with its name.
type Named = (&'static str, fn(&SessionStore, &SessionId));

/// Every operation of this file that touches, once with a change and once without.
const TOUCHING: [Named; 18] = [
    ("remove", |store, id| _ = store.remove(id, "b")),
    ("remove nothing", |store, id| _ = store.remove(id, "x")),
    ("take", |store, id| _ = store.take(id, "b")),
    ("take nothing", |store, id| _ = store.take(id, "x")),
    ("clear", |store, id| _ = store.clear(id)),
    ("contains", |store, id| _ = store.contains(id, "b")),
    ("contains not", |store, id| _ = store.contains(id, "x")),
    ("keys", |store, id| _ = store.keys(id)),
    ("get_each", |store, id| _ = store.get_each(id, ["x"])),
    ("snapshot", |store, id| _ = store.snapshot(id)),
    ("set_each", |store, id| _ = store.set_each(id, [("b", "x"), ("d", "4")])),
    ("set_each to the same", |store, id| _ = store.set_each(id, [("b", "2")])),
    ("increment", |store, id| _ = store.increment(id, "b", 1)),
    ("increment by nothing", |store, id| _ = store.increment(id, "b", 0)),
    ("update", |store, id| _ = store.update(id, |draft| draft.clear())),
    ("update of nothing", |store, id| _ = store.update(id, |_| ())),
    ("try_update", |store, id| {
        _ = store.try_update(id, |draft| {
            draft.set("b", "x");
            Ok::<_, ()>(())
        });
    }),
    ("set_if", |store, id| _ = store.set_if(id, store.version(id).expect("it is live"), "b", "x")),
];

/// Every operation of this file that must not touch: those that read no attribute, and those that are refused.
const NOT_TOUCHING: [Named; 8] = [
    ("version", |store, id| _ = store.version(id)),
    ("increment of a word", |store, id| _ = store.increment(id, "word", 1)),
    ("increment over the end", |store, id| _ = store.increment(id, "a", i64::MAX)),
    ("set_each too large", |store, id| _ = store.set_each(id, [("b", "x".repeat(100))])),
    ("update too large", |store, id| _ = store.update(id, |draft| draft.set("b", &"x".repeat(100)))),
    ("abandoned update", |store, id| {
        _ = store.try_update(id, |draft| {
            draft.clear();
            Err::<(), _>("abandoned")
        });
    }),
    ("set_if at another version", |store, id| {
        let other = store.create().expect("there is room");
        _ = store.set_if(id, store.version(&other).expect("it is live"), "b", "x");
    }),
    ("panicking update", |store, id| {
        let update = AssertUnwindSafe(|| {
            store.update(id, |draft| {
                draft.clear();
                panic!("the caller's own");
            })
        });
        assert!(catch_unwind(update).is_err());
    }),
];

fn small_store() -> (SessionStore, ManualClock) {
    store_with(|builder| builder.max_session_bytes(100))
}

/// The session of [`abc`] after a change, so that its version is not the first.
fn changed(store: &SessionStore) -> SessionId {
    let id = abc(store);
    store.set(&id, "word", "word").expect("it is live");
    id
}

#[test]
fn every_read_and_change_touches() {
    for (name, operation) in TOUCHING {
        let (store, clock) = small_store();
        let id = changed(&store);
        clock.advance(TTL);
        operation(&store, &id);
        clock.advance(TTL);
        assert!(store.exists(&id), "{name} did not touch");
    }
}

#[test]
fn a_refused_operation_changes_nothing_and_touches_nothing() {
    for (name, operation) in NOT_TOUCHING {
        let (store, clock) = small_store();
        let id = changed(&store);
        let before = store.snapshot(&id).expect("it is live");
        operation(&store, &id);
        assert_eq!(store.version(&id), Some(before.version()), "{name}");
        assert!(before.iter().eq(store.snapshot(&id).expect("it is live").iter()), "{name}");
        clock.advance(TTL);
        operation(&store, &id);
        clock.advance(TICK);
        assert!(!store.exists(&id), "{name} touched");
    }
}

#[test]
fn a_touch_does_not_change_the_version_and_a_change_does() {
    for (name, operation) in TOUCHING {
        let (store, _) = small_store();
        let id = changed(&store);
        let before = store.snapshot(&id).expect("it is live");
        operation(&store, &id);
        let after = store.snapshot(&id).expect("it is live");
        assert_eq!(before.version() == after.version(), before.iter().eq(after.iter()), "{name}");
    }
}

#[test]
fn a_change_of_timeouts_or_of_the_id_is_a_change_of_version() {
    let (store, _) = store();
    let id = session(&store);
    let first = store.version(&id);
    store.set_timeouts(&id, Timeouts::default()).expect("it is live");
    let second = store.version(&id);
    assert_ne!(first, second);
    let id = store.rotate_id(&id).expect("it is live");
    assert_ne!(store.version(&id), second);
}

#[test]
fn no_operation_finds_or_revives_a_session_that_has_ended() {
    let (store, clock) = small_store();
    for end in ["deleted", "expired", "rotated"] {
        for (name, operation) in TOUCHING.iter().take(17).chain(&NOT_TOUCHING[..6]) {
            let id = changed(&store);
            match end {
                "deleted" => assert!(store.delete(&id)),
                "expired" => clock.advance(TTL + TICK),
                _ => _ = store.rotate_id(&id).expect("it is live"),
            }
            operation(&store, &id);
            assert!(!store.exists(&id), "{name} revived what was {end}");
            assert_gone(&store, &id);
        }
    }
}

#[test]
fn the_error_tells_an_expired_session_from_an_unknown_id() {
    let (store, clock) = store();
    let unknown = SessionId::from_bytes([9; 32]);
    let version = store.version(&session(&store)).expect("it is live");
    let told = |id: &dyn Fn() -> SessionId| {
        (
            (store.remove(&id(), "a"), store.clear(&id()), store.set_each(&id(), [("a", "1")])),
            (store.increment(&id(), "a", 1), store.update(&id(), |_| ()), store.set_if(&id(), version, "a", "1")),
            store.try_update(&id(), |_| Ok::<_, ()>(())),
        )
    };
    let expired = || {
        let id = session(&store);
        clock.advance(TTL + TICK);
        id
    };
    let (update, set) = (MissingError::NotFound, SetError::Missing(MissingError::NotFound));
    let refusals = (Err(update), Err(update), Err(set));
    assert_eq!(told(&|| unknown).0, refusals);
    assert_eq!(
        told(&|| unknown).1,
        (Err(IncrementError::from(MissingError::NotFound)), Err(set), Err(SetIfError::from(MissingError::NotFound)))
    );
    assert_eq!(told(&|| unknown).2, Err(TryUpdateError::from(MissingError::NotFound)));
    let (update, set) = (MissingError::Expired, SetError::Missing(MissingError::Expired));
    assert_eq!(told(&expired).0, (Err(update), Err(update), Err(set)));
    assert_eq!(
        told(&expired).1,
        (Err(IncrementError::from(MissingError::Expired)), Err(set), Err(SetIfError::from(MissingError::Expired)))
    );
    assert_eq!(told(&expired).2, Err(TryUpdateError::from(MissingError::Expired)));
    for none in [unknown, expired()] {
        assert!(!store.contains(&none, "user"));
        assert_eq!((store.take(&none, "user"), store.keys(&none), store.version(&none)), (None, None, None));
        assert_eq!((store.get_each(&none, ["user"]), store.snapshot(&none).is_none()), (None, true));
    }
}

#[test]
fn remove_and_take_remove_one_attribute_once() {
    let (store, _) = store();
    let id = abc(&store);
    assert_eq!(store.remove(&id, "b"), Ok(true));
    assert_eq!(store.remove(&id, "b"), Ok(false));
    assert_eq!(all(&store, &id), pairs(&[("a", "1"), ("c", "3")]));
    assert_eq!(store.take(&id, "a").as_deref(), Some("1"));
    assert_eq!(store.take(&id, "a"), None);
    assert_eq!(all(&store, &id), pairs(&[("c", "3")]));
    store.set(&id, "a", "new").expect("it is live");
    assert_eq!(all(&store, &id), pairs(&[("c", "3"), ("a", "new")]));
}

#[test]
fn clear_leaves_a_session_without_attributes() {
    let (store, _) = store();
    let id = abc(&store);
    assert_eq!(store.clear(&id), Ok(()));
    assert_eq!(store.clear(&id), Ok(()));
    assert!(store.exists(&id) && all(&store, &id).is_empty());
}

#[test]
fn keys_and_contains_show_the_attributes() {
    let (store, _) = store();
    let id = abc(&store);
    assert_eq!(store.keys(&id).expect("it is live"), ["a", "b", "c"]);
    assert!(store.contains(&id, "b") && !store.contains(&id, "B") && !store.contains(&id, "2"));
}

#[test]
fn get_each_returns_the_values_in_the_order_of_the_keys() {
    let (store, _) = store();
    let id = abc(&store);
    let [c, missing, a, again] = store.get_each(&id, ["c", "x", "a", "c"]).expect("it is live");
    assert_eq!([c, a, again].map(Option::unwrap), ["3", "1", "3"]);
    assert_eq!(missing, None);
    assert_eq!(store.get_each(&id, []), Some([]));
}

#[test]
fn set_each_sets_all_in_one_version() {
    let (store, _) = store();
    let id = abc(&store);
    let before = store.version(&id).expect("it is live");
    store.set_each(&id, [("d", "4"), ("b", "x"), ("d", "5"), ("e", "6")]).expect("it is live");
    assert_eq!(all(&store, &id), pairs(&[("a", "1"), ("b", "x"), ("c", "3"), ("d", "5"), ("e", "6")]));
    // One version later, as after a single `set` on an equal session.
    let other = abc(&store);
    assert_eq!(store.set_if(&other, before, "a", "x"), Ok(store.version(&id).expect("it is live")));
}

#[test]
fn set_each_sets_all_or_none() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(20));
    let id = abc(&store);
    let too_large = |size| Err(SetError::TooLarge { size, limit: 20 });
    assert_eq!(store.set_each(&id, [("d", "4"), ("e", "55555"), ("f", "6")]), too_large(12 + 4 + 8 + 4));
    assert_eq!(store.set_each(&id, [("d", "x".repeat(20))]), too_large(23));
    assert_eq!(all(&store, &id), pairs(&[("a", "1"), ("b", "2"), ("c", "3")]));
    assert_eq!(store.set_each(&id, [("d", "4"), ("e", "5")]), Ok(()));
    assert_eq!(
        store.set_each(&SessionId::from_bytes([1; 32]), [("d", "x".repeat(20))]),
        Err(SetError::Missing(MissingError::NotFound))
    );
}

#[test]
fn a_snapshot_has_one_version_and_does_not_change() {
    let (store, _) = store();
    let id = abc(&store);
    let snapshot = store.snapshot(&id).expect("it is live");
    store.clear(&id).expect("it is live");
    store.delete(&id);
    store.flush();
    let copy = snapshot.clone();
    drop(snapshot);
    assert!(copy.iter().eq([("a", "1"), ("b", "2"), ("c", "3")]));
    assert_eq!(copy.as_ref().get("b"), Some("2"));
}

#[test]
fn increment_starts_at_zero_and_counts_up_and_down() {
    let (store, _) = store();
    let id = store.create_with([("signed", "+7"), ("least", "-9223372036854775808")]).expect("there is room");
    assert_eq!(store.increment(&id, "n", 0), Ok(0));
    assert_eq!(store.get(&id, "n").as_deref(), Some("0"));
    assert_eq!(store.increment(&id, "n", 5), Ok(5));
    assert_eq!(store.increment(&id, "n", -7), Ok(-2));
    assert_eq!(store.get(&id, "n").as_deref(), Some("-2"));
    assert_eq!(store.increment(&id, "signed", 1), Ok(8));
    assert_eq!(store.increment(&id, "least", i64::MAX), Ok(-1));
}

#[test]
fn increment_refuses_non_numbers_and_overflow() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(40));
    for value in ["", " 1", "1 ", "1.5", "one", "0x10", "9223372036854775808", "١"] {
        let id = store.create_with([("n", value)]).expect("there is room");
        assert_eq!(store.increment(&id, "n", 1), Err(IncrementError::NotANumber), "{value:?}");
        assert_eq!(store.get(&id, "n").as_deref(), Some(value));
    }
    let id = store.create_with([("n", "9223372036854775807")]).expect("there is room");
    assert_eq!(store.increment(&id, "n", 1), Err(IncrementError::Overflow));
    assert_eq!(
        store.increment(&id, "m", i64::MAX),
        Err(IncrementError::Set(SetError::TooLarge { size: 44, limit: 40 }))
    );
    assert_eq!(all(&store, &id), pairs(&[("n", "9223372036854775807")]));
}

#[test]
fn a_draft_shows_its_changes() {
    let (store, _) = store();
    let id = abc(&store);
    let answer = store.update(&id, |draft| {
        draft.set("d", "4");
        draft.set("a", "one");
        assert!(draft.remove("b") && !draft.remove("b") && !draft.contains("b"));
        assert_eq!((draft.take("c").as_deref(), draft.take("c")), (Some("3"), None));
        assert_eq!((draft.get("a"), draft.get("d"), draft.len()), (Some("one"), Some("4"), 2));
        assert_eq!(draft.iter().collect::<Vec<_>>(), [("a", "one"), ("d", "4")]);
        assert_eq!(format!("{draft:?}"), "Draft { len: 2, .. }");
        draft.len()
    });
    assert_eq!(answer, Ok(2));
    assert_eq!(all(&store, &id), pairs(&[("a", "one"), ("d", "4")]));
}

#[test]
fn the_limit_applies_to_the_result_of_an_update() {
    let (store, _) = store_with(|builder| builder.max_session_bytes(12));
    let id = abc(&store);
    let update = store.update(&id, |draft| {
        draft.set("d", &"x".repeat(1_000));
        draft.remove("d")
    });
    assert_eq!(update, Ok(true));
    assert_eq!(store.update(&id, |draft| draft.set("d", "")), Err(SetError::TooLarge { size: 15, limit: 12 }));
    assert_eq!(all(&store, &id), pairs(&[("a", "1"), ("b", "2"), ("c", "3")]));
}

#[test]
fn an_overtaken_update_is_repeated_on_the_newer_version() {
    let (store, _) = store();
    let id = session(&store);
    let mut calls = 0;
    let update = store.update(&id, |draft| {
        calls += 1;
        if calls == 1 {
            assert_eq!(draft.get("n"), None);
            store.set(&id, "n", "1").expect("it is live");
        }
        let next = draft.get("n").map_or(0, |n| n.parse::<u32>().expect("a number")) + 1;
        draft.set("n", &next.to_string());
    });
    assert_eq!((update, calls), (Ok(()), 2));
    assert_eq!(store.get(&id, "n").as_deref(), Some("2"));
}

#[test]
fn an_update_fails_if_its_session_is_deleted_in_between() {
    let (store, _) = store();
    let id = session(&store);
    let update = store.update(&id, |draft| {
        store.delete(&id);
        draft.set("user", "eve");
    });
    assert_eq!(update, Err(SetError::Missing(MissingError::NotFound)));
    assert_gone(&store, &id);
}

#[test]
fn set_if_and_update_if_change_only_the_given_version() {
    let (store, _) = store();
    let id = abc(&store);
    let first = store.version(&id).expect("it is live");
    let second = store.set_if(&id, first, "a", "x").expect("nobody changed it");
    assert_eq!(store.version(&id), Some(second));
    assert_eq!(store.set_if(&id, first, "a", "y"), Err(SetIfError::Changed));
    assert_eq!(
        store.update_if(&id, first, |_| unreachable!("of another version")),
        Err::<((), _), _>(SetIfError::Changed)
    );
    let (b, third) = store.update_if(&id, second, |draft| draft.take("b")).expect("nobody changed it");
    assert_eq!((b.as_deref(), store.version(&id)), (Some("2"), Some(third)));
    // An update without a change keeps the version.
    assert_eq!(store.set_if(&id, third, "a", "x"), Ok(third));
    assert_eq!(all(&store, &id), pairs(&[("a", "x"), ("c", "3")]));
}

#[test]
fn an_overtaken_update_if_is_refused() {
    let (store, _) = store();
    let id = session(&store);
    let seen = store.version(&id).expect("it is live");
    let update = store.update_if(&id, seen, |draft| {
        store.set(&id, "user", "bob").expect("it is live");
        draft.set("user", "eve");
    });
    assert_eq!(update, Err(SetIfError::Changed));
    assert_eq!(store.get(&id, "user").as_deref(), Some("bob"));
}

#[test]
fn an_old_id_in_grace_reads_attributes_and_cannot_change_them() {
    let (store, _) = store();
    let old = abc(&store);
    let new = store.rotation(&old).grace(Duration::from_secs(5)).rotate().expect("it is live");
    let snapshot = store.snapshot(&old).expect("within the grace");
    assert_eq!(Some(snapshot.version()), store.version(&new));
    assert!(store.contains(&old, "a"));
    assert_eq!(store.remove(&old, "a"), Err(MissingError::NotFound));
    assert_eq!(store.take(&old, "a"), None);
    assert_eq!(store.clear(&old), Err(MissingError::NotFound));
    assert_eq!(store.increment(&old, "a", 1), Err(IncrementError::from(MissingError::NotFound)));
    assert_eq!(store.update(&old, |draft| draft.clear()), Err(SetError::Missing(MissingError::NotFound)));
    assert_eq!(store.set_if(&old, snapshot.version(), "a", "x"), Err(SetIfError::from(MissingError::NotFound)));
    assert_eq!(all(&store, &new), pairs(&[("a", "1"), ("b", "2"), ("c", "3")]));
}
