//! The contenders with locks: nested `HashMap`s behind one mutex, or behind 64 of them.
//!
//! Both are written to do well: clocks are read, ids drawn, attributes built and freed outside of the lock.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::contender::Contender;

const TTL: Duration = Duration::from_secs(30 * 60);

type Id = [u8; 32];

fn random_id() -> Id {
    let mut id = [0; 32];
    getrandom::fill(&mut id).expect("the operating system has random bytes");
    id
}

struct Session<S> {
    attributes: HashMap<String, String, S>,
    last_access: Instant,
}

impl<S: BuildHasher + Default> Session<S> {
    fn new(attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { attributes, last_access: Instant::now() }
    }
}

impl<S> Session<S> {
    fn is_expired(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_access) > TTL
    }
}

/// What lies behind one mutex.
#[derive(Default)]
struct Sessions<S>(HashMap<Id, Session<S>, S>);

impl<S: BuildHasher> Sessions<S> {
    /// The session, touched; an expired one is removed.
    fn touch(&mut self, id: &Id, now: Instant) -> Option<&mut Session<S>> {
        let Entry::Occupied(entry) = self.0.entry(*id) else { return None };
        if entry.get().is_expired(now) {
            entry.remove();
            return None;
        }
        let session = entry.into_mut();
        session.last_access = now;
        Some(session)
    }
}

/// A [`Sessions`] behind its mutex: the whole store, or one shard of it.
#[derive(Default)]
struct Locked<S>(Mutex<Sessions<S>>);

impl<S: BuildHasher + Default> Locked<S> {
    fn lock(&self) -> MutexGuard<'_, Sessions<S>> {
        self.0.lock().expect("nothing panics under the lock")
    }

    fn insert(&self, id: Id, session: Session<S>) {
        self.lock().0.insert(id, session);
    }

    fn get(&self, id: &Id, key: &str) -> Option<String> {
        let now = Instant::now();
        self.lock().touch(id, now)?.attributes.get(key).cloned()
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = Instant::now();
        let (key, value) = (key.to_owned(), value.to_owned());
        let mut sessions = self.lock();
        let Some(session) = sessions.touch(id, now) else { return false };
        let replaced = session.attributes.insert(key, value);
        drop(sessions);
        drop(replaced);
        true
    }

    fn delete(&self, id: &Id) -> bool {
        let removed = self.lock().0.remove(id);
        removed.is_some_and(|session| !session.is_expired(Instant::now()))
    }
}

/// The guide's design, with the standard library's hash.
pub(crate) struct OneMutex(Locked<RandomState>);

impl Contender for OneMutex {
    const NAME: &'static str = "one mutex";

    type Id = Id;

    fn open() -> Self {
        Self(Locked::default())
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = random_id();
        self.0.insert(id, Session::new(attributes));
        id
    }

    fn get(&self, id: &Id, key: &str) -> Option<String> {
        self.0.get(id, key)
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        self.0.set(id, key, value)
    }

    fn delete(&self, id: &Id) -> bool {
        self.0.delete(id)
    }
}

/// The same maps with ahash, spread over [`ShardedMutex::SHARDS`] mutexes on cache lines of their own.
pub(crate) struct ShardedMutex {
    shards: Box<[CachePadded<Locked<ahash::RandomState>>]>,
}

impl ShardedMutex {
    const SHARDS: usize = 64;

    /// Ids are random, so their first byte spreads them without another hash.
    fn shard(&self, id: &Id) -> &Locked<ahash::RandomState> {
        const { assert!(Self::SHARDS.is_power_of_two() && Self::SHARDS <= 256) };
        &self.shards[usize::from(id[0]) & (Self::SHARDS - 1)]
    }
}

impl Contender for ShardedMutex {
    const NAME: &'static str = "64 mutexes";

    type Id = Id;

    fn open() -> Self {
        Self { shards: (0..Self::SHARDS).map(|_| CachePadded::default()).collect() }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = random_id();
        self.shard(&id).insert(id, Session::new(attributes));
        id
    }

    fn get(&self, id: &Id, key: &str) -> Option<String> {
        self.shard(id).get(id, key)
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        self.shard(id).set(id, key, value)
    }

    fn delete(&self, id: &Id) -> bool {
        self.shard(id).delete(id)
    }
}
