//! Read closures that call every operation of the store on the session that they are shown. (The common cases are in
//! the tests of the contract.)

use cloakroom::{Attributes, CreateError, MissingError, SessionId, SessionStore, SetError};

use crate::support::{TICK, TTL, assert_nothing_lost, fail, panics, session, store};

#[test]
fn a_session_may_be_evicted_while_it_is_read() {
    let (store, clock) = store(1);
    let id = session(&store);
    let fresh = store.read(&id, |attributes| {
        assert!(matches!(store.create(), Err(CreateError::Full)));
        clock.advance(TTL + TICK);
        assert_eq!(store.evict_expired(), 1);
        store.flush();
        assert_eq!(store.count(), 0);
        assert_eq!(store.set(&id, "user", "eve"), Err(SetError::Missing(MissingError::NotFound)));
        let fresh = session(&store);
        assert_eq!(attributes.get("user"), Some("ada"), "what is being read stays");
        fresh
    });
    assert!(!store.exists(&id));
    assert_nothing_lost(&store, &[fresh.expect("it was live when the read began")]);
}

#[test]
fn a_session_may_be_found_expired_by_each_operation_while_it_is_read() {
    type Meeting = fn(&SessionStore, &SessionId) -> bool;
    let meetings: [Meeting; 6] = [
        |store, id| store.set(id, "user", "eve") == Err(SetError::Missing(MissingError::Expired)),
        |store, id| store.get(id, "user").is_none(),
        |store, id| store.read(id, |_| ()).is_none(),
        |store, id| !store.exists(id),
        |store, id| !store.delete(id),
        // Full, except for the expired session.
        |store, _| store.create().is_ok_and(|fresh| store.delete(&fresh)),
    ];
    for meeting in meetings {
        let (store, clock) = store(1);
        let id = session(&store);
        let seen = store.read(&id, |attributes| {
            clock.advance(TTL + TICK);
            assert!(meeting(&store, &id));
            assert_eq!(store.count(), 0);
            store.flush();
            attributes.get("user").map(str::to_owned)
        });
        assert_eq!(seen.flatten().as_deref(), Some("ada"));
        assert_nothing_lost(&store, &[]);
    }
}

#[test]
fn nested_reads_each_keep_the_version_that_they_were_shown() {
    const DEPTH: usize = 50;
    fn descend(store: &SessionStore, id: &SessionId, depth: usize) -> usize {
        let seen = |attributes: &Attributes| {
            assert_eq!(attributes.get("depth"), (depth > 0).then(|| depth.to_string()).as_deref());
            if depth == DEPTH {
                assert!(store.delete(id));
                store.flush();
                return 0;
            }
            store.set(id, "depth", &(depth + 1).to_string()).expect("the session is live");
            store.flush();
            let deeper = descend(store, id, depth + 1);
            assert_eq!(store.evict_expired(), 0);
            assert_eq!(attributes.get("depth"), (depth > 0).then(|| depth.to_string()).as_deref());
            deeper + 1
        };
        store.read(id, seen).expect("the session is live")
    }
    let (store, _) = store(2);
    let id = session(&store);
    assert_eq!(descend(&store, &id, 0), DEPTH);
    assert_nothing_lost(&store, &[]);
}

#[test]
fn memory_retired_during_a_read_is_not_freed_before_it_ends() {
    let (store, _) = store(0);
    let long = "ada".repeat(1_000);
    let id = store.create_with([("user", &long)]).expect("there is room");
    let read = store.read(&id, |attributes| {
        for turn in 0..1_000 {
            // Of the same size as the shown value, so that its memory would be reused.
            store.set(&id, "user", &(turn % 10).to_string().repeat(3_000)).expect("the session is live");
            assert!(store.delete(&session(&store)));
            if turn % 100 == 0 {
                store.flush();
                assert_eq!(attributes.get("user"), Some(long.as_str()));
            }
        }
        assert_eq!(attributes.get("user"), Some(long.as_str()));
    });
    assert_eq!(read, Some(()));
    assert_eq!(store.get(&id, "user"), Some("9".repeat(3_000)));
}

#[test]
fn a_panic_in_nested_reads_and_changes_loses_no_session() {
    let (store, clock) = store(4);
    let id = session(&store);
    for _ in 0..200 {
        let stale = session(&store);
        let read = || {
            _ = store.read(&id, |_| {
                store.set(&id, "user", "bob").expect("the session is live");
                store.read(&stale, |_| {
                    assert!(store.delete(&stale));
                    clock.advance(TICK);
                    let _made =
                        store.create_with([("user", "eve")].map(|pair| if store.count() == 1 { fail() } else { pair }));
                })
            });
        };
        assert!(panics(read));
        assert_eq!(store.count(), 1);
    }
    assert_eq!(store.get(&id, "user").as_deref(), Some("bob"));
    assert_nothing_lost(&store, &[id]);
}
