//! Threads that make sessions larger and smaller in a store whose bytes are nearly used up all the time.

use std::sync::{Arc, Mutex};

use cloakroom::{CreateError, SessionId, SessionStore, SetError};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

const THREADS: usize = 4;
const OPERATIONS: usize = 8;

/// The lengths of values.
const LENGTHS: [usize; 3] = [0, 64, 200];

/// The bytes that sessions take for certain, and at the most, at each time. One thread runs at a time, so the last
/// number is the present one.
#[derive(Default)]
struct Numbers {
    certain: usize,
    possible: Vec<usize>,
}

struct World {
    store: SessionStore,
    limit: usize,
    /// The bytes of a session with a value of each length.
    sizes: [usize; LENGTHS.len()],
    /// Locked for a moment only, in which no other thread runs.
    numbers: Mutex<Numbers>,
}

impl World {
    fn new() -> Self {
        let sizes = LENGTHS.map(|length| {
            let counting = store(usize::MAX);
            counting.create_with([("key", value(length))]).expect("there is room");
            bytes(&counting)
        });
        let limit = sizes[2] + 2 * sizes[1];
        Self { store: store(limit), limit, sizes, numbers: Mutex::default() }
    }

    fn numbers<R>(&self, f: impl FnOnce(&mut Numbers) -> R) -> R {
        f(&mut self.numbers.lock().expect("no thread panics"))
    }

    /// The sessions take more for certain, or less.
    fn certain(&self, change: isize) {
        let certain = self.numbers(|numbers| {
            numbers.certain = numbers.certain.checked_add_signed(change).expect("not below zero");
            numbers.certain
        });
        assert!(certain <= self.limit, "{certain} bytes at once");
        assert!(bytes(&self.store) <= self.limit);
    }

    /// The sessions take more at the most, or less. Returns the time.
    fn possible(&self, change: isize) -> usize {
        self.numbers(|numbers| {
            let last = numbers.possible.last().copied().unwrap_or(0);
            numbers.possible.push(last.checked_add_signed(change).expect("not below zero"));
            numbers.possible.len() - 1
        })
    }

    /// An operation that needs `more` bytes. Returns whether it was carried out. It may be refused only if there was no
    /// room at some time.
    fn take(&self, more: usize, operation: impl FnOnce() -> bool) -> bool {
        let more = isize::try_from(more).expect("a small number");
        let began = self.possible(more);
        let done = operation();
        if done {
            self.certain(more);
        } else {
            let most = self.numbers(|numbers| numbers.possible[began..].iter().copied().max()).expect("a time");
            assert!(most > self.limit, "refused with {most} bytes at the most");
            self.possible(-more);
        }
        done
    }

    /// An operation that leaves `less` bytes.
    fn leave(&self, less: usize, operation: impl FnOnce()) {
        let less = isize::try_from(less).expect("a small number");
        self.certain(-less);
        operation();
        self.possible(-less);
    }

    fn come_and_go(&self) {
        let mut own: Vec<(SessionId, usize)> = Vec::new();
        for _ in 0..OPERATIONS {
            let size = thread_rng().gen_range(0..LENGTHS.len());
            if own.is_empty() || thread_rng().gen_range(0..3) == 0 {
                self.take(self.sizes[size], || match self.store.create_with([("key", value(LENGTHS[size]))]) {
                    Ok(id) => {
                        own.push((id, size));
                        true
                    }
                    Err(error) => {
                        assert_eq!(error, CreateError::BytesFull);
                        false
                    }
                });
                continue;
            }
            let at = thread_rng().gen_range(0..own.len());
            let (id, before) = own[at];
            let set = || self.store.set(&id, "key", &value(LENGTHS[size]));
            if thread_rng().gen_range(0..4) == 0 {
                own.swap_remove(at);
                self.leave(self.sizes[before], || assert!(self.store.delete(&id)));
            } else if size > before {
                let done = self.take(self.sizes[size] - self.sizes[before], || match set() {
                    Ok(()) => true,
                    Err(error) => {
                        assert_eq!(error, SetError::BytesFull);
                        false
                    }
                });
                own[at].1 = if done { size } else { before };
            } else {
                self.leave(self.sizes[before] - self.sizes[size], || set().expect("it takes no more"));
                own[at].1 = size;
            }
        }
        for (id, size) in own {
            self.leave(self.sizes[size], || assert!(self.store.delete(&id)));
        }
    }

    /// Two threads change one session, and a third one ends it.
    fn change_and_end(self: &Arc<Self>) {
        let id = self.store.create_with([("key", "")]).expect("there is room");
        let spawn = |number: usize| {
            let world = self.clone();
            thread::spawn(move || match number {
                0 => assert!(world.store.delete(&id)),
                _ => drop(world.store.set(&id, "key", &value(LENGTHS[number]))),
            })
        };
        let threads: Vec<_> = (0..3).map(spawn).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        assert_eq!((bytes(&self.store), self.store.count()), (0, 0));
    }
}

fn store(limit: usize) -> SessionStore {
    SessionStore::builder().shards(1).max_bytes(limit).build().expect("the settings are valid")
}

fn bytes(store: &SessionStore) -> usize {
    usize::try_from(store.stats().counted_bytes).expect("a number of bytes in memory")
}

fn value(length: usize) -> String {
    "v".repeat(length)
}

pub(crate) fn execute() {
    let world = Arc::new(World::new());
    let spawn = |_| {
        let world = world.clone();
        thread::spawn(move || world.come_and_go())
    };
    let threads: Vec<_> = (0..THREADS).map(spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    assert_eq!((bytes(&world.store), world.store.count()), (0, 0));
    world.change_and_end();
}
