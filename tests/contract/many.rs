//! `max_attributes`, and the cost of many attributes and of too many.

use std::cell::Cell;
use std::time::Duration;

use cloakroom::{
    CreateError, IncrementError, InsertError, SessionId, SessionStore, SetError, SetIfError, Timeouts, TryUpdateError,
};

use crate::support::{TICK, TTL, store_with};

const LIMIT: usize = 3;

fn limited() -> SessionStore {
    store_with(|builder| builder.max_attributes(LIMIT)).0
}

/// `count` attributes with different keys.
fn numbered(count: usize) -> Vec<(String, &'static str)> {
    (0..count).map(|number| (number.to_string(), "x")).collect()
}

/// A session with as many attributes as the limit allows.
fn full(store: &SessionStore) -> SessionId {
    store.create_with(numbered(LIMIT)).expect("they are as many as allowed")
}

fn count(store: &SessionStore, id: &SessionId) -> Option<usize> {
    store.read(id, |attributes| attributes.len())
}

/// The operations that set attributes.
#[derive(Clone, Copy)]
enum Giver {
    Create,
    CreateForLong,
    Insert,
    Replace,
    SetEach,
}

const GIVERS: [Giver; 5] = [Giver::Create, Giver::CreateForLong, Giver::Insert, Giver::Replace, Giver::SetEach];

impl Giver {
    /// Sets attributes on a new session, or on one without attributes. `Err` with the number and the limit if there are
    /// too many.
    fn give<'a>(
        self,
        store: &SessionStore,
        attributes: impl IntoIterator<Item = (String, &'a str)>,
    ) -> Result<SessionId, (usize, usize)> {
        let created = |result| match result {
            Ok(id) => Ok(id),
            Err(CreateError::TooManyAttributes { count, limit }) => Err((count, limit)),
            Err(other) => panic!("{other}"),
        };
        let set = |id, result| match result {
            Ok(()) => Ok(id),
            Err(SetError::TooManyAttributes { count, limit }) => Err((count, limit)),
            Err(other) => panic!("{other}"),
        };
        let empty = || store.create().expect("there is room");
        match self {
            Self::Create => created(store.create_with(attributes)),
            Self::CreateForLong => created(store.new_session().idle_timeout(Duration::MAX).create_with(attributes)),
            Self::Insert => {
                let id = SessionId::random().expect("randomness");
                match store.insert_with(&id, Timeouts::default(), attributes) {
                    Ok(()) => Ok(id),
                    Err(InsertError::TooManyAttributes { count, limit }) => Err((count, limit)),
                    Err(other) => panic!("{other}"),
                }
            }
            Self::Replace => {
                let id = empty();
                set(id, store.replace_with(&id, Timeouts::default(), attributes))
            }
            Self::SetEach => {
                let id = empty();
                set(id, store.set_each(&id, attributes))
            }
        }
    }
}

#[test]
fn a_session_accepts_attributes_up_to_the_limit() {
    for limit in [1, 2, 15, 16, 17, 100] {
        let (store, _) = store_with(|builder| builder.max_attributes(limit));
        for giver in GIVERS {
            let id = giver.give(&store, numbered(limit)).expect("they are as many as allowed");
            assert_eq!(count(&store, &id), Some(limit));
            assert_eq!(giver.give(&store, numbered(limit + 1)), Err((limit + 1, limit)));
            assert_eq!(giver.give(&store, numbered(10 * limit)), Err((limit + 1, limit)));
        }
    }
}

