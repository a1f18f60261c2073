//! Models of a batch of retired entries and its two ends: the thread that waits for it and the collector. What is in it lies in a cell that
//! loom watches and carries a mark that loom misses when it leaks. Each is explored both ways.
#![cfg(loom)]
#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "../../src/block/batch.rs"]
mod batch;
#[path = "../../src/sync.rs"]
mod sync;

use batch::{Due, Waiting, batch};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A number that loom watches.
struct Watched(UnsafeCell<usize>);

// SAFETY: loom finds out if two threads use it at once: the point of the models.
unsafe impl Sync for Watched {}

impl Watched {
    fn read(&self) -> usize {
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }

    fn count(&self) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }
}

/// What others read before the batch is given back, and whoever gets it writes when it is freed.
struct Content {
    watched: Arc<Watched>,
    _leak_is_seen: Arc<()>,
}

impl Drop for Content {
    fn drop(&mut self) {
        self.watched.count();
    }
}

fn content() -> (Content, Arc<Watched>) {
    let watched = Arc::new(Watched(UnsafeCell::new(0)));
    (Content { watched: Arc::clone(&watched), _leak_is_seen: Arc::new(()) }, watched)
}

/// Explores both threads at once, each as the one that does not have to be spawned.
fn both_ways(owner: fn(Waiting<Content>), collector: fn(Due<Content>, &Watched)) {
    for owner_is_spawned in [true, false] {
        loom::model(move || {
            let (content, watched) = content();
            let (waiting, due) = batch(content);
            let seen = Arc::clone(&watched);
            if owner_is_spawned {
                let other = thread::spawn(move || owner(waiting));
                collector(due, &seen);
                other.join().unwrap();
            } else {
                let other = thread::spawn(move || collector(due, &seen));
                owner(waiting);
                other.join().unwrap();
            }
            assert_eq!(watched.read(), 1, "freed once");
        });
    }
}

/// The last use of the content by others, then its return.
fn used_and_given_back(due: Due<Content>, watched: &Watched) {
    assert_eq!(watched.read(), 0, "nobody has freed it yet");
    due.give_back();
}

/// The owner looks until the batch has come back: it finds that others have done with the content.
#[test]
fn what_comes_back_is_used_by_nobody() {
    both_ways(
        |mut waiting| loop {
            match waiting.come_back() {
                Ok(content) => return drop(content),
                Err(still) => waiting = still,
            }
            thread::yield_now();
        },
        used_and_given_back,
    );
}

/// The owner gives the batch up, before or after it is given back: the later of the two frees it, once.
#[test]
fn what_is_given_up_is_freed_by_the_later_end() {
    both_ways(drop, used_and_given_back);
}

/// The owner looks once, then gives up.
#[test]
fn what_is_looked_for_once_is_freed_once() {
    both_ways(|waiting| drop(waiting.come_back()), used_and_given_back);
}
