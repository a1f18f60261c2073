//! hashbrown maps behind locks of parking_lot: one lock, or 64 locks on cache lines of their own.

use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::session::{Boxed, Policy, Session, assign, find, pack};
use crossbeam_utils::CachePadded;

pub type Map = hashbrown::HashMap<Id, Session<Boxed>, ahash::RandomState>;

/// A map behind a lock.
pub trait Guarded: Send + Sync + 'static {
    /// The name of one such lock in reports.
    const ONE: &'static str;
    /// The name of 64 such locks in reports.
    const MANY: &'static str;

    fn new(map: Map) -> Self;
    /// Runs `f` with at least a shared lock.
    fn shared<R>(&self, f: impl FnOnce(&Map) -> R) -> R;
    /// Runs `f` with an exclusive lock.
    fn exclusive<R>(&self, f: impl FnOnce(&mut Map) -> R) -> R;
}

impl Guarded for parking_lot::Mutex<Map> {
    const ONE: &'static str = "one parking_lot Mutex";
    const MANY: &'static str = "64 Mutexes";

    fn new(map: Map) -> Self {
        Self::new(map)
    }

    #[inline]
    fn shared<R>(&self, f: impl FnOnce(&Map) -> R) -> R {
        f(&self.lock())
    }

    #[inline]
    fn exclusive<R>(&self, f: impl FnOnce(&mut Map) -> R) -> R {
        f(&mut self.lock())
    }
}

impl Guarded for parking_lot::RwLock<Map> {
    const ONE: &'static str = "one parking_lot RwLock";
    const MANY: &'static str = "64 RwLocks";

    fn new(map: Map) -> Self {
        Self::new(map)
    }

    #[inline]
    fn shared<R>(&self, f: impl FnOnce(&Map) -> R) -> R {
        f(&self.read())
    }

    #[inline]
    fn exclusive<R>(&self, f: impl FnOnce(&mut Map) -> R) -> R {
        f(&mut self.write())
    }
}

pub struct Sharded<G, const SHARDS: usize> {
    shards: Box<[CachePadded<G>]>,
    policy: Policy,
}

impl<G, const SHARDS: usize> Sharded<G, SHARDS> {
    /// Ids are random, so their first byte selects the shard without another hash.
    #[inline]
    fn shard(&self, id: &Id) -> &G {
        const { assert!(SHARDS.is_power_of_two() && SHARDS <= 256) };
        &self.shards[usize::from(id[0]) & (SHARDS - 1)]
    }
}

impl<G: Guarded, const SHARDS: usize> Contender for Sharded<G, SHARDS> {
    const NAME: &'static str = if SHARDS == 1 { G::ONE } else { G::MANY };

    fn open(setup: Setup) -> Self {
        let shard = |_| CachePadded::new(G::new(Map::default()));
        Self { shards: (0..SHARDS).map(shard).collect(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let session = Session::new(self.policy.now(), &pack(attributes));
        self.shard(&id).exclusive(|map| map.insert(id, session));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        self.shard(id).shared(|map| {
            let session = map.get(id)?;
            if session.stamp.renew(&self.policy, now) { find(&session.block, key).map(f) } else { None }
        })
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        self.shard(id).exclusive(|map| {
            let Some(session) = map.get_mut(id).filter(|session| session.stamp.renew(&self.policy, now)) else {
                return false;
            };
            assign(&mut session.block, key, value);
            true
        })
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.shard(id).shared(|map| map.get(id).is_some_and(|session| session.stamp.is_live(&self.policy, now)))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        let removed = self.shard(id).exclusive(|map| map.remove(id));
        removed.is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let evict = |map: &mut Map| {
            let before = map.len();
            map.retain(|_, session| session.stamp.is_live(&self.policy, now));
            before - map.len()
        };
        self.shards.iter().map(|shard| shard.exclusive(evict)).sum()
    }
}