#[test]
fn no_operation_adds_an_attribute_at_the_limit() {
    let store = limited();
    let id = full(&store);
    let seen = store.version(&id).expect("it is live");
    let (count, limit) = (LIMIT + 1, LIMIT);
    let refused = Err(SetError::TooManyAttributes { count, limit });
    assert_eq!(store.set(&id, "new", ""), refused);
    assert_eq!(store.set_each(&id, [("0", "y"), ("new", "")]), refused);
    assert_eq!(store.set_each(&id, [("new", ""), ("newer", "")]), Err(SetError::TooManyAttributes { count: 5, limit }));
    assert_eq!(store.update(&id, |draft| draft.set("new", "")), refused);
    let tried = store.try_update(&id, |draft| {
        draft.set("new", "");
        Ok::<_, ()>(())
    });
    assert_eq!(tried, Err(TryUpdateError::Set(SetError::TooManyAttributes { count, limit })));
    assert_eq!(store.set_if(&id, seen, "new", ""), Err(SetIfError::Set(SetError::TooManyAttributes { count, limit })));
    let updated = store.update_if(&id, seen, |draft| draft.set("new", ""));
    assert_eq!(updated.map(|_| ()), Err(SetIfError::Set(SetError::TooManyAttributes { count, limit })));
    assert_eq!(store.increment(&id, "new", 1), Err(IncrementError::Set(SetError::TooManyAttributes { count, limit })));
    assert_eq!(store.version(&id), Some(seen));
    let unchanged: Vec<_> = numbered(LIMIT).into_iter().map(|(key, _)| key).collect();
    assert_eq!(store.keys(&id), Some(unchanged));
}

#[test]
fn an_attribute_beyond_the_limit_is_refused_in_a_session_of_any_size() {
    let (store, _) = store_with(|builder| builder.max_attributes(40));
    for value in ["", "x", &"x".repeat(100)] {
        let id = store.create().expect("there is room");
        for number in 0..40 {
            store.set(&id, &number.to_string(), value).expect("they are no more than allowed");
        }
        let refused = Err(SetError::TooManyAttributes { count: 41, limit: 40 });
        assert_eq!(store.set(&id, "new", value), refused);
        assert_eq!(store.set_each(&id, [("new", value)]), refused);
        assert_eq!(store.update(&id, |draft| draft.set("new", value)), refused);
        let many = numbered(30).into_iter().map(|(key, value)| (format!("new {key}"), value));
        assert_eq!(store.set_each(&id, many), Err(SetError::TooManyAttributes { count: 70, limit: 40 }));
        store.set_each(&id, numbered(40)).expect("they are those that there are");
        assert_eq!(count(&store, &id), Some(40));
    }
}

#[test]
fn a_session_at_the_attribute_limit_can_be_changed() {
    let store = limited();
    let id = full(&store);
    store.set(&id, "0", "another, longer value").expect("it makes no more of them");
    store.set_each(&id, [("1", "1"), ("2", "2")]).expect("it makes no more of them");
    assert_eq!(store.increment(&id, "1", 1), Ok(2));
    assert_eq!(store.update(&id, |draft| draft.set("0", "")), Ok(()));
    assert_eq!(store.remove(&id, "1"), Ok(true));
    store.set(&id, "new", "").expect("another has gone");
    assert_eq!(store.keys(&id), Some(["0", "2", "new"].map(str::to_owned).to_vec()));
}

#[test]
fn a_refusal_for_the_number_of_attributes_touches_nothing() {
    let (store, clock) = store_with(|builder| builder.max_attributes(LIMIT));
    let id = full(&store);
    clock.advance(TTL);
    assert!(store.set(&id, "new", "").is_err());
    assert!(store.set_each(&id, numbered(LIMIT + 1)).is_err());
    assert!(store.replace_with(&id, Timeouts::default(), numbered(LIMIT + 1)).is_err());
    assert!(store.update(&id, |draft| draft.set("new", "")).is_err());
    clock.advance(TICK);
    assert!(!store.exists(&id));
}

#[test]
fn the_attribute_limit_applies_to_the_result_of_an_update() {
    let store = limited();
    let id = full(&store);
    let update = store.update(&id, |draft| {
        for number in 0..1_000 {
            draft.set(&number.to_string(), "y");
        }
        for number in LIMIT..1_000 {
            assert!(draft.remove(&number.to_string()));
        }
        draft.len()
    });
    assert_eq!(update, Ok(LIMIT));
    assert_eq!(store.get(&id, "0").as_deref(), Some("y"));
}

#[test]
fn zero_attributes_means_no_limit_except_on_bytes() {
    let (store, _) = store_with(|builder| builder.max_attributes(0));
    for giver in GIVERS {
        let id = giver.give(&store, numbered(5_000)).expect("they take less than 64 KiB");
        assert_eq!(count(&store, &id), Some(5_000));
        store.set(&id, "new", "").expect("it is small");
    }
    assert!(matches!(store.create_with(numbered(20_000)), Err(CreateError::TooLarge { .. })));
}

