//! `max_bytes`: exact to the byte, for creations, changes and rotations. `bytes_at_once.rs` has the threads.

use std::time::Duration;

use cloakroom::{
    BindError, Content, CreateError, IncrementError, InsertError, ManualClock, Principal, RemovalCause, RotateError,
    SessionConfig, SessionId, SessionStore, SessionStoreBuilder, SetError, SetIfError, Timeouts, TryUpdateError,
    WhenFull,
};

use crate::support::{TICK, TTL, assert_gone, session, store_with};

const DAY: Duration = Duration::from_secs(86_400);

/// A store that counts bytes and never refuses.
fn counting() -> SessionStore {
    store_with(|builder| builder.max_bytes(usize::MAX)).0
}

/// The bytes that count after `f` has used an empty store.
pub(crate) fn counted(f: impl FnOnce(&SessionStore)) -> usize {
    let store = counting();
    f(&store);
    bytes(&store)
}

/// The bytes that count in a store.
pub(crate) fn bytes<T: Content + ?Sized>(store: &SessionStore<T>) -> usize {
    usize::try_from(store.stats().counted_bytes).expect("a number of bytes in memory")
}

/// The bytes of one session with an attribute of so many bytes.
pub(crate) fn size_of_session(value: usize) -> usize {
    counted(|store| _ = store.create_with([("key", "v".repeat(value))]).expect("there is room"))
}

fn text(bytes: usize) -> String {
    "v".repeat(bytes)
}

/// A store whose limit is what `count` sessions of this size take.
fn room_for(
    count: usize,
    value: usize,
    configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder,
) -> (SessionStore, ManualClock) {
    let limit = count * size_of_session(value);
    store_with(|builder| configure(builder.max_bytes(limit)))
}

/// Fills a store with sessions of this size, each idle for a tick longer than the next.
fn fill(store: &SessionStore, clock: &ManualClock, count: usize, value: usize) -> Vec<SessionId> {
    let arrive = |_| {
        clock.advance(TICK);
        store.create_with([("key", text(value))]).expect("there is room")
    };
    (0..count).map(arrive).collect()
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let (store, _) = store_with(|builder| builder.max_bytes(0));
    session(&store);
    let stats = store.stats();
    assert_eq!((stats.counted_bytes, store.config().max_bytes), (0, 0));
    assert!(stats.bytes > 0);
}

#[test]
fn the_limit_is_exact_to_the_byte() {
    let one = size_of_session(100);
    for (limit, sessions) in [(3 * one, 3), (3 * one - 1, 2), (4 * one - 1, 3), (one, 1)] {
        let (store, clock) = store_with(|builder| builder.max_bytes(limit));
        fill(&store, &clock, sessions, 100);
        assert_eq!(store.create_with([("key", text(100))]), Err(CreateError::BytesFull));
        assert_eq!((store.count(), bytes(&store)), (sessions, sessions * one));
    }
}

/// The figures that the documentation of the setting names, where the crate has its own blocks.
#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri), not(crossbeam_sanitize)))]
fn a_session_takes_the_bytes_that_the_documentation_says() {
    assert_eq!(counted(|store| _ = store.create()), 80);
    assert_eq!(counted(|store| _ = store.create_with([("key", text(75))])), 160, "80 bytes of attributes");
    let id = SessionId::from_bytes([7; 32]);
    assert_eq!(counted(|store| _ = store.insert_with(&id, Timeouts::default(), [("", "")])), 128, "114, rounded");
    let forwarded = counted(|store| {
        let id = store.create().expect("there is room");
        store.rotation(&id).grace(TTL).rotate().expect("it is live");
    });
    assert_eq!(forwarded, 112 + 112);
    let ada = Principal::new("ada");
    assert_eq!(counted(|store| _ = store.new_session().principal(ada).create()), 96);
}

