//! Caches without a bound: moka with its own idle timeout, quick_cache with a stamp in each session.

use crate::contender::{Contender, Id, Setup, random_id};
use crate::session::{Boxed, Life, Stamp, assign, assigned, find, pack};
use moka::ops::compute::{CompResult, Op};
use parking_lot::Mutex;
use triomphe::{Arc, ThinArc};

/// Its `time_to_idle` judges expiry by a clock of its own; values come out as clones, here of a pointer.
pub struct Moka(moka::sync::Cache<Id, ThinArc<(), u8>, ahash::RandomState>);

impl Contender for Moka {
    const NAME: &'static str = "moka";
    const OWN_CLOCK: bool = true;

    fn open(setup: Setup) -> Self {
        let builder = moka::sync::Cache::builder().time_to_idle(setup.ttl);
        Self(builder.build_with_hasher(ahash::RandomState::default()))
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = random_id();
        self.0.insert(id, ThinArc::from_header_and_slice((), &pack(attributes)));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        find(&self.0.get(id)?.slice, key).map(f)
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let result = self.0.entry_by_ref(id).and_compute_with(|entry| match entry {
            Some(entry) => {
                Op::Put(ThinArc::from_header_and_slice((), &assigned(&entry.into_value().slice, key, value)))
            }
            None => Op::Nop,
        });
        matches!(result, CompResult::ReplacedWith(_))
    }

    fn exists(&self, id: &Id) -> bool {
        self.0.contains_key(id)
    }

    fn delete(&self, id: &Id) -> bool {
        self.0.remove(id).is_some()
    }

    fn evict_expired(&self) -> usize {
        // The count lags behind by what is pending; a call works through one batch.
        let before = self.0.entry_count();
        loop {
            let left = self.0.entry_count();
            self.0.run_pending_tasks();
            if self.0.entry_count() == left {
                return usize::try_from(before.saturating_sub(left)).expect("it fits memory");
            }
        }
    }

    fn flush(&self) {
        self.0.run_pending_tasks();
    }
}

struct Session {
    stamp: Stamp,
    block: Mutex<Boxed>,
}

/// It has no expiry; values come out as clones of a pointer, and are changed under a lock of their own.
pub struct QuickCache {
    cache: quick_cache::sync::Cache<Id, Arc<Session>, quick_cache::UnitWeighter, ahash::RandomState>,
    life: Life,
}

impl Contender for QuickCache {
    const NAME: &'static str = "quick_cache";

    fn open(setup: Setup) -> Self {
        let options = quick_cache::OptionsBuilder::new()
            .estimated_items_capacity(1_024)
            .weight_capacity(1 << 40)
            .build()
            .expect("both settings are there");
        let (hasher, lifecycle) = (ahash::RandomState::default(), quick_cache::sync::DefaultLifecycle::default());
        let cache = quick_cache::sync::Cache::with_options(options, quick_cache::UnitWeighter, hasher, lifecycle);
        Self { cache, life: Life::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = random_id();
        let block = Mutex::new(Boxed::from(&*pack(attributes)));
        self.cache.insert(id, Arc::new(Session { stamp: Stamp::new(self.life.now()), block }));
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.life.now();
        let session = self.cache.get(id)?;
        if session.stamp.renew(&self.life, now) { find(&session.block.lock(), key).map(f) } else { None }
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.life.now();
        let Some(session) = self.cache.get(id).filter(|session| session.stamp.renew(&self.life, now)) else {
            return false;
        };
        assign(&mut *session.block.lock(), key, value);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.life.now();
        self.cache.peek(id).is_some_and(|session| session.stamp.is_live(&self.life, now))
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.life.now();
        self.cache.remove(id).is_some_and(|(_, session)| session.stamp.is_live(&self.life, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.life.now();
        let before = self.cache.len();
        self.cache.retain(|_, session| session.stamp.is_live(&self.life, now));
        before.saturating_sub(self.cache.len())
    }
}
