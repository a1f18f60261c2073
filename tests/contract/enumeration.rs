//! `for_each` and `delete_where`.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cloakroom::{Attributes, Clock, SessionConfig, SessionId, SessionStore, SessionView, Timeouts};

use crate::support::{TICK, TTL, assert_gone, session, store, store_with};

/// How often each session is shown.
fn shown(store: &SessionStore) -> HashMap<SessionId, usize> {
    let mut shown = HashMap::new();
    store.for_each(|view| *shown.entry(view.id()).or_insert(0) += 1);
    shown
}

fn numbered(store: &SessionStore, number: usize) -> SessionId {
    store.create_with([("number", number.to_string())]).expect("there is room")
}

fn number(view: &SessionView<'_, Attributes>) -> usize {
    view.content().get("number").expect("all have one").parse().expect("it is a number")
}

#[test]
fn every_session_is_shown_once_with_its_content() {
    for sessions in [0, 1, 100, 5_000] {
        let (store, _) = store();
        let ids: HashMap<_, _> = (0..sessions).map(|number| (numbered(&store, number), number)).collect();
        let mut seen = HashMap::new();
        store.for_each(|view| assert_eq!(seen.insert(view.id(), number(view)), None));
        assert_eq!(seen, ids);
    }
}

/// A store of one shard, through all sizes at which it moves to a larger array.
#[test]
fn every_session_is_shown_once_during_a_migration() {
    let (store, _) = store_with(|builder| builder.shards(1));
    for sessions in 1..2_000 {
        let id = numbered(&store, sessions);
        if sessions % 7 == 0 {
            let shown = shown(&store);
            assert_eq!(shown.len(), sessions);
            assert!(shown.values().all(|&times| times == 1) && shown.contains_key(&id));
        }
    }
}

#[test]
fn enumeration_touches_no_session() {
    let (store, clock) = store();
    session(&store);
    clock.advance(TTL);
    store.for_each(|_| ());
    assert_eq!(store.delete_where(|_| false), 0);
    clock.advance(TICK);
    assert!(shown(&store).is_empty());
}

#[test]
fn an_expired_session_is_not_shown_and_is_removed() {
    let operations: [fn(&SessionStore); 2] = [
        |store| store.for_each(|_| panic!("it has expired")),
        |store| assert_eq!(store.delete_where(|_| panic!("it has expired")), 0),
    ];
    for operation in operations {
        let (store, clock) = store();
        session(&store);
        clock.advance(TTL + TICK);
        operation(&store);
        assert_eq!(store.count(), 0);
    }
}

#[test]
fn a_deleted_session_is_not_shown() {
    let (store, _) = store();
    let (one, other) = (session(&store), session(&store));
    store.delete(&one);
    assert_eq!(shown(&store), HashMap::from([(other, 1)]));
}

#[test]
fn a_rotated_session_is_shown_under_its_new_id_only() {
    let (store, _) = store();
    let (plain, graceful) = (session(&store), session(&store));
    let plain = store.rotate_id(&plain).expect("it is live");
    let old = graceful;
    let graceful = store.rotation(&old).grace(TTL).rotate().expect("it is live");
    assert!(store.exists(&old));
    assert_eq!(shown(&store), HashMap::from([(plain, 1), (graceful, 1)]));
    assert_eq!(store.delete_where(|view| view.id() == old), 0);
    assert_eq!(store.delete_where(|_| true), 2);
    assert_gone(&store, &old);
}

/// An id that has become a forward does not show its session a second time.
#[test]
fn sessions_that_are_rotated_in_between_are_shown_at_most_once_under_each_id() {
    // Two shards: some of the rotated sessions are in the part that was collected already, and some of their new ids
    // are in the part that is collected later.
    let (store, _) = store_with(|builder| builder.shards(2));
    let ids: Vec<_> = (0..50).map(|number| numbered(&store, number)).collect();
    let mut shown = HashSet::new();
    store.for_each(|view| {
        if shown.is_empty() {
            for id in ids.iter().filter(|&&id| id != view.id()) {
                store.rotation(id).grace(TTL).rotate().expect("it is live");
            }
        }
        assert!(shown.insert(view.id()), "shown twice under one id");
    });
    assert_eq!(store.count(), 50);
}

