//! Sessions that are rotated with grace while other threads find their ids by enumeration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{Principal, SessionId, SessionStore};

use crate::support::{THREADS, operations, store, together};

const GRACE: Duration = Duration::from_secs(3_600);

/// How many sessions are rotated, or how often one is, while the others go through all sessions again and again.
fn rotations() -> usize {
    operations() / 10
}

fn ada() -> Principal {
    Principal::new("ada")
}

fn listed(store: &SessionStore) -> Vec<SessionId> {
    let mut ids = Vec::new();
    store.for_each(|view| ids.push(view.id()));
    ids
}

/// One session, which the first thread rotates and all others increment.
struct Counted {
    store: SessionStore,
    first: SessionId,
    over: AtomicBool,
}

impl Counted {
    fn work(&self, number: usize) -> i64 {
        if number == 0 {
            self.rotate();
            return 0;
        }
        self.increment(number)
    }

    fn rotate(&self) {
        let mut id = self.first;
        for _ in 0..rotations() {
            let new = self.store.rotation(&id).grace(GRACE).rotate().expect("nobody ends the session");
            assert_eq!(self.store.get(&id, "user").as_deref(), Some("ada"), "the old id is within its grace");
            id = new;
        }
        self.over.store(true, Ordering::Relaxed);
    }

    /// Returns how many increments there have been.
    fn increment(&self, number: usize) -> i64 {
        let mut increments = 0;
        for turn in 0..operations() {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            let by_principal = (turn + number).is_multiple_of(2);
            let ids = if by_principal { self.store.sessions_of(&ada()) } else { listed(&self.store) };
            for id in ids {
                increments += i64::from(self.store.increment(&id, "count", 1).is_ok());
            }
        }
        increments
    }
}

#[test]
fn no_update_is_lost_while_the_session_is_rotated_with_grace() {
    let store = store(|builder| builder);
    let new = store.new_session().principal(ada());
    let first = new.create_with([("user", "ada"), ("count", "0")]).expect("there is room");
    let counted = Arc::new(Counted { store, first, over: AtomicBool::new(false) });
    let increments: i64 = together(&counted, Counted::work).into_iter().sum();
    let [id] = counted.store.sessions_of(&ada())[..] else { panic!("there is not one session") };
    assert_eq!(counted.store.get(&id, "count"), Some(increments.to_string()));
    assert_eq!((listed(&counted.store), counted.store.count()), (vec![id], 1));
    assert!(increments > 0, "the session was never incremented");
}

/// Sessions that some threads create and rotate while the others delete all that they find. Each holds its number.
struct Revoked {
    store: SessionStore,
    /// How many deletes have ended the session of each number.
    wins: Vec<AtomicUsize>,
    rotating: AtomicUsize,
}

impl Revoked {
    const ROTATING: usize = THREADS / 2;
    const ROTATIONS: usize = 3;

    fn new() -> Arc<Self> {
        let wins = (0..rotations() / Self::ROTATING * Self::ROTATING).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { store: store(|builder| builder), wins, rotating: AtomicUsize::new(Self::ROTATING) })
    }

    /// Returns how many sessions this thread has deleted.
    fn work(&self, thread: usize) -> usize {
        if thread < Self::ROTATING {
            (thread..self.wins.len()).step_by(Self::ROTATING).for_each(|number| self.rotate(number));
            self.rotating.fetch_sub(1, Ordering::Relaxed);
            return 0;
        }
        self.delete_all()
    }

    fn rotate(&self, number: usize) {
        let new = self.store.new_session().principal(ada());
        let mut id = new.create_with([("number", number.to_string())]).expect("there is room");
        for _ in 0..Self::ROTATIONS {
            let Ok(new) = self.store.rotation(&id).grace(GRACE).rotate() else { return };
            id = new;
        }
        self.delete(&id, number);
    }

    /// Returns whether this call has ended the session of this number.
    fn delete(&self, id: &SessionId, number: usize) -> bool {
        let deleted = self.store.delete(id);
        if deleted {
            self.wins[number].fetch_add(1, Ordering::Relaxed);
            self.assert_gone(id, number);
        }
        deleted
    }

    /// The session is there under no id at all.
    fn assert_gone(&self, id: &SessionId, number: usize) {
        assert!(!self.store.exists(id) && self.store.get(id, "number").is_none(), "a deleted id is alive");
        self.store.for_each(|view| {
            assert_ne!(view.content().get("number"), Some(number.to_string().as_str()), "a deleted session is alive");
        });
    }

    fn delete_all(&self) -> usize {
        let mut gone: Vec<(SessionId, usize)> = Vec::new();
        for _ in 0..100 * operations() {
            if self.rotating.load(Ordering::Relaxed) == 0 {
                break;
            }
            let mut found = Vec::new();
            self.store.for_each(|view| {
                let number = view.content().get("number").and_then(|number| number.parse().ok());
                found.push((view.id(), number.expect("each session has one")));
            });
            // The newest last, in no order otherwise: the other threads delete too.
            gone.extend(found.into_iter().filter(|(id, number)| self.delete(id, *number)));
            let checked = gone.len().saturating_sub(8);
            gone[checked..].iter().for_each(|(id, number)| self.assert_gone(id, *number));
            thread::yield_now();
        }
        assert!(gone.iter().all(|(id, _)| !self.store.exists(id)), "a deleted id is alive");
        gone.len()
    }
}

#[test]
fn a_session_that_was_deleted_in_the_middle_of_a_rotation_is_seen_under_no_id_again() {
    let revoked = Revoked::new();
    let deleted: usize = together(&revoked, Revoked::work).into_iter().sum();
    assert!(revoked.wins.iter().all(|wins| wins.load(Ordering::Relaxed) == 1), "a session was not deleted once");
    assert_eq!((listed(&revoked.store), revoked.store.count()), (vec![], 0));
    assert_eq!(revoked.store.sessions_of(&ada()), []);
    assert!(deleted > 0, "no session was met alive");
}
