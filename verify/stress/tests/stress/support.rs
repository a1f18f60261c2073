//! Threads, a clock, and ways to pass ids around that put no more order between threads than they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{Clock, SessionId, SessionStore, SessionStoreBuilder};

pub(crate) const THREADS: usize = 8;

/// How many operations each thread makes in each test, more or less.
pub(crate) fn operations() -> usize {
    let set = std::env::var("CLOAKROOM_STRESS_OPS").ok();
    set.map_or(20_000, |text| text.parse().expect("CLOAKROOM_STRESS_OPS is a number"))
}

/// A store whose one shard everything happens in.
pub(crate) fn store(configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder) -> SessionStore {
    configure(SessionStore::builder().shards(1)).build().expect("the settings are valid")
}

/// Runs `work` on all threads at once, passes it the thread's number, and returns what each returned.
pub(crate) fn together<S, R>(shared: &Arc<S>, work: fn(&S, usize) -> R) -> Vec<R>
where
    S: Send + Sync + 'static,
    R: Send + 'static,
{
    let ready = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (shared, ready) = (Arc::clone(shared), Arc::clone(&ready));
            thread::spawn(move || {
                ready.fetch_add(1, Ordering::Relaxed);
                while ready.load(Ordering::Relaxed) < THREADS {
                    thread::yield_now();
                }
                work(&shared, number)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
}

/// A clock of whole milliseconds that tests move on.
#[derive(Clone, Default)]
pub(crate) struct Ticks(Arc<AtomicU64>);

impl Ticks {
    /// Moves on by a tick. Who sees it sees what this thread has seen.
    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Clock for Ticks {
    fn now(&self) -> Duration {
        Duration::from_millis(self.get())
    }
}

/// Places where threads leave ids for each other. Of an id that is replaced while it is read, a reader may get parts:
/// an id that belongs to no session.
pub(crate) struct Board {
    places: Vec<[AtomicU64; 4]>,
    post: Ordering,
    look: Ordering,
}

impl Board {
    /// Who gets an id also sees all that its poster had done.
    pub(crate) fn ordered(places: usize) -> Self {
        Self::new(places, Ordering::Release, Ordering::Acquire)
    }

    /// Who gets an id knows nothing but the id: all else must come from the store.
    pub(crate) fn unordered(places: usize) -> Self {
        Self::new(places, Ordering::Relaxed, Ordering::Relaxed)
    }

    fn new(places: usize, post: Ordering, look: Ordering) -> Self {
        let empty = || [0; 4].map(AtomicU64::new);
        Self { places: (0..places).map(|_| empty()).collect(), post, look }
    }

    pub(crate) fn post(&self, place: usize, id: &SessionId) {
        let parts = id.as_bytes().chunks_exact(8);
        for (word, part) in self.places[place].iter().zip(parts) {
            word.store(u64::from_ne_bytes(part.try_into().expect("a part has eight bytes")), self.post);
        }
    }

    pub(crate) fn at(&self, place: usize) -> SessionId {
        let mut bytes = [0; 32];
        for (word, part) in self.places[place].iter().zip(bytes.chunks_exact_mut(8)) {
            part.copy_from_slice(&word.load(self.look).to_ne_bytes());
        }
        SessionId::from_bytes(bytes)
    }

    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }
}

/// Random numbers, the same for the same thread in every run (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(thread: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// Sessions that one thread creates and deletes by the hundred: the shard grows with every wave that rises, and is
/// purged and shrinks with every one that falls.
#[derive(Default)]
pub(crate) struct Wave {
    ids: Vec<SessionId>,
    falling: bool,
}

impl Wave {
    const HEIGHT: usize = 300;

    /// Creates or deletes one session.
    pub(crate) fn step(&mut self, store: &SessionStore) {
        if self.falling {
            let id = self.ids.pop().expect("a wave that falls has sessions left");
            assert!(store.delete(&id), "nobody else knows the id");
        } else {
            self.ids.push(store.create_with([("wave", "rising")]).expect("there is room"));
        }
        self.falling = if self.falling { !self.ids.is_empty() } else { self.ids.len() == Self::HEIGHT };
    }

    /// Deletes what there is.
    pub(crate) fn end(self, store: &SessionStore) {
        for id in self.ids {
            assert!(store.delete(&id), "nobody else knows the id");
        }
    }
}
