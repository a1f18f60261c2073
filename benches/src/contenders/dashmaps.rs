//! DashMap: shards with a reader-writer lock each; sets are made in place.

use crate::contender::{Contender, Id, Setup, random_id};
use crate::session::{Bytes, Life, Session, assign, find, pack};
use dashmap::DashMap;

pub struct Dash<B> {
    map: DashMap<Id, Session<B>, ahash::RandomState>,
    life: Life,
}

impl<B: Bytes> Contender for Dash<B> {
    const NAME: &'static str = if B::NAME.is_empty() { "DashMap" } else { "DashMap, inline" };

    fn open(setup: Setup) -> Self {
        Self { map: DashMap::default(), life: Life::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = random_id();
        self.map.insert(id, Session::new(self.life.now(), &pack(attributes)));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.life.now();
        let session = self.map.get(id)?;
        if session.stamp.renew(&self.life, now) { find(&session.block, key).map(f) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.life.now();
        let Some(mut session) = self.map.get_mut(id) else { return false };
        if !session.stamp.renew(&self.life, now) {
            return false;
        }
        assign(&mut session.block, key, value);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.life.now();
        self.map.get(id).is_some_and(|session| session.stamp.is_live(&self.life, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.life.now();
        self.map.remove(id).is_some_and(|(_, session)| session.stamp.is_live(&self.life, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.life.now();
        let mut evicted = 0;
        self.map.retain(|_, session| {
            let live = session.stamp.is_live(&self.life, now);
            evicted += usize::from(!live);
            live
        });
        evicted
    }
}