/// A clock that once makes every session seem expired, and then changes a session when it is read again.
#[derive(Default)]
struct Meddler {
    readings_left: AtomicUsize,
    meddled_with: OnceLock<(Weak<SessionStore>, SessionId)>,
}

impl Clock for Meddler {
    fn now(&self) -> Duration {
        let left = self.readings_left.load(Ordering::Relaxed);
        self.readings_left.store(left.saturating_sub(1), Ordering::Relaxed);
        match left {
            2 => TTL + TICK,
            1 => {
                let (store, id) = self.meddled_with.get().expect("it is known by now");
                let store = store.upgrade().expect("the store is there");
                store.set(id, "number", "1").expect("it is live");
                Duration::ZERO
            }
            _ => Duration::ZERO,
        }
    }
}

/// The session is replaced after it was found and before it is shown.
#[test]
fn a_session_that_is_replaced_before_it_is_shown_is_still_shown() {
    let clock = Arc::new(Meddler::default());
    let store = SessionStore::builder().ttl(TTL).clock(Arc::clone(&clock)).build().expect("the settings are valid");
    let store = Arc::new(store);
    let id = numbered(&store, 0);
    clock.meddled_with.set((Arc::downgrade(&store), id)).expect("it is set once");
    let operations: [fn(&SessionStore, &mut Vec<usize>); 2] = [
        |store, seen| store.for_each(|view| seen.push(number(view))),
        |store, seen| {
            let look = |view: &SessionView<'_, Attributes>| {
                seen.push(number(view));
                false
            };
            assert_eq!(store.delete_where(look), 0);
        },
    ];
    for operation in operations {
        store.set(&id, "number", "0").expect("it is live");
        clock.readings_left.store(2, Ordering::Relaxed);
        let mut seen = Vec::new();
        operation(&store, &mut seen);
        assert_eq!((seen, clock.readings_left.load(Ordering::Relaxed)), (vec![1], 0));
    }
}

#[test]
fn a_view_has_the_times_of_the_session() {
    let (store, clock) = store_with(|builder| builder.absolute_timeout(2 * TTL));
    let id = session(&store);
    let for_ever = store.new_session().idle_timeout(Duration::MAX).absolute_timeout(Duration::MAX).create();
    let for_ever = for_ever.expect("there is room");
    clock.advance(TTL / 2);
    let times = |id: SessionId| {
        let times = RefCell::new(None);
        store.for_each(|view| {
            if view.id() == id {
                *times.borrow_mut() = Some((view.idle_for(), view.expires_in()));
            }
        });
        times.into_inner().expect("it is shown")
    };
    assert_eq!(times(id), (TTL / 2, TTL / 2));
    assert!(store.touch(&id));
    assert_eq!(times(id), (Duration::ZERO, TTL));
    store.set_timeouts(&id, Timeouts::default().absolute(TICK)).expect("it is live");
    assert_eq!(times(id), (Duration::ZERO, TICK));
    assert_eq!(Some(times(id).1), store.expires_in(&id));
    assert_eq!(times(for_ever), (TTL / 2, Duration::MAX));
}

#[test]
fn delete_where_ends_and_counts_the_sessions_for_which_the_closure_returns_true() {
    let (store, _) = store();
    let ids: Vec<_> = (0..1_000).map(|number| numbered(&store, number)).collect();
    assert_eq!(store.delete_where(|view| number(view).is_multiple_of(3)), 334);
    assert!((0..1_000).all(|number| store.exists(&ids[number]) == (number % 3 != 0)));
    assert_eq!(store.delete_where(|view| number(view) % 3 != 1), 333);
    assert!((0..1_000).all(|number| store.exists(&ids[number]) == (number % 3 == 1)));
    assert_eq!(store.count(), 333);
    assert_gone(&store, &ids[0]);
}

