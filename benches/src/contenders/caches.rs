//! Caches without a capacity limit: moka with its own idle timeout, and quick_cache with a stamp in each session.

use crate::contender::{Contender, Setup};
use crate::ids::{Id, Ids};
use crate::session::{Boxed, Policy, Stamp, assign, assigned, find, pack};
use moka::ops::compute::{CompResult, Op};
use parking_lot::Mutex;
use triomphe::{Arc, ThinArc};

/// Its `time_to_idle` decides about expiry by a clock of its own. A get clones the value, which is a pointer here.
pub struct Moka {
    cache: moka::sync::Cache<Id, ThinArc<(), u8>, ahash::RandomState>,
    ids: Ids,
}

impl Contender for Moka {
    const NAME: &'static str = "moka";
    const OWN_CLOCK: bool = true;

    fn open(setup: Setup) -> Self {
        let builder = moka::sync::Cache::builder().time_to_idle(setup.ttl);
        Self { cache: builder.build_with_hasher(ahash::RandomState::default()), ids: setup.ids }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.ids.draw();
        self.cache.insert(id, ThinArc::from_header_and_slice((), &pack(attributes)));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        find(&self.cache.get(id)?.slice, key).map(f)
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let result = self.cache.entry_by_ref(id).and_compute_with(|entry| match entry {
            Some(entry) => {
                Op::Put(ThinArc::from_header_and_slice((), &assigned(&entry.into_value().slice, key, value)))
            }
            None => Op::Nop,
        });
        matches!(result, CompResult::ReplacedWith(_))
    }

    fn exists(&self, id: &Id) -> bool {
        self.cache.contains_key(id)
    }

    fn delete(&self, id: &Id) -> bool {
        self.cache.remove(id).is_some()
    }

    fn evict_expired(&self) -> usize {
        // The count does not include pending tasks, and one call runs only a batch of them.
        let before = self.cache.entry_count();
        loop {
            let left = self.cache.entry_count();
            self.cache.run_pending_tasks();
            if self.cache.entry_count() == left {
                return usize::try_from(before.saturating_sub(left)).expect("the sessions fit into memory");
            }
        }
    }

    fn flush(&self) {
        self.cache.run_pending_tasks();
    }
}

struct Session {
    stamp: Stamp,
    block: Mutex<Boxed>,
}

/// It has no expiry. A get clones a pointer to the session, and a set locks the session.
pub struct QuickCache {
    cache: quick_cache::sync::Cache<Id, Arc<Session>, quick_cache::UnitWeighter, ahash::RandomState>,
    policy: Policy,
}

impl Contender for QuickCache {
    const NAME: &'static str = "quick_cache";

    fn open(setup: Setup) -> Self {
        let options = quick_cache::OptionsBuilder::new()
            .estimated_items_capacity(1_024)
            .weight_capacity(1 << 40)
            .build()
            .expect("both mandatory options are set");
        let (hasher, lifecycle) = (ahash::RandomState::default(), quick_cache::sync::DefaultLifecycle::default());
        let cache = quick_cache::sync::Cache::with_options(options, quick_cache::UnitWeighter, hasher, lifecycle);
        Self { cache, policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let block = Mutex::new(Boxed::from(&*pack(attributes)));
        self.cache.insert(id, Arc::new(Session { stamp: Stamp::new(self.policy.now()), block }));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let session = self.cache.get(id)?;
        if session.stamp.renew(&self.policy, now) { find(&session.block.lock(), key).map(f) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let Some(session) = self.cache.get(id).filter(|session| session.stamp.renew(&self.policy, now)) else {
            return false;
        };
        assign(&mut *session.block.lock(), key, value);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.cache.peek(id).is_some_and(|session| session.stamp.is_live(&self.policy, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.cache.remove(id).is_some_and(|(_, session)| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let before = self.cache.len();
        self.cache.retain(|_, session| session.stamp.is_live(&self.policy, now));
        before.saturating_sub(self.cache.len())
    }
}