#[test]
fn a_key_given_twice_counts_once_against_the_attribute_limit() {
    for limit in [1, 2, 16, 40] {
        let (store, _) = store_with(|builder| builder.max_attributes(limit));
        for giver in GIVERS {
            let thrice = || (0..3).flat_map(|_| numbered(limit));
            let id = giver.give(&store, thrice()).expect("they are as many as allowed");
            assert_eq!(count(&store, &id), Some(limit));
            let one_more = thrice().chain([("new".to_owned(), "")]);
            assert_eq!(giver.give(&store, one_more), Err((limit + 1, limit)));
        }
    }
}

#[test]
fn an_iterator_is_not_asked_for_more_after_the_attribute_beyond_the_limit() {
    for limit in [1, 16, 100] {
        let (store, _) = store_with(|builder| builder.max_attributes(limit));
        for giver in GIVERS {
            let asked = Cell::new(0);
            let endless = (0..).inspect(|_| asked.set(asked.get() + 1)).map(|number: u64| (number.to_string(), "x"));
            assert_eq!(giver.give(&store, endless), Err((limit + 1, limit)));
            assert_eq!(asked.get(), limit + 1);
        }
    }
    let (store, _) = store_with(|builder| builder.max_attributes(0).max_session_bytes(1_000));
    let asked = Cell::new(0_usize);
    let endless = (100..).inspect(|_| asked.set(asked.get() + 1)).map(|number: u64| (number.to_string(), ""));
    assert_eq!(store.create_with(endless), Err(CreateError::TooLarge { size: 1_005, limit: 1_000 }));
    assert_eq!(asked.get(), 201);
}

#[test]
fn attributes_that_are_too_many_and_too_large_are_refused_as_too_many() {
    let (store, _) = store_with(|builder| builder.max_attributes(1).max_session_bytes(4));
    let refused = SetError::TooManyAttributes { count: 2, limit: 1 };
    for giver in GIVERS {
        assert_eq!(giver.give(&store, numbered(2)), Err((2, 1)));
    }
    let id = store.create_with([("a", "1")]).expect("it is the first");
    assert_eq!(store.set(&id, "b", "2"), Err(refused));
    assert_eq!(store.set_each(&id, [("b", "2")]), Err(refused));
    assert_eq!(store.update(&id, |draft| draft.set("b", "2")), Err(refused));
}

#[test]
fn many_attributes_keep_the_order_in_which_their_keys_were_first_set() {
    let (store, _) = store_with(|builder| builder.max_attributes(0));
    let with = |value: &'static str, numbers: std::ops::Range<usize>| numbers.map(move |n| (n.to_string(), value));
    let mixed = || with("x", 0..100).chain(with("longer", 50..150)).chain(with("", 20..30));
    let expected: Vec<_> = with("x", 0..20)
        .chain(with("", 20..30))
        .chain(with("x", 30..50))
        .chain(with("longer", 50..150))
        .map(|(key, value)| (key, value.to_owned()))
        .collect();
    let all =
        |id| store.read(&id, |shown| shown.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    for giver in GIVERS {
        let id = giver.give(&store, mixed()).expect("there is no limit on them");
        assert_eq!(all(id).as_ref(), Some(&expected));
        store.set_each(&id, with("y", 140..200)).expect("there is no limit on them");
        let changed = expected[..140].iter().cloned().chain(with("y", 140..200).map(|(key, y)| (key, y.to_owned())));
        assert_eq!(all(id), Some(changed.collect::<Vec<_>>()));
    }
    let id = store.create().expect("there is room");
    store
        .update(&id, |draft| mixed().for_each(|(key, value)| draft.set(&key, value)))
        .expect("there is no limit on them");
    assert_eq!(all(id), Some(expected));
}

#[test]
fn a_draft_of_many_attributes_shows_its_changes() {
    let (store, _) = store_with(|builder| builder.max_attributes(0));
    let id = store.create_with(numbered(200)).expect("there is no limit on them");
    let update = store.update(&id, |draft| {
        for number in 0..200 {
            let key = number.to_string();
            assert_eq!((draft.get(&key), draft.len()), (Some("x"), 200));
            draft.set(&key, "another value");
            assert!(draft.get(&key) == Some("another value") && draft.contains(&key));
        }
        assert!(draft.iter().all(|(_, value)| value == "another value"));
        for number in (0..200).step_by(2) {
            assert_eq!(draft.take(&number.to_string()).as_deref(), Some("another value"));
            assert!(!draft.remove(&number.to_string()));
        }
        assert_eq!((draft.iter().count(), draft.len(), draft.is_empty()), (100, 100, false));
        assert_eq!(format!("{draft:?}"), "Draft { len: 100, .. }");
    });
    assert_eq!((update, count(&store, &id)), (Ok(()), Some(100)));
    assert_eq!(store.update(&id, |draft| draft.clear()), Ok(()));
    assert_eq!(count(&store, &id), Some(0));
}

/// An operation on a given number of attributes.
#[cfg(all(target_os = "linux", not(miri)))]
type Work<'w> = dyn Fn(&[(String, &'static str)]) + 'w;

