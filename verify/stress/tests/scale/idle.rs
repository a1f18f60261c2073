//! What threads hold that have retired memory and then do nothing.

use std::sync::mpsc::channel;
use std::thread;

use cloakroom::SessionStore;

use crate::heap::Heap;
use crate::support::{SLACK, alone, finish_moves_of};

/// What a thread may hold, however large the sessions: what it has retired and not flushed, and what it keeps to use
/// again.
const A_THREAD: isize = 400 * 1024;

/// What a thread may still hold after others have flushed: blocks to use again.
const AFTER_A_FLUSH: isize = 300 * 1024;

/// What reclamation itself takes for a thread, and what the thread takes to be one.
const RECORDS: isize = 16 * 1024;

/// Has threads replace the attributes of a session of so many bytes, 700 times each, and then idle.
fn assert_idle_threads_hold_little(threads: isize, size: usize) {
    let _alone = alone();
    let store = SessionStore::builder().max_session_bytes(1 << 20).build().expect("the settings are valid");
    let id = store.create_with([("text", "x".repeat(size))]).expect("there is room");
    finish_moves_of(&store);
    let before = Heap::now();
    thread::scope(|scope| {
        let (ready, is_ready) = channel();
        let leave: Vec<_> = (0..threads)
            .map(|number| {
                let (store, id, ready, (leave, may_leave)) = (&store, &id, ready.clone(), channel::<()>());
                scope.spawn(move || {
                    let texts = ["y", "z"].map(|letter| letter.repeat(size));
                    for turn in 0..700 {
                        store.set(id, "text", &texts[(turn + number as usize) % 2]).expect("the session is live");
                    }
                    drop(texts);
                    ready.send(()).expect("the test waits for it");
                    let _ = may_leave.recv();
                });
                leave
            })
            .collect();
        leave.iter().for_each(|_| is_ready.recv().expect("the thread says so"));
        println!("{threads} threads idle, {size} bytes a session: {}", Heap::since(before));
        // A thread that is suspended while it is pinned holds back what others retire: on a busy machine, for a while.
        // None is pinned any more, so a flush frees what is due, and what is left is bounded for each thread.
        store.flush();
        Heap::since(before).assert_at_most(threads * (A_THREAD + RECORDS + 4 * size as isize) + SLACK);
        (0..3).for_each(|_| store.flush());
        println!("flushed by another thread: {}", Heap::since(before));
        let kept = if size > 8 * 1024 { 0 } else { AFTER_A_FLUSH };
        Heap::since(before).assert_at_most(threads * (kept + RECORDS) + SLACK);
    });
}

#[test]
fn threads_that_idle_after_large_sets_hold_little_and_a_flush_reaches_it() {
    assert_idle_threads_hold_little(32, 60_000);
}

#[test]
fn threads_that_idle_after_middling_sets_hold_little_and_a_flush_reaches_it() {
    assert_idle_threads_hold_little(32, 4_000);
}

#[test]
fn threads_that_idle_after_small_sets_hold_little_and_a_flush_reaches_it() {
    assert_idle_threads_hold_little(32, 50);
}
