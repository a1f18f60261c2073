//! Threads that create and delete sessions in a store that is nearly full all the time.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{CreateError, SessionStore};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::Ordering;
use shuttle::thread;

use crate::threads::Moved;

const LIMIT: usize = 3;
const THREADS: usize = 4;
const OPERATIONS: usize = 8;
const TTL: u64 = 3;

/// How many sessions there are for certain, and at the most, at each time; one thread runs at a time, so the last of
/// each is the present one.
#[derive(Default)]
struct Numbers {
    certain: usize,
    possible: Vec<usize>,
}

// All threads of an execution run on one thread of the system, in turn.
thread_local! {
    static NUMBERS: RefCell<Numbers> = RefCell::default();
}

/// One more for certain, or one less.
fn certain(change: isize) {
    NUMBERS.with_borrow_mut(|numbers| {
        numbers.certain = numbers.certain.checked_add_signed(change).expect("not below zero");
        assert!(numbers.certain <= LIMIT, "{} sessions at once", numbers.certain);
    });
}

/// One more at the most, or one less. Returns the time.
fn possible(change: isize) -> usize {
    NUMBERS.with_borrow_mut(|numbers| {
        let last = numbers.possible.last().copied().unwrap_or(0);
        numbers.possible.push(last.checked_add_signed(change).expect("not below zero"));
        numbers.possible.len() - 1
    })
}

/// How many sessions there may have been at once since this time.
fn most_since(time: usize) -> usize {
    NUMBERS.with_borrow(|numbers| numbers.possible[time..].iter().copied().max().expect("a time that has been"))
}

/// Without a clock that moves, sessions end only where a thread ends its own, so that it is known how many there are.
pub(crate) fn execute() {
    NUMBERS.set(Numbers::default());
    let clock = Moved::default();
    let ttl = Duration::from_millis(TTL);
    let store = SessionStore::builder().ttl(ttl).shards(1).max_sessions(LIMIT).clock(clock.clone()).build();
    let store = Arc::new(store.expect("the settings are valid"));
    let spawn = |_| {
        let store = store.clone();
        thread::spawn(move || come_and_go(&store))
    };
    let threads: Vec<_> = (0..THREADS).map(spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    assert_eq!(store.count(), 0);
    expire_at_once(&store, &clock);
    assert!(Arc::into_inner(store).is_some(), "the threads have ended");
}

fn come_and_go(store: &SessionStore) {
    let mut mine = Vec::new();
    for _ in 0..OPERATIONS {
        if mine.is_empty() || thread_rng().gen_range(0..5) < 3 {
            let began = possible(1);
            match store.create() {
                Ok(id) => {
                    certain(1);
                    mine.push(id);
                }
                Err(error) => {
                    assert_eq!(error, CreateError::Full);
                    // Without this one, which was not created.
                    let others = most_since(began) - 1;
                    assert!(others >= LIMIT, "refused with {others} others at the most");
                    possible(-1);
                }
            }
        } else {
            let id = mine.swap_remove(thread_rng().gen_range(0..mine.len()));
            if thread_rng().gen_range(0..2) == 0 {
                store.set(&id, "key", "value").expect("it is live");
            }
            certain(-1);
            assert!(store.delete(&id));
            possible(-1);
        }
    }
    for id in mine {
        certain(-1);
        assert!(store.delete(&id));
        possible(-1);
    }
}

/// Threads that each find the store full of expired sessions: together they take the places of all of them, and no
/// more.
fn expire_at_once(store: &Arc<SessionStore>, clock: &Moved) {
    for _ in 0..LIMIT {
        store.create().expect("there is room");
    }
    assert_eq!(store.create(), Err(CreateError::Full));
    clock.0.fetch_add(TTL + 1, Ordering::SeqCst);
    let spawn = |_| {
        let store = store.clone();
        thread::spawn(move || usize::from(store.create().is_ok()))
    };
    let threads: Vec<_> = (0..THREADS).map(spawn).collect();
    let created: usize = threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum();
    assert!((1..=LIMIT).contains(&created), "{created} created");
    assert!((created..=LIMIT).contains(&store.count()));
    store.evict_expired();
    assert_eq!(store.count(), created);
    (created..LIMIT).for_each(|_| assert!(store.create().is_ok()));
    assert_eq!(store.create(), Err(CreateError::Full));
}
