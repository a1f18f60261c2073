//! DashMap: shards with a reader-writer lock each. A set changes the session in place.

use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::session::{Bytes, Policy, Session, assign, find, pack};
use dashmap::DashMap;

pub struct Dash<B> {
    map: DashMap<Id, Session<B>, ahash::RandomState>,
    policy: Policy,
}

impl<B: Bytes> Contender for Dash<B> {
    const NAME: &'static str = if B::NAME.is_empty() { "DashMap" } else { "DashMap, inline" };

    fn open(setup: Setup) -> Self {
        Self { map: DashMap::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        self.map.insert(id, Session::new(self.policy.now(), &pack(attributes)));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let session = self.map.get(id)?;
        if session.stamp.renew(&self.policy, now) { find(&session.block, key).map(f) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let Some(mut session) = self.map.get_mut(id) else { return false };
        if !session.stamp.renew(&self.policy, now) {
            return false;
        }
        assign(&mut session.block, key, value);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.get(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.remove(id).is_some_and(|(_, session)| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let mut evicted = 0;
        self.map.retain(|_, session| {
            let live = session.stamp.is_live(&self.policy, now);
            evicted += usize::from(!live);
            live
        });
        evicted
    }
}