#[test]
fn the_closure_is_called_again_for_a_session_that_was_touched_or_changed_in_between() {
    let (store, clock) = store();
    let id = numbered(&store, 0);
    let mut asked = Vec::new();
    let ended = store.delete_where(|view| {
        asked.push((number(view), view.idle_for()));
        match asked.len() {
            1 => store.set(&id, "number", "1").expect("it is live"),
            2 => {
                clock.advance(TICK);
                assert!(store.touch(&id));
            }
            _ => {}
        }
        true
    });
    assert_eq!(asked, [(0, Duration::ZERO), (1, Duration::ZERO), (1, Duration::ZERO)]);
    assert_eq!((ended, store.count()), (1, 0));
}

#[test]
fn a_session_that_no_longer_meets_the_condition_stays() {
    let (store, _) = store();
    let id = numbered(&store, 0);
    let ended = store.delete_where(|view| {
        let condemned = number(view) == 0;
        store.set(&id, "number", "1").expect("it is live");
        condemned
    });
    assert_eq!(ended, 0);
    assert_eq!(store.get(&id, "number").as_deref(), Some("1"));
}

#[test]
fn a_session_that_ends_during_the_closure_is_not_counted() {
    let (store, _) = store();
    let id = session(&store);
    assert_eq!(store.delete_where(|view| store.delete(&view.id())), 0);
    assert_gone(&store, &id);
}

#[test]
fn a_closure_may_do_anything_to_the_store() {
    let (store, _) = store_with(|builder| builder.shards(1));
    let ids: HashSet<_> = (0..500).map(|number| numbered(&store, number)).collect();
    let mut shown = HashSet::new();
    store.for_each(|view| {
        assert!(shown.insert(view.id()));
        if ids.contains(&view.id()) {
            (0..4).for_each(|number| assert!(numbered(&store, number) != view.id()));
            store.set(&view.id(), "number", "7").expect("it is live");
            assert_eq!(number(view), number(view), "what is shown stays as it was");
            store.evict_expired();
        }
    });
    assert!(ids.is_subset(&shown));
    assert_eq!(store.count(), 2_500);
    store.for_each(|view| assert!(store.delete(&view.id())));
    assert_eq!(store.count(), 0);
    store.for_each(|_| panic!("there is none"));
}

#[test]
fn a_closure_that_panics_leaves_the_store_as_it_was() {
    let (store, _) = store();
    let ids: Vec<_> = (0..100).map(|number| numbered(&store, number)).collect();
    let panics = AssertUnwindSafe(|| store.for_each(|view| assert!(number(view) != 50)));
    assert!(catch_unwind(panics).is_err());
    assert_eq!(store.count(), 100);
    let panics = AssertUnwindSafe(|| store.delete_where(|view| number(view) < 50 || panic!("not this one")));
    assert!(catch_unwind(panics).is_err());
    assert!(ids[50..].iter().all(|id| store.exists(id)));
    let left = store.count();
    assert_eq!(store.delete_where(|_| true), left);
}

#[test]
fn typed_sessions_are_shown_with_their_values() {
    let store = SessionStore::<u32>::typed(SessionConfig::default());
    let ids: Vec<_> = (0..100).map(|value| store.create_with(value).expect("there is room")).collect();
    let mut sum = 0;
    store.for_each(|view| sum += view.content());
    assert_eq!(sum, 4_950);
    assert_eq!(store.delete_where(|view| *view.content() >= 10), 90);
    assert_eq!((store.count(), store.read(&ids[9], |value| *value)), (10, Some(9)));
}

#[test]
fn debug_of_a_view_shows_no_id_and_no_attribute() {
    let (store, _) = store();
    let id = session(&store);
    store.for_each(|view| {
        let text = format!("{view:?}");
        assert!(!text.contains("ada") && !text.contains(&id.to_string()[..8]), "{text}");
        assert!(text.starts_with("SessionView { idle_for: 0ns"), "{text}");
    });
}
