//! Sessions that hold a value of the application's own type.

use cloakroom::{ManualClock, MissingError, SessionConfig, SessionId, SessionStore, Timeouts};
use std::sync::Arc;
use std::thread;

use crate::support::{TICK, TTL};

/// Neither `Clone` nor anything else.
struct Visitor {
    name: String,
    clicks: u64,
}

fn store() -> (SessionStore<Visitor>, ManualClock) {
    let clock = ManualClock::new();
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone()).build_typed();
    (store.expect("the settings are valid"), clock)
}

fn visitor(store: &SessionStore<Visitor>) -> SessionId {
    store.create_with(Visitor { name: "ada".to_owned(), clicks: 0 }).expect("there is room")
}

fn click(before: &Visitor) -> Visitor {
    Visitor { name: before.name.clone(), clicks: before.clicks + 1 }
}

#[test]
fn a_value_is_read_as_it_was_stored() {
    let (store, _) = store();
    let id = visitor(&store);
    assert_eq!(store.read(&id, |visitor| visitor.name.clone()).as_deref(), Some("ada"));
    assert!(store.exists(&id) && store.delete(&id));
    assert_eq!(store.read(&id, |_| ()), None);
}

#[test]
fn an_update_replaces_the_value_and_touches() {
    let (store, clock) = store();
    let id = visitor(&store);
    clock.advance(TTL);
    store.update(&id, click).expect("it is live");
    clock.advance(TTL);
    assert_eq!(store.read(&id, |visitor| visitor.clicks), Some(1));
    clock.advance(TTL + TICK);
    assert_eq!(store.update(&id, click), Err(MissingError::Expired));
    assert_eq!(store.update(&id, click), Err(MissingError::NotFound));
    assert_eq!(store.lookup(&id, |_| ()), Err(MissingError::NotFound));
}

#[test]
fn no_update_is_lost() {
    let (store, _) = store();
    let id = visitor(&store);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..500).for_each(|_| store.update(&id, click).expect("it is live")));
        }
    });
    assert_eq!(store.read(&id, |visitor| visitor.clicks), Some(1_500));
}

#[test]
fn each_value_is_dropped_once() {
    let token = Arc::new(());
    let store = SessionStore::<Arc<()>>::typed(SessionConfig::default());
    let ids: Vec<_> = (0..100).map(|_| store.create_with(Arc::clone(&token)).expect("there is room")).collect();
    for id in &ids {
        store.update(id, Arc::clone).expect("it is live");
    }
    let moved = store.rotation(&ids[0]).grace(TTL).rotate().expect("it is live");
    let again = store.rotate_id(&ids[1]).expect("it is live");
    store.set_timeouts(&again, Timeouts::default().idle(TTL)).expect("it is live");
    assert!(store.delete(&moved) && store.delete(&ids[2]));
    drop(store);
    // What other threads' readers hold back is freed once they are gone.
    let other = SessionStore::<u8>::typed(SessionConfig::default());
    while Arc::strong_count(&token) > 1 {
        other.flush();
        thread::yield_now();
    }
}

#[test]
fn a_rotation_keeps_a_value_that_can_be_cloned() {
    let store = SessionStore::<String>::typed(SessionConfig::default());
    let old = store.create_with("ada".to_owned()).expect("there is room");
    let new = store.rotate_id(&old).expect("it is live");
    assert_eq!(store.read(&new, String::clone).as_deref(), Some("ada"));
    assert_eq!(store.read(&old, String::clone), None);
    let newer = store.rotation(&new).grace(TTL).rotate().expect("it is live");
    for id in [new, newer] {
        assert_eq!(store.read(&id, String::clone).as_deref(), Some("ada"));
    }
}

#[test]
fn a_panic_in_an_update_changes_nothing() {
    let (store, _) = store();
    let id = visitor(&store);
    let panicking = std::panic::AssertUnwindSafe(|| store.update(&id, |_| panic!("no value today")));
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(store.read(&id, |visitor| visitor.clicks), Some(0));
    store.update(&id, click).expect("it is live");
}
