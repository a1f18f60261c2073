//! scc: `HashMap` locks a bucket and changes a session in place; `HashIndex` has lock-free reads of immutable values.

use crate::contender::{Contender, Setup};
use crate::ids::Id;
use crate::session::{Bytes, Policy, Session, Stamp, assign, assigned, find, pack};
use triomphe::ThinArc;

pub struct SccHashMap<B> {
    map: scc::HashMap<Id, Session<B>, ahash::RandomState>,
    policy: Policy,
}

impl<B: Bytes> Contender for SccHashMap<B> {
    const NAME: &'static str = if B::NAME.is_empty() { "scc HashMap" } else { "scc HashMap, inline" };

    fn open(setup: Setup) -> Self {
        Self { map: scc::HashMap::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let inserted = self.map.insert_sync(id, Session::new(self.policy.now(), &pack(attributes)));
        assert!(inserted.is_ok(), "an id was drawn twice");
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let read = |_: &Id, session: &Session<B>| {
            if session.stamp.renew(&self.policy, now) { find(&session.block, key).map(f) } else { None }
        };
        self.map.read_sync(id, read).flatten()
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let set = |_: &Id, session: &mut Session<B>| {
            let live = session.stamp.renew(&self.policy, now);
            if live {
                assign(&mut session.block, key, value);
            }
            live
        };
        self.map.update_sync(id, set).unwrap_or(false)
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.read_sync(id, |_, session| session.stamp.is_live(&self.policy, now)).unwrap_or(false)
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.map.remove_sync(id).is_some_and(|(_, session)| session.stamp.is_live(&self.policy, now))
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let mut evicted = 0;
        self.map.retain_sync(|_, session| {
            let live = session.stamp.is_live(&self.policy, now);
            evicted += usize::from(!live);
            live
        });
        evicted
    }

    fn flush(&self) {
        scc::Guard::new().accelerate();
    }
}

/// A session in one allocation behind one pointer. The index copies values when it grows. Copies of a pointer share the
/// stamp, so no touch is lost.
type Shared = ThinArc<Stamp, u8>;

pub struct SccHashIndex {
    map: scc::HashIndex<Id, Shared, ahash::RandomState>,
    policy: Policy,
}

impl SccHashIndex {
    /// A lock-free look-up misses a session that another thread is updating, between the removal of the old version and
    /// the insertion of the new one. So a session that is not found is looked up again under the lock of the bucket.
    #[inline]
    fn look<R>(&self, id: &Id, f: impl FnOnce(&Shared) -> R) -> Option<R> {
        let mut f = Some(f);
        let mut once = |_: &Id, session: &Shared| f.take().map(|f| f(session));
        let seen = self.map.peek_with(id, &mut once);
        seen.or_else(|| self.map.read_sync(id, &mut once)).flatten()
    }
}

impl Contender for SccHashIndex {
    const NAME: &'static str = "scc HashIndex";

    fn open(setup: Setup) -> Self {
        Self { map: scc::HashIndex::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let session = Shared::from_header_and_slice(Stamp::new(self.policy.now()), &pack(attributes));
        assert!(self.map.insert_sync(id, session).is_ok(), "an id was drawn twice");
        id
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        self.look(id, |session| {
            let live = session.header.header.renew(&self.policy, now);
            if live { find(&session.slice, key).map(f) } else { None }
        })
        .flatten()
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let now = self.policy.now();
        let Some(mut entry) = self.map.get_sync(id) else { return false };
        let session = entry.get();
        if !session.header.header.is_live(&self.policy, now) {
            return false;
        }
        let new = Shared::from_header_and_slice(Stamp::new(now), &assigned(&session.slice, key, value));
        entry.update(new);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.look(id, |session| session.header.header.is_live(&self.policy, now)).unwrap_or(false)
    }

    fn delete(&self, id: &Id) -> bool {
        let now = self.policy.now();
        let mut live = false;
        let removed = self.map.remove_if_sync(id, |session| {
            live = session.header.header.is_live(&self.policy, now);
            true
        });
        removed && live
    }

    fn evict_expired(&self) -> usize {
        let now = self.policy.now();
        let mut evicted = 0;
        self.map.retain_sync(|_, session| {
            let live = session.header.header.is_live(&self.policy, now);
            evicted += usize::from(!live);
            live
        });
        evicted
    }

    fn flush(&self) {
        scc::Guard::new().accelerate();
    }
}