#[test]
fn a_session_takes_no_less_than_its_entry() {
    for value in [0, 1, 50, 1_000, 20_000] {
        let store = counting();
        store.create_with([("key", text(value))]).expect("there is room");
        let stats = store.stats();
        assert!(stats.counted_bytes >= stats.bytes, "{stats:?}");
        assert!(stats.counted_bytes <= stats.bytes + stats.bytes / 2 + 40, "{stats:?}");
    }
}

#[test]
fn a_session_that_is_larger_than_the_limit_ends_none() {
    let (store, clock) = room_for(3, 100, |builder| builder.when_full(WhenFull::EndIdlest));
    let ids = fill(&store, &clock, 3, 100);
    assert_eq!(store.create_with([("key", text(2_000))]), Err(CreateError::BytesFull));
    let id = SessionId::from_bytes([7; 32]);
    let inserted = store.insert_with(&id, Timeouts::default(), [("key", text(2_000))]);
    assert_eq!(inserted, Err(InsertError::BytesFull));
    assert_eq!(store.set(&ids[0], "key", &text(2_000)), Err(SetError::BytesFull));
    assert!(ids.iter().all(|id| store.exists(id)));
    let stats = store.stats();
    assert_eq!((stats.rejected_bytes_full, stats.rejected_changes, stats.rejected_full), (2, 1, 0));
}

type Edit = fn(&SessionStore, &SessionId) -> Result<(), SetError>;

/// Every operation on attributes that can make a session larger, with a value of 200 bytes.
const GROWING: [(&str, Edit); 8] = [
    ("set", |store, id| store.set(id, "other", &text(200))),
    ("set_each", |store, id| store.set_each(id, [("other", text(200)), ("more", text(1))])),
    ("increment", |store, id| {
        store.increment(id, &text(200), 1).map(drop).map_err(|error| match error {
            IncrementError::Set(error) => error,
            _ => panic!("{error}"),
        })
    }),
    ("update", |store, id| store.update(id, |draft| draft.set("other", &text(200)))),
    ("try_update", |store, id| {
        let updated = store.try_update(id, |draft| {
            draft.set("other", &text(200));
            Ok::<_, ()>(())
        });
        updated.map_err(|error| match error {
            TryUpdateError::Set(error) => error,
            _ => panic!("not abandoned"),
        })
    }),
    ("set_if", |store, id| {
        let seen = store.version(id).expect("it is live");
        store.set_if(id, seen, "other", &text(200)).map(drop).map_err(inner)
    }),
    ("update_if", |store, id| {
        let seen = store.version(id).expect("it is live");
        store.update_if(id, seen, |draft| draft.set("other", &text(200))).map(drop).map_err(inner)
    }),
    ("replace_with", |store, id| store.replace_with(id, Timeouts::default(), [("key", text(300))])),
];

fn inner(error: SetIfError) -> SetError {
    match error {
        SetIfError::Set(error) => error,
        _ => panic!("{error}"),
    }
}

#[test]
fn a_change_without_room_is_refused_and_changes_nothing() {
    for (name, grow) in GROWING {
        let (store, clock) = room_for(2, 100, |builder| builder);
        let ids = fill(&store, &clock, 2, 100);
        let (before, version) = (bytes(&store), store.version(&ids[0]));
        clock.advance(TTL - TICK);
        assert_eq!(grow(&store, &ids[0]), Err(SetError::BytesFull), "{name}");
        assert_eq!((bytes(&store), store.version(&ids[0])), (before, version), "{name}");
        assert_eq!(store.stats().rejected_changes, 1, "{name}");
        // The first session was as old as its timeout allows, and has not been touched.
        clock.advance(TICK);
        assert!(!store.exists(&ids[0]) && store.exists(&ids[1]), "{name}");
    }
}

#[test]
fn a_change_fits_once_another_session_has_ended() {
    for (name, grow) in GROWING {
        let (store, clock) = room_for(5, 100, |builder| builder);
        let ids = fill(&store, &clock, 5, 100);
        assert_eq!(grow(&store, &ids[0]), Err(SetError::BytesFull), "{name}");
        ids[1..].iter().for_each(|id| assert!(store.delete(id)));
        assert_eq!(grow(&store, &ids[0]), Ok(()), "{name}");
        assert!(bytes(&store) > size_of_session(100) && bytes(&store) <= store.config().max_bytes, "{name}");
        assert!(store.delete(&ids[0]));
        assert_eq!(bytes(&store), 0, "{name}");
    }
}

