//! Every operation from any thread. (Long runs and rare schedules are in `stress-tests` and `loom-tests`.)

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;

use cloakroom::{CreateError, MissingError, SessionId, SessionStore, SetError, SetIfError};

use crate::support::{assert_gone, session, store, store_with};

const THREADS: usize = 4;

static STORE: LazyLock<SessionStore> =
    LazyLock::new(|| SessionStore::builder().build().expect("the defaults are valid"));

/// Runs `work` on several threads at once and passes it the thread's number.
fn together(work: impl Fn(usize) + Sync) {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(number);
            });
        }
    });
}

#[test]
fn a_store_can_be_sent_and_shared() {
    fn assert_send_and_sync<T: Send + Sync>() {}
    assert_send_and_sync::<SessionStore>();
    assert_send_and_sync::<SessionId>();
}

#[test]
fn a_store_can_live_in_a_static() {
    let id = thread::spawn(|| session(&STORE)).join().expect("the thread created a session");
    assert_eq!(STORE.get(&id, "user").as_deref(), Some("ada"));
    assert!(thread::spawn(move || STORE.delete(&id)).join().expect("the thread deleted it"));
    assert_gone(&STORE, &id);
}

#[test]
fn a_store_in_an_arc_outlives_the_thread_that_made_it() {
    let store = thread::spawn(|| Arc::new(store().0)).join().expect("the thread made a store");
    let id = session(&store);
    let last = thread::spawn({
        let store = Arc::clone(&store);
        move || store.get(&id, "user")
    });
    assert_eq!(last.join().expect("the thread read").as_deref(), Some("ada"));
    assert_eq!(Arc::into_inner(store).map(|store| store.count()), Some(1));
}

#[test]
fn every_thread_creates_uses_and_deletes_sessions() {
    let (store, _) = store();
    together(|number| {
        for turn in 0..500 {
            let id = session(&store);
            let value = format!("{number}-{turn}");
            store.set(&id, "turn", &value).expect("the session is live");
            assert_eq!(store.get(&id, "turn").as_deref(), Some(value.as_str()));
            assert_eq!(store.read(&id, |attributes| attributes.len()), Some(2));
            assert!(store.delete(&id));
            assert_gone_on_this_thread(&store, &id);
        }
    });
    assert_eq!(store.count(), 0);
}

/// Like [`assert_gone`], but without the count, which other threads change.
#[track_caller]
fn assert_gone_on_this_thread(store: &SessionStore, id: &SessionId) {
    assert!(!store.exists(id));
    assert_eq!(store.get(id, "user"), None);
    assert!(matches!(store.set(id, "user", "eve"), Err(SetError::Missing(MissingError::NotFound))));
}

#[test]
fn concurrent_sets_of_different_keys_all_survive() {
    const TURNS: usize = 500;
    let (store, _) = store();
    let id = session(&store);
    together(|number| {
        let key = format!("thread {number}");
        for turn in 0..TURNS {
            store.set(&id, &key, &turn.to_string()).expect("the session is live");
            assert_eq!(store.get(&id, &key), Some(turn.to_string()), "another thread undid a set");
        }
    });
    assert_eq!(store.read(&id, |attributes| attributes.len()), Some(THREADS + 1));
    assert_eq!(store.count(), 1);
}

#[test]
fn a_flash_message_is_taken_once() {
    let (store, _) = store();
    let id = session(&store);
    for _ in 0..200 {
        store.set(&id, "flash", "Saved.").expect("the session is live");
        let takers = AtomicUsize::new(0);
        together(|_| {
            takers.fetch_add(usize::from(store.take(&id, "flash").is_some()), Ordering::Relaxed);
        });
        assert_eq!(takers.into_inner(), 1);
    }
}

#[test]
fn increments_and_updates_and_conditional_updates_are_all_counted() {
    const TURNS: usize = 500;
    let (store, _) = store();
    let id = store.create_with([("updated", "0"), ("compared", "0")]).expect("there is room");
    let plus_one =
        |value: Option<&str>| (value.and_then(|n| n.parse::<usize>().ok()).expect("a number") + 1).to_string();
    together(|_| {
        for _ in 0..TURNS {
            store.increment(&id, "incremented", 1).expect("a number");
            let told = store.update(&id, |draft| {
                let next = plus_one(draft.get("updated"));
                draft.set("updated", &next);
                thread::yield_now();
                next
            });
            assert!(told.is_ok());
            loop {
                let seen = store.snapshot(&id).expect("the session is live");
                thread::yield_now();
                match store.set_if(&id, seen.version(), "compared", &plus_one(seen.get("compared"))) {
                    Ok(_) => break,
                    Err(SetIfError::Changed) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    });
    let all = Some((TURNS * THREADS).to_string());
    let counts = store.get_each(&id, ["incremented", "updated", "compared"]);
    assert_eq!(counts, Some([all.clone(), all.clone(), all]));
}

#[test]
fn exactly_one_of_concurrent_deletes_wins() {
    let (store, _) = store();
    for _ in 0..100 {
        let id = session(&store);
        let winners = AtomicUsize::new(0);
        together(|_| {
            winners.fetch_add(usize::from(store.delete(&id)), Ordering::Relaxed);
        });
        assert_eq!(winners.into_inner(), 1);
    }
    assert_eq!(store.count(), 0);
}

#[test]
fn a_delete_is_final_whatever_sets_are_in_flight() {
    let (store, _) = store();
    for _ in 0..100 {
        let id = session(&store);
        let deleted = AtomicBool::new(false);
        together(|number| {
            if number == 0 {
                assert!(store.delete(&id));
                deleted.store(true, Ordering::Release);
                return;
            }
            loop {
                let was_deleted = deleted.load(Ordering::Acquire);
                if store.set(&id, "user", "eve").is_err() {
                    break;
                }
                assert!(!was_deleted, "a set succeeded after the delete");
            }
        });
        assert_gone(&store, &id);
    }
}

#[test]
fn max_sessions_is_exact_under_concurrent_creations() {
    const LIMIT: usize = 777;
    let (store, _) = store_with(|builder| builder.max_sessions(LIMIT));
    let (created, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    together(|_| {
        for _ in 0..LIMIT {
            match store.create() {
                Ok(_) => created.fetch_add(1, Ordering::Relaxed),
                Err(CreateError::Full) => refused.fetch_add(1, Ordering::Relaxed),
                Err(other) => panic!("{other}"),
            };
            assert!(store.count() <= LIMIT);
        }
    });
    assert_eq!(created.into_inner(), LIMIT);
    assert_eq!(refused.into_inner(), LIMIT * (THREADS - 1));
    assert_eq!(store.count(), LIMIT);
}
