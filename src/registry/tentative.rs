//! Rotations that may still be taken back.
//!
//! Here an old id leads to the new one, from before the rotation takes effect until it is final or has been taken back.
//! Only a delete of the old id looks here, after it has found no session under that id. A revocation wins for that
//! reason:
//!
//! ```text
//! delete old id:  1. no session under the old id   2. the new id, from here   3. ends the session under the new id
//!                 4. looks at the old id once more
//! take back:      a. the session moves from the new id to the old one, by a forward   b. the entry here is removed
//! ```
//!
//! Steps 3 and *a* exchange the life word of one version, the live one under the new id. If the delete is first, there
//! is nothing to take back. If the taking back is first, the delete meets the forward, and ends the session under the
//! old id. If the entry here has gone before step 2, the session is back, and step 4 finds it. If the rotation has
//! taken effect and its new version is still pending, step 3 withdraws that version, and the rotating thread accounts
//! for the end of the session. If a rotation of the id begins or ends meanwhile, which a counter tells, the delete
//! begins anew.

use super::MOST_SHARDS;
use crate::entry::{Head, Key, Overrides, Owned};
use crate::expiry::{Moment, Tick};
use crate::sync::{AtomicUsize, Ordering, step};
use crate::table::Table;
use std::sync::Arc;

/// The tentative rotations of one store.
pub(crate) struct Tentative {
    /// From the old id to the new one.
    successors: Table<Key>,
    /// The number of times that a rotation has become tentative or ceased to be. Wraps.
    changes: AtomicUsize,
}

impl Tentative {
    pub(crate) fn new(shards: usize) -> Self {
        Self { successors: Table::new(shards.min(MOST_SHARDS), 0), changes: AtomicUsize::new(0) }
    }

    /// Announces a rotation before it takes effect. `None` if another one of the same id is announced. Lock-free.
    pub(crate) fn announce(self: &Arc<Self>, old: Key, new: Key) -> Option<Announced> {
        // Relaxed: a thread that misses the session because of the rotation has seen what preceded the rotation.
        self.changes.fetch_add(1, Ordering::Relaxed);
        let place = self.successors.enter(&old).expect("any number of rotations");
        let entry = Owned::new(Head::first(old, Tick::new(0), &Overrides::NONE), new, 0, |_| {});
        let announced = self.successors.insert(place, entry, Moment::TIMELESS).is_ok();
        step("announced");
        announced.then(|| Announced { tentative: Arc::clone(self), old, removed: AtomicUsize::new(0) })
    }

    /// Changes whenever a rotation becomes tentative or ceases to be. 0 if there was none yet.
    pub(crate) fn changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed) // Relaxed: as above.
    }

    /// The new id of a rotation of this id that is still tentative.
    pub(crate) fn successor(&self, old: &Key) -> Option<Key> {
        self.successors.read(old, false, Moment::TIMELESS, |entry| *entry.payload()).ok()
    }
}

/// An announced rotation. Dropping this makes the rotation final.
pub(crate) struct Announced {
    tentative: Arc<Tentative>,
    old: Key,
    /// 1 once the entry has been removed. Another rotation of the id may have an entry of its own then.
    removed: AtomicUsize,
}

impl Announced {
    /// Removes the entry.
    pub(crate) fn remove(&self) {
        // Relaxed: only tells which call removes the entry.
        if self.removed.swap(1, Ordering::Relaxed) == 0 {
            self.tentative.changes.fetch_add(1, Ordering::Relaxed); // Relaxed: as above.
            self.tentative.successors.remove(&self.old, Moment::TIMELESS);
        }
    }

    /// Whether the rotation is still tentative.
    pub(crate) fn is_open(&self) -> bool {
        self.removed.load(Ordering::Relaxed) == 0 // Relaxed: as above.
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.remove();
    }
}