/// The CPU time of this thread.
#[cfg(all(target_os = "linux", not(miri)))]
fn worked() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("a thread has not run for less than nothing")
}

/// The shortest of several runs of `work` on `attributes` attributes.
#[cfg(all(target_os = "linux", not(miri)))]
fn least(attributes: usize, work: &Work<'_>) -> Duration {
    let given = numbered(attributes);
    let turns = (0..5).map(|_| {
        let begun = worked();
        work(&given);
        worked() - begun
    });
    turns.min().expect("there are some")
}

/// Eight times the attributes take about eight times as long, or 64 times if each is compared with all others. (The
/// tests of `src/attributes` count comparisons, without a clock.)
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn the_cost_of_many_attributes_is_linear_in_their_number() {
    let (store, _) = store_with(|builder| builder.max_attributes(0).max_session_bytes(1 << 20));
    let large = |given: &[(String, &str)]| "x".repeat(128 * given.len());
    let id = store.create().expect("there is room");
    let update = |key: &str, value: &str, edit: fn(&mut cloakroom::Draft<'_>, &str, &str)| {
        store.update(&id, |draft| edit(draft, key, value)).expect("there is room");
    };
    let edited = |given: &[(String, &str)], value: &str| {
        store.replace_with(&id, Timeouts::default(), given.iter().map(|(key, _)| (key, ""))).expect("there is room");
        let set = store.update(&id, |draft| given.iter().for_each(|(key, _)| draft.set(key, value)));
        set.expect("there is room");
        let remove = store.update(&id, |draft| given.iter().all(|(key, _)| draft.remove(key)));
        assert_eq!(remove, Ok(true));
    };
    let works: [(&str, &Work<'_>); 5] = [
        ("create_with", &|given| {
            let id = store.create_with(given.iter().map(|(key, value)| (key, value)));
            store.delete(&id.expect("there is room"));
        }),
        ("set_each", &|given| {
            for value in ["y", "z"] {
                store.set_each(&id, given.iter().map(|(key, _)| (key, value))).expect("there is room");
            }
            store.clear(&id).expect("it is live");
        }),
        ("update", &|given| edited(given, "another value")),
        ("one key, beside a large value", &|given| {
            let again = given.iter().enumerate().map(|(turn, _)| ("a", ["", "y"][turn % 2]));
            let id = store.create_with([("a", "z"), ("b", &*large(given))].into_iter().chain(again));
            store.delete(&id.expect("there is room"));
        }),
        ("update of one key, beside a large value", &|given| {
            update("a", "", |draft, key, value| draft.set(key, value));
            update("b", &large(given), |draft, key, value| draft.set(key, value));
            let set = store.update(&id, |draft| {
                given.iter().enumerate().for_each(|(turn, _)| draft.set("a", ["", "y"][turn % 2]));
            });
            set.expect("there is room");
            store.clear(&id).expect("it is live");
        }),
    ];
    for (name, work) in works {
        let (few, many) = (least(500, work), least(4_000, work));
        assert!(many < 24 * few, "{name}: {many:?} for 4,000 attributes, {few:?} for 500");
    }
}
