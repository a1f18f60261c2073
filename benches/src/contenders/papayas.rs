//! papaya: lock-free reads. A set replaces the whole session, or changes it under a lock in the session.

use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::session::{Bytes, Policy, Session, Stamp, assign, assigned, find, pack};
use papaya::{Compute, HashMap, Operation};
use parking_lot::Mutex;
use std::cell::Cell;

type Map<V> = HashMap<Id, V, ahash::RandomState>;

/// A set copies the session and replaces it.
pub struct Papaya<B> {
    map: Map<Session<B>>,
    policy: Policy,
}

impl<B: Bytes> Contender for Papaya<B> {
    const NAME: &'static str = "papaya";

    fn open(setup: Setup) -> Self {
        Self { map: Map::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        self.map.pin().insert(id, Session::new(self.policy.now(), &pack(attributes)));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let map = self.map.pin();
        let session = map.get(id)?;
        if session.stamp.renew(&self.policy, now) { find(&session.block, key).map(f) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let map = self.map.pin();
        let result = map.compute(*id, |entry| match entry {
            Some((_, session)) if session.stamp.is_live(&self.policy, now) => {
                Operation::Insert(Session::new(now, &assigned(&session.block, key, value)))
            }
            _ => Operation::Abort(()),
        });
        matches!(result, Compute::Updated { .. })
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.pin().get(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.pin().remove(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        retain_live(&self.map, &self.policy, |session| &session.stamp)
    }

    fn flush(&self) {
        flush(&self.map);
    }
}

/// Each session has a lock, and a set changes it in place.
pub struct PapayaLocks<B> {
    map: Map<Locked<B>>,
    policy: Policy,
}

struct Locked<B> {
    stamp: Stamp,
    block: Mutex<B>,
}

impl<B: Bytes> Contender for PapayaLocks<B> {
    const NAME: &'static str = if B::NAME.is_empty() { "papaya with locks" } else { "papaya with locks, inline" };

    fn open(setup: Setup) -> Self {
        Self { map: Map::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let session = Locked { stamp: Stamp::new(self.policy.now()), block: Mutex::new(B::from(&pack(attributes))) };
        self.map.pin().insert(id, session);
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let map = self.map.pin();
        let session = map.get(id)?;
        if session.stamp.renew(&self.policy, now) { find(&session.block.lock(), key).map(f) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let map = self.map.pin();
        let Some(session) = map.get(id).filter(|session| session.stamp.renew(&self.policy, now)) else { return false };
        assign(&mut *session.block.lock(), key, value);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.pin().get(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.pin().remove(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        retain_live(&self.map, &self.policy, |session| &session.stamp)
    }

    fn flush(&self) {
        flush(&self.map);
    }
}

fn retain_live<V>(map: &Map<V>, policy: &Policy, stamp: impl Fn(&V) -> &Stamp) -> usize {
    let now = policy.now();
    let evicted = Cell::new(0);
    map.pin().retain(|_, session| {
        let live = stamp(session).is_live(policy, now);
        evicted.set(evicted.get() + usize::from(!live));
        live
    });
    evicted.get()
}

fn flush<V>(map: &Map<V>) {
    use papaya::Guard;
    map.guard().flush();
}
