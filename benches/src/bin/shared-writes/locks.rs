//! Locks of parking_lot that note their writes: one exchange to lock, and one to unlock.

use cloakroom::shared_writes::{Write, note};
use cloakroom_benches::contenders::{Guarded, Map};
use lock_api::{RawMutex, RawRwLock};

pub(crate) struct CountedMutex(parking_lot::RawMutex);

// SAFETY: every call is forwarded to a mutex, which excludes other threads.
unsafe impl RawMutex for CountedMutex {
    const INIT: Self = Self(<parking_lot::RawMutex as RawMutex>::INIT);

    type GuardMarker = <parking_lot::RawMutex as RawMutex>::GuardMarker;

    fn lock(&self) {
        note(Write::Exchange, self);
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        let taken = self.0.try_lock();
        note(if taken { Write::Exchange } else { Write::Failed }, self);
        taken
    }

    unsafe fn unlock(&self) {
        note(Write::Exchange, self);
        // SAFETY: the caller holds the lock.
        unsafe { self.0.unlock() }
    }
}

pub(crate) struct CountedRwLock(parking_lot::RawRwLock);

// SAFETY: every call is forwarded to a lock, which excludes other threads.
unsafe impl RawRwLock for CountedRwLock {
    const INIT: Self = Self(<parking_lot::RawRwLock as RawRwLock>::INIT);

    type GuardMarker = <parking_lot::RawRwLock as RawRwLock>::GuardMarker;

    fn lock_shared(&self) {
        note(Write::Exchange, self);
        self.0.lock_shared();
    }

    fn try_lock_shared(&self) -> bool {
        let taken = self.0.try_lock_shared();
        note(if taken { Write::Exchange } else { Write::Failed }, self);
        taken
    }

    unsafe fn unlock_shared(&self) {
        note(Write::Exchange, self);
        // SAFETY: the caller holds the lock.
        unsafe { self.0.unlock_shared() }
    }

    fn lock_exclusive(&self) {
        note(Write::Exchange, self);
        self.0.lock_exclusive();
    }

    fn try_lock_exclusive(&self) -> bool {
        let taken = self.0.try_lock_exclusive();
        note(if taken { Write::Exchange } else { Write::Failed }, self);
        taken
    }

    unsafe fn unlock_exclusive(&self) {
        note(Write::Exchange, self);
        // SAFETY: the caller holds the lock.
        unsafe { self.0.unlock_exclusive() }
    }
}

pub(crate) type Mutex = lock_api::Mutex<CountedMutex, Map>;
pub(crate) type RwLock = lock_api::RwLock<CountedRwLock, Map>;

/// A wrapper, because both the trait `Guarded` and the locks are foreign to this crate.
pub(crate) struct Counted<L>(L);

impl Guarded for Counted<Mutex> {
    const ONE: &'static str = "one Mutex";
    const MANY: &'static str = "64 Mutexes";

    fn new(map: Map) -> Self {
        Self(lock_api::Mutex::new(map))
    }

    fn shared<R>(&self, f: impl FnOnce(&Map) -> R) -> R {
        f(&self.0.lock())
    }

    fn exclusive<R>(&self, f: impl FnOnce(&mut Map) -> R) -> R {
        f(&mut self.0.lock())
    }
}

impl Guarded for Counted<RwLock> {
    const ONE: &'static str = "one RwLock";
    const MANY: &'static str = "64 RwLocks";

    fn new(map: Map) -> Self {
        Self(lock_api::RwLock::new(map))
    }

    fn shared<R>(&self, f: impl FnOnce(&Map) -> R) -> R {
        f(&self.0.read())
    }

    fn exclusive<R>(&self, f: impl FnOnce(&mut Map) -> R) -> R {
        f(&mut self.0.write())
    }
}
