//! flurry: a port of Java's `ConcurrentHashMap`. A set replaces the session.

use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::session::{Boxed, Policy, Session, assigned, find, pack};

pub struct Flurry {
    map: flurry::HashMap<Id, Session<Boxed>, ahash::RandomState>,
    policy: Policy,
}

impl Contender for Flurry {
    const NAME: &'static str = "flurry";

    fn open(setup: Setup) -> Self {
        Self { map: flurry::HashMap::default(), policy: Policy::new(setup) }
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
        let mut live = false;
        self.map.pin().compute_if_present(id, |_, session| {
            live = session.stamp.is_live(&self.policy, now);
            // `None` removes an expired session.
            live.then(|| Session::new(now, &assigned(&session.block, key, value)))
        });
        live
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
        let now = self.policy.now();
        let mut evicted = 0;
        self.map.pin().retain(|_, session| {
            let live = session.stamp.is_live(&self.policy, now);
            evicted += usize::from(!live);
            live
        });
        evicted
    }
}
