//! Memory that other threads have retired, and memory that a reader holds back.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use cloakroom::{SessionId, SessionStore};

use crate::heap::Heap;
use crate::support::{SLACK, alone, finish_moves_of, scaled, session};

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
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| rise_and_fall(&store))).collect();
        // The end of the scope would not wait for what the threads do as they are torn down: to hand in what they have
        // retired.
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    });
    assert_eq!(store.count(), 0);
    println!("{THREADS} threads have ended: {}", Heap::since(before));
    store.flush();
    println!("flushed: {}", Heap::since(before));
    finish_moves_of(&store);
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

/// What a version takes, its place in a bag and its share of the arrays included: at least, and at most.
const VERSION: std::ops::Range<isize> = 64..1_024;

/// Has a reader stay inside while `work` is done by turns, so many in all. What they retire is held for as long: so
/// much for each turn, from the first to the last. All of it comes back when the reader leaves.
fn assert_held_and_given_back(turns: usize, work: impl Fn(&SessionStore, &SessionId, usize)) {
    let _alone = alone();
    let store = SessionStore::default();
    let id = session(&store);
    finish_moves_of(&store);
    let before = Heap::now();
    let ((inside, is_inside), (leave, may_leave)) = (channel(), channel());
    thread::scope(|scope| {
        let (store, id) = (&store, &id);
        scope.spawn(move || park(store, id, &inside, &may_leave));
        is_inside.recv().expect("the reader says so");
        let mut last = 0;
        for quarter in 0..4 {
            (quarter * turns / 4..(quarter + 1) * turns / 4).for_each(|turn| work(store, id, turn));
            finish_moves_of(store);
            let held = Heap::since(before);
            let each = (held.bytes - last) / (turns / 4) as isize;
            println!("a parked reader and {} turns: {held}, {each} bytes a turn", (quarter + 1) * turns / 4);
            assert!(VERSION.contains(&each), "{each} bytes a turn, where what the reader might see is {VERSION:?}");
            last = held.bytes;
        }
        leave.send(()).expect("the reader waits for it");
    });
    store.flush();
    println!("the reader has left, flushed: {}", Heap::since(before));
    Heap::since(before).assert_at_most(SLACK);
}

#[test]
fn memory_grows_with_the_sets_while_a_reader_stays_inside_and_comes_back_when_it_leaves() {
    assert_held_and_given_back(SESSIONS, |store, id, turn| {
        store.set(id, "role", ["reader", "writer"][turn % 2]).expect("the session is live");
    });
}

#[test]
fn memory_grows_with_the_sessions_that_go_while_a_reader_stays_inside_and_comes_back_when_it_leaves() {
    assert_held_and_given_back(SESSIONS, |store, _, _| assert!(store.delete(&session(store))));
}

/// They are few, so the bag that they lie in would not be full for long; a flush at the end shows what was left.
#[test]
fn arrays_that_are_left_are_freed_while_the_store_is_used() {
    let _alone = alone();
    let store = SessionStore::builder().shards(1).build().expect("the settings are valid");
    let ids: Vec<_> = (0..SESSIONS).map(|_| session(&store)).collect();
    ids.iter().for_each(|id| assert!(store.exists(id)));
    let before = Heap::now();
    store.flush();
    let freed = -Heap::since(before).bytes;
    println!("{SESSIONS} sessions have come: a flush frees {freed} bytes");
    // A slot and its tag for each session.
    let last_but_one = (SESSIONS * (size_of::<usize>() + 1)) as isize;
    assert!(freed < last_but_one / 8, "{freed} bytes of arrays were left, the last one took {last_but_one} at least");
}
