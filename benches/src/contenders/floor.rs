//! The limit: the cost of a look-up on this machine if no session can be removed.
//!
//! An array of pointers to sessions, allocated in advance and at most half full. The upper sixteen bits of a pointer
//! hold bits of the hash. A session is one allocation, with its block inside. There is no guard, no lock, no version,
//! no removal and no growth. Like all contenders, it reads the clock and touches the session, and it uses the same
//! hash.

use crate::contender::{Contender, Extent, Setup};
use crate::ids::Id;
use crate::session::{Inline, Policy, Session, find, pack};
use std::sync::atomic::{AtomicPtr, Ordering};

struct Entry {
    id: Id,
    session: Session<Inline>,
}

pub struct Floor {
    slots: Box<[AtomicPtr<Entry>]>,
    hasher: ahash::RandomState,
    policy: Policy,
}

/// The position of the hash above the address.
const SHIFT: u32 = 48;
const ADDRESS: usize = (1 << SHIFT) - 1;

impl Floor {
    #[inline]
    fn hash(&self, id: &Id) -> usize {
        self.hasher.hash_one(id) as usize
    }

    /// All slots in a circle, from the hash on.
    #[inline]
    fn probe(&self, hash: usize) -> impl Iterator<Item = &AtomicPtr<Entry>> {
        let mask = self.slots.len() - 1;
        (0..).map(move |step| &self.slots[(hash + step) & mask])
    }

    #[inline]
    fn find(&self, id: &Id) -> Option<&Entry> {
        let hash = self.hash(id);
        for slot in self.probe(hash) {
            // Acquire: pairs with the exchange in `create`, which publishes the entry.
            let word = slot.load(Ordering::Acquire);
            if word.is_null() {
                return None;
            }
            if word.addr() >> SHIFT != hash >> SHIFT {
                continue;
            }
            let entry = word.map_addr(|address| address & ADDRESS);
            // SAFETY: a word that is not null holds the address of an entry, and only dropping the store frees
            // entries.
            let entry = unsafe { &*entry };
            if entry.id == *id {
                return Some(entry);
            }
        }
        None
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            let word = *slot.get_mut();
            if !word.is_null() {
                let entry = word.map_addr(|address| address & ADDRESS);
                // SAFETY: the entry came from a box in `create`, and only this slot has its address.
                drop(unsafe { Box::from_raw(entry) });
            }
        }
    }
}

impl Contender for Floor {
    const NAME: &'static str = "floor";
    const EXTENT: Extent = Extent::Lookups;

    fn open(setup: Setup) -> Self {
        let slots = (2 * setup.sessions).next_power_of_two();
        let slots = (0..slots).map(|_| AtomicPtr::default()).collect();
        Self { slots, hasher: ahash::RandomState::default(), policy: Policy::new(setup) }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let id = self.policy.ids.draw();
        let session = Session::new(self.policy.now(), &pack(attributes));
        let entry = Box::into_raw(Box::new(Entry { id, session }));
        assert!(entry.addr() <= ADDRESS, "addresses have 48 bits");
        let hash = self.hash(&id);
        let word = entry.map_addr(|address| address | (hash & !ADDRESS));
        for slot in self.probe(hash).take(self.slots.len()) {
            let free = slot.compare_exchange(std::ptr::null_mut(), word, Ordering::Release, Ordering::Relaxed);
            if free.is_ok() {
                return id;
            }
        }
        panic!("more sessions than there is room for");
    }

    #[inline]
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let now = self.policy.now();
        let session = &self.find(id)?.session;
        if session.stamp.renew(&self.policy, now) { find(&session.block, key).map(f) } else { None }
    }

    fn set(&self, _id: &Id, _key: &str, _value: &str) -> bool {
        unreachable!("the floor can only look up")
    }

    fn exists(&self, id: &Id) -> bool {
        let now = self.policy.now();
        self.find(id).is_some_and(|entry| entry.session.stamp.is_live(&self.policy, now))
    }

    fn delete(&self, _id: &Id) -> bool {
        unreachable!("the floor can only look up")
    }

    fn evict_expired(&self) -> usize {
        unreachable!("the floor can only look up")
    }
}