#[test]
fn what_makes_no_session_larger_never_fails() {
    let (store, clock) = room_for(1, 100, |builder| builder);
    let id = fill(&store, &clock, 1, 100).remove(0);
    assert_eq!(store.create(), Err(CreateError::BytesFull));
    store.set(&id, "key", &"w".repeat(100)).expect("it is as large as before");
    store.set_timeouts(&id, Timeouts::default().idle(DAY).absolute(DAY)).expect("timeouts take no more");
    store.replace_with(&id, Timeouts::default().idle(DAY), [("key", text(100))]).expect("nor do they here");
    let id = store.rotate_id(&id).expect("a new id takes no more");
    assert_eq!(bytes(&store), store.config().max_bytes);
    store.set(&id, "key", &text(50)).expect("it is smaller");
    assert!(bytes(&store) < store.config().max_bytes);
    assert_eq!(store.take(&id, "key").as_deref(), Some(&*text(50)));
    assert_eq!(store.remove(&id, "key"), Ok(false));
    store.set(&id, "key", &text(100)).expect("the room is there again");
    store.clear(&id).expect("it is live");
    assert_eq!(bytes(&store), counted(|store| _ = store.create()));
}

#[test]
fn every_end_gives_the_bytes_back() {
    let ada = Principal::new("ada");
    let (store, clock) = store_with(|builder| builder.max_bytes(1 << 20).max_sessions_per_principal(1));
    let login = || store.new_session().principal(ada).create_with([("key", text(100))]).expect("there is room");
    let ended: [(&str, &dyn Fn(SessionId)); 6] = [
        ("delete", &|id| assert!(store.delete(&id))),
        ("delete_where", &|_| assert_eq!(store.delete_where(|_| true), 1)),
        ("end_sessions_of", &|_| assert_eq!(store.end_sessions_of(&ada), 1)),
        ("an access", &|id| {
            clock.advance(TTL + TICK);
            assert!(!store.exists(&id));
        }),
        ("an eviction", &|_| {
            clock.advance(TTL + TICK);
            assert_eq!(store.evict_expired(), 1);
        }),
        ("by the old id", &|id| {
            let new = store.rotation(&id).grace(TTL).rotate().expect("it is live");
            assert!(store.delete(&id) && !store.exists(&new));
        }),
    ];
    for (name, end) in ended {
        let id = login();
        assert!(bytes(&store) > 100, "{name}");
        end(id);
        assert_eq!((bytes(&store), store.count()), (0, 0), "{name}");
    }
}

#[test]
fn a_rotation_with_a_grace_takes_more_until_the_next_one() {
    let (store, clock) = room_for(2, 100, |builder| builder);
    let ids = fill(&store, &clock, 1, 100);
    let one = bytes(&store);
    let id = store.rotation(&ids[0]).grace(TICK).rotate().expect("there is room");
    assert!(bytes(&store) > one);
    clock.advance(2 * TICK);
    let id = store.rotate_id(&id).expect("it is live");
    assert_eq!(bytes(&store), one);
    let other = store.create_with([("key", text(100))]).expect("there is room");
    assert_eq!(store.rotation(&id).grace(TTL).rotate(), Err(RotateError::BytesFull));
    assert_eq!(store.bind(&id, &Principal::new("ada")), Err(BindError::BytesFull));
    assert!(store.exists(&id) && store.exists(&other));
    assert_eq!((store.count(), bytes(&store), store.stats().rejected_changes), (2, 2 * one, 2));
    assert_eq!(store.sessions_of(&Principal::new("ada")), []);
    store.clear(&other).expect("it is live");
    store.bind(&id, &Principal::new("ada")).expect("there is room now");
}

