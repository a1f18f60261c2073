//! Long runs that change nothing on the whole leave memory as it was.

use std::thread;

use cloakroom::SessionStore;

use crate::heap::Heap;
use crate::support::{SLACK, alone, finish_moves_of, scaled, session};

const POPULATION: usize = 1_000;
const CREATES: usize = if cfg!(debug_assertions) { 300_000 } else { 10_000_000 };

/// The population is spread over the shards at random, anew all the time: a shard's array may be twice as large as it
/// was at first, 64 slots instead of 32.
const ARRAYS: isize = 64 * 32 * 8;

/// Replaces sessions by new ones, one by one, and returns the most memory that was seen in use.
fn churn(store: &SessionStore, creates: usize) -> isize {
    let mut ids: Vec<_> = (0..POPULATION).map(|_| session(store)).collect();
    let mut most = Heap::now().bytes;
    for turn in 0..creates {
        let place = turn % ids.len();
        assert!(store.delete(&ids[place]));
        ids[place] = session(store);
        if turn % 4_096 == 0 {
            most = most.max(Heap::now().bytes);
        }
    }
    assert!(ids.iter().all(|id| store.delete(id)));
    most
}

/// Each thread brings its sessions and takes them away again, so that only what is left behind counts.
fn assert_churn_leaves_nothing(threads: usize) {
    let _alone = alone();
    let store = SessionStore::default();
    let run = |creates| {
        let work = || churn(&store, creates);
        let most = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).max()
        });
        finish_moves_of(&store);
        most.expect("there are threads")
    };
    run(CREATES / 100);
    let warm = Heap::now();
    let most = run(CREATES / threads);
    assert_eq!(store.count(), 0);
    let left = Heap::since(warm);
    println!("{CREATES} creates, {threads} threads: at most {} bytes more, in the end {left}", most - warm.bytes);
    left.assert_at_most(ARRAYS + SLACK);
}

#[test]
fn constant_churn_leaves_memory_flat() {
    assert_churn_leaves_nothing(1);
}

#[test]
fn constant_churn_of_two_threads_leaves_memory_flat() {
    assert_churn_leaves_nothing(2);
}

#[test]
fn setting_an_attribute_again_and_again_leaves_memory_flat() {
    let _alone = alone();
    let store = SessionStore::default();
    let id = session(&store);
    let set = |times: usize| {
        for turn in 0..times {
            store.set(&id, "role", ["reader", "writer"][turn % 2]).expect("the session is live");
        }
    };
    set(10_000);
    finish_moves_of(&store);
    let warm = Heap::now();
    set(scaled(1_000_000));
    println!("before the flush: {}", Heap::since(warm));
    finish_moves_of(&store);
    println!("after it: {}", Heap::since(warm));
    Heap::since(warm).assert_at_most(SLACK);
}
