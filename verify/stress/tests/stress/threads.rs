//! Threads that come and go, and threads that are going.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cloakroom::{SessionId, SessionStore};

use crate::support::{Board, THREADS, operations, store, together};

struct Relay {
    store: SessionStore,
    /// What the previous threads have left, a place for each session.
    left: Board,
}

impl Relay {
    const SESSIONS: usize = 100;

    /// Takes over the sessions of the thread that had this number before, and leaves new ones.
    fn work(&self, number: usize) {
        for place in number * Self::SESSIONS..(number + 1) * Self::SESSIONS {
            let previous = self.left.at(place);
            let place_name = place.to_string();
            if previous.as_bytes() != &[0; 32] {
                assert_eq!(self.store.get(&previous, "place").as_ref(), Some(&place_name));
                self.store.set(&previous, "taken", "over").expect("it is still there");
                assert!(self.store.delete(&previous));
            }
            let id = self.store.create().expect("there is room");
            self.store.set(&id, "place", &place_name).expect("it is live");
            self.left.post(place, &id);
        }
    }
}

/// What a thread has retired last, others have to free; what it has created, others find.
#[test]
fn sessions_outlive_the_threads_that_made_them() {
    let sessions = THREADS * Relay::SESSIONS;
    let relay = Arc::new(Relay { store: store(|builder| builder), left: Board::unordered(sessions) });
    for _ in 0..operations() / (4 * Relay::SESSIONS) + 2 {
        together(&relay, Relay::work);
        assert_eq!(relay.store.count(), sessions);
    }
    for place in 0..sessions {
        assert!(relay.store.delete(&relay.left.at(place)));
    }
    assert_eq!(relay.store.count(), 0);
}

/// Uses its store once more when its thread ends.
struct LastWords {
    store: Arc<SessionStore>,
    /// A session of the thread's own, and how many of these have got through all their calls.
    own: SessionId,
    spoken: Arc<AtomicUsize>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let created = self.store.create_with([("said", "at last")]);
        let said = created.as_ref().ok().and_then(|id| self.store.get(id, "said"));
        let set = created.is_ok_and(|id| self.store.set(&id, "more", "words").is_ok() && self.store.delete(&id));
        let deleted = self.store.delete(&self.own);
        self.store.flush();
        if said.as_deref() == Some("at last") && set && deleted && !self.store.exists(&self.own) {
            self.spoken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

thread_local! {
    /// Made before the thread's first call of a store, and so dropped before or after whatever a store keeps for the
    /// thread...
    static BEFORE: RefCell<Option<LastWords>> = const { RefCell::new(None) };
    /// ...and this one, made after it, the other way round.
    static AFTER: RefCell<Option<LastWords>> = const { RefCell::new(None) };
}

#[test]
fn a_store_works_in_the_destructors_of_a_thread_that_ends() {
    let store = Arc::new(store(|builder| builder));
    let spoken = Arc::new(AtomicUsize::new(0));
    let threads = operations() / 100 + THREADS;
    for _ in 0..threads / THREADS {
        let ends: Vec<_> = (0..THREADS).map(|_| thread_with_last_words(&store, &spoken)).collect();
        ends.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    }
    assert_eq!(spoken.load(Ordering::Relaxed), threads / THREADS * THREADS * 2);
    assert_eq!(store.count(), 0);
}

fn thread_with_last_words(store: &Arc<SessionStore>, spoken: &Arc<AtomicUsize>) -> thread::JoinHandle<()> {
    let create = || store.create().expect("there is room");
    let words = |own| LastWords { store: Arc::clone(store), own, spoken: Arc::clone(spoken) };
    let (before, after) = (words(create()), words(create()));
    thread::spawn(move || {
        let store = Arc::clone(&before.store);
        BEFORE.with(|place| place.borrow_mut().replace(before));
        let id = store.create().expect("there is room");
        AFTER.with(|place| place.borrow_mut().replace(after));
        assert!(store.delete(&id));
    })
}