/// A login that ends another user's session begins an empty one.
#[test]
fn a_login_of_another_user_gives_the_difference_back() {
    let (store, _) = store_with(|builder| builder.max_bytes(1 << 20));
    let (ada, eve) = (Principal::new("ada"), Principal::new("eve"));
    let id = store.new_session().principal(ada).create_with([("key", text(500))]).expect("there is room");
    let id = store.login(&id, &eve).expect("it is live");
    assert_eq!(bytes(&store), counted(|store| _ = store.new_session().principal(eve).create()));
    assert!(store.delete(&id));
    assert_eq!(bytes(&store), 0);
}

#[test]
fn a_creation_ends_as_many_of_the_idlest_as_it_needs() {
    for when_full in [WhenFull::EndIdlest, WhenFull::EndUnbound] {
        let (store, clock) = room_for(10, 100, |builder| builder.when_full(when_full));
        let ids = fill(&store, &clock, 10, 100);
        let large = size_of_session(500);
        let needed = large.div_ceil(size_of_session(100));
        assert!(needed > 1);
        store.create_with([("key", text(500))]).expect("others end for it");
        let ended = ids.iter().filter(|id| !store.exists(id)).count();
        assert_eq!(ended, needed);
        assert!(ids[..needed].iter().all(|id| !store.exists(id)), "the idlest of a few sessions");
        assert_eq!(bytes(&store), large + (10 - needed) * size_of_session(100), "the surplus is given back");
        assert_eq!(store.stats().removed(RemovalCause::Capacity), needed as u64);
        assert_eq!(store.stats().rejected_bytes_full, 0);
    }
}

/// However idle it is itself.
#[test]
fn a_session_that_becomes_larger_ends_others_and_not_itself() {
    for (name, grow) in GROWING {
        let (store, clock) = room_for(6, 100, |builder| builder.when_full(WhenFull::EndIdlest));
        let ids = fill(&store, &clock, 6, 100);
        assert_eq!(grow(&store, &ids[0]), Ok(()), "{name}");
        let there: Vec<_> = ids.iter().map(|id| store.exists(id)).collect();
        assert!(there[0] && !there[1] && there[5], "{name}: {there:?}");
        assert!(bytes(&store) <= store.config().max_bytes);
        assert_eq!(store.stats().rejected_changes, 0);
    }
}

#[test]
fn a_rotation_ends_another_session_for_the_room_it_needs() {
    let (store, clock) = room_for(3, 100, |builder| builder.when_full(WhenFull::EndIdlest));
    let ids = fill(&store, &clock, 3, 100);
    let new = store.rotation(&ids[0]).grace(TTL).rotate().expect("others end for it");
    assert!(store.exists(&new) && store.exists(&ids[0]) && !store.exists(&ids[1]));
    let new = store.bind(&ids[2], &Principal::new("ada"));
    assert!(new.is_ok(), "there is room left");
}

#[test]
fn a_visitor_ends_no_session_of_a_user_for_its_bytes() {
    let (store, clock) = store_with(|builder| builder.max_bytes(4_000).when_full(WhenFull::EndUnbound));
    let ada = Principal::new("ada");
    let mut users = Vec::new();
    while let Ok(id) = store.new_session().principal(ada).create_with([("key", text(100))]) {
        clock.advance(TICK);
        users.push(id);
        if bytes(&store) > 3_600 {
            break;
        }
    }
    let visitor = store.create_with([("key", text(100))]).expect("there is room");
    assert_eq!(store.create_with([("key", text(500))]), Err(CreateError::BytesFull));
    assert_gone(&store, &visitor);
    let visitor = store.create().expect("there is room");
    assert_eq!(store.set(&visitor, "key", &text(1_000)), Err(SetError::BytesFull));
    assert!(users.iter().all(|id| store.exists(id)));
    // A user's session may become larger at the expense of a visitor, and then of another user.
    assert_eq!(store.set(&users[0], "key", &text(1_000)), Ok(()));
    assert_gone(&store, &visitor);
    assert!(store.exists(&users[0]) && !store.exists(&users[1]));
}

