//! Memory that other threads have retired, and memory that a reader holds back.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use cloakroom::{SessionId, SessionStore};

use crate::heap::Heap;
use crate::support::{SLACK, alone, scaled, session, settle};

const THREADS: usize = 4;
const SESSIONS: usize = scaled(100_000);

/// Creates, changes and deletes many sessions at once.
fn rise_and_fall(store: &SessionStore) {
    let ids: Vec<_> = (0..SESSIONS).map(|_| session(store)).collect();
    for id in &ids {
        store.set(id, "role", "none").expect("the session is live");
    }
    assert!(ids.iter().all(|id| store.delete(id)));
}

#[test]
fn what_ended_threads_have_retired_is_freed_by_a_flush() {
    let _alone = alone();
    let store = SessionStore::default();
    store.flush();
    let before = Heap::now();
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(|| rise_and_fall(&store)))));
    assert_eq!(store.count(), 0);
    println!("{THREADS} threads have ended: {}", Heap::since(before));
    store.flush();
    println!("flushed: {}", Heap::since(before));
    settle(&store);
    Heap::since(before).assert_at_most(SLACK);
}

/// Stays in a read until told to leave.
fn park(store: &SessionStore, id: &SessionId, inside: &Sender<()>, leave: &Receiver<()>) {
    let role = store.read(id, |attributes| {
        inside.send(()).expect("the test waits for it");
        leave.recv().expect("the test sends it");
        attributes.get("role").map(str::to_owned)
    });
    assert_eq!(role.flatten().as_deref(), Some("editor"));
}

#[test]
fn memory_grows_while_a_reader_stays_inside_and_comes_back_when_it_leaves() {
    let _alone = alone();
    let store = SessionStore::default();
    let id = session(&store);
    settle(&store);
    let before = Heap::now();
    let ((inside, is_inside), (leave, may_leave)) = (channel(), channel());
    thread::scope(|scope| {
        let (store, id) = (&store, &id);
        scope.spawn(move || park(store, id, &inside, &may_leave));
        is_inside.recv().expect("the reader says so");
        let (sets, smallest) = (SESSIONS, 64);
        for turn in 0..sets {
            store.set(id, "role", ["reader", "writer"][turn % 2]).expect("the session is live");
        }
        settle(store);
        let held = Heap::since(before);
        println!("a parked reader and {sets} sets: {held}");
        assert!(held.bytes > (sets * smallest) as isize, "what the reader might see was freed: {held}");
        leave.send(()).expect("the reader waits for it");
    });
    store.flush();
    println!("flushed: {}", Heap::since(before));
    Heap::since(before).assert_at_most(SLACK);
}