#[test]
fn expired_sessions_make_room_under_every_policy() {
    for when_full in [WhenFull::Refuse, WhenFull::EndIdlest, WhenFull::EndUnbound] {
        let (store, clock) = room_for(300, 100, |builder| builder.when_full(when_full));
        let brief = |_| store.new_session().idle_timeout(TICK).create_with([("key", text(100))]);
        let expired: Result<Vec<_>, _> = (0..250).map(brief).collect();
        let kept = fill(&store, &clock, 50, 100);
        clock.advance(2 * TICK);
        let large = 200 * size_of_session(100) - 1_000;
        store.create_with([("key", text(large))]).expect("more than a hundred have expired");
        assert!(kept.iter().all(|id| store.exists(id)));
        assert!(expired.expect("there is room").iter().all(|id| !store.exists(id)));
        assert_eq!(store.stats().removed(RemovalCause::Capacity), 0);
    }
}

#[test]
fn both_limits_hold_together() {
    let configure = |builder: SessionStoreBuilder| builder.max_sessions(3).when_full(WhenFull::EndIdlest);
    let (store, clock) = room_for(5, 100, configure);
    let ids = fill(&store, &clock, 3, 100);
    store.create_with([("key", text(100))]).expect("another one ends");
    assert!(!store.exists(&ids[0]) && store.exists(&ids[1]));
    assert_eq!(store.count(), 3);
    let large = store.create_with([("key", text(100)), ("more", text(700))]).expect("others end");
    assert!(store.count() < 3 && store.exists(&large) && bytes(&store) <= store.config().max_bytes);
    let (store, clock) = room_for(5, 100, |builder| builder.max_sessions(3));
    fill(&store, &clock, 3, 100);
    assert_eq!(store.create(), Err(CreateError::Full));
}

#[test]
fn the_bytes_of_a_value_count_and_what_it_owns_does_not() {
    let typed = |limit| SessionStore::<[u64; 20]>::typed(SessionConfig::default().max_bytes(limit));
    let store = typed(usize::MAX);
    store.create_with([0; 20]).expect("there is room");
    let one = bytes(&store);
    assert!((160..300).contains(&one), "{one}");
    let store = typed(2 * one);
    let id = store.create_with([1; 20]).expect("there is room");
    store.create_with([2; 20]).expect("there is room");
    assert_eq!(store.create_with([3; 20]), Err(CreateError::BytesFull));
    store.update(&id, |value| value.map(|number| number + 1)).expect("it is as large as before");
    let timeouts = Timeouts::default().idle(DAY);
    store.replace_with(&id, timeouts, |value| *value).expect("timeouts take no more");
    assert_eq!(store.read(&id, |value| value[0]), Some(2));
    let owning = SessionStore::<Vec<u8>>::typed(SessionConfig::default().max_bytes(200));
    owning.create_with(vec![0; 1 << 20]).expect("a megabyte elsewhere");
    assert!(bytes(&owning) < 200);
}

/// A creation whose principal is at its limit takes the place and the bytes of the session that ends for it.
#[test]
fn a_principals_idlest_session_leaves_its_bytes() {
    let ada = Principal::new("ada");
    let one = counted(|store| _ = store.new_session().principal(ada).create_with([("key", text(100))]));
    let (store, clock) = store_with(|builder| {
        let builder = builder.max_bytes(2 * one).max_sessions_per_principal(2);
        builder.when_principal_full(cloakroom::WhenPrincipalFull::EndIdlest)
    });
    let login = |value| {
        clock.advance(TICK);
        store.new_session().principal(ada).create_with([("key", text(value))])
    };
    let first = login(100).expect("there is room");
    login(100).expect("there is room");
    login(100).expect("the first session leaves its bytes");
    assert_gone(&store, &first);
    assert_eq!(login(50).map(|_| ()), Ok(()));
    assert!(bytes(&store) < 2 * one, "the surplus is given back");
    assert_eq!(login(300), Err(CreateError::BytesFull));
    assert!(bytes(&store) <= 2 * one);
}
