//! Extra operations for the models: arrays of a given size, single steps of a migration, operations that are abandoned
//! half-way, and checks that hold when no operation is under way. Compiled under loom only.

use super::Table;
use super::pinned::Pinned;
use super::structure::array::Array;
use super::structure::shard::Shard;
use super::structure::slot::Word;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::expiry::Moment;
use crate::memory::Guard;
use crate::table::RemovalCause;

impl<P: Payload> Table<P> {
    /// A table of one shard whose first array has this capacity.
    pub(crate) fn of_capacity(capacity: usize, limit: usize) -> Self {
        let mut table = Self::new(1, limit);
        table.shards = Box::new([Shard::new(Box::new(Array::new(capacity, 0)))]);
        table
    }

    fn inspect<R>(&self, f: impl FnOnce(&Pinned<'_, P>, &Guard) -> R) -> R {
        self.pin_to(&self.shards[0], Moment::TIMELESS, |pinned| f(&pinned, pinned.guard))
    }

    /// Begins and finishes a migration.
    pub(crate) fn migrate(&self) {
        self.inspect(|pinned, guard| {
            let array = pinned.shard.current(guard);
            pinned.begin(array);
            pinned.finish(array);
        });
    }

    /// Begins a migration.
    pub(crate) fn begin(&self) {
        self.inspect(|pinned, guard| {
            pinned.begin(pinned.shard.current(guard));
        });
    }

    /// Migrates one slot of the current array, if a migration is under way.
    pub(crate) fn leave(&self, index: usize) {
        self.inspect(|pinned, guard| {
            let array = pinned.shard.current(guard);
            if array.next(guard).is_some() && index < array.capacity() {
                pinned.migrate_slot(array, array.slot(index));
            }
        });
    }

    /// Freezes one slot of the current array, if a migration is under way, and stops there.
    pub(crate) fn freeze(&self, index: usize) {
        self.inspect(|pinned, guard| {
            let array = pinned.shard.current(guard);
            let slot = array.slot(index);
            let word = slot.load();
            if array.next(guard).is_some() && !word.is_frozen() {
                slot.freeze(word);
            }
        });
    }

    /// Copies a frozen slot's entry and stops before the slot is ended.
    pub(crate) fn copy_only(&self, index: usize) {
        self.inspect(|pinned, guard| {
            let array = pinned.shard.current(guard);
            let (slot, next) = (array.slot(index), array.next(guard));
            let word = slot.load();
            if let Some(next) = next
                && word.is_frozen()
                && word.holds_entry()
            {
                pinned.copy(next, slot, word, pinned.target(pinned.entry(word).key()).hash);
            }
        });
    }

    /// Ends a session and stops before its slot is cleared.
    pub(crate) fn kill_only(&self, key: &Key) -> bool {
        self.inspect(|pinned, _| {
            let found = pinned.locate(pinned.target(key));
            found.is_some_and(|found| pinned.kill(found.entry, found.stamp, RemovalCause::Deleted))
        })
    }

    /// Ends a session, gives its place back, and stops before ending its forward and clearing its slot.
    pub(crate) fn die_only(&self, key: &Key) -> bool {
        self.inspect(|pinned, _| {
            let found = pinned.locate(pinned.target(key));
            let died = found.as_ref().is_some_and(|found| found.entry.life().kill(found.stamp).is_ok());
            if died {
                let charge = || found.as_ref().map_or(0, |found| found.entry.charge());
                self.population.leave(pinned.shard.sessions(), charge);
            }
            died
        })
    }

    /// Sets the successor of a session's live version and stops before the version is superseded.
    pub(crate) fn succeed_only(&self, key: &Key, build: impl FnOnce(EntryRef<'_, P>) -> Owned<P>) -> bool {
        self.inspect(|pinned, _| {
            let found = pinned.locate(pinned.target(key));
            found.is_some_and(|found| {
                found.entry.successor().is_none() && found.entry.succeed(build(found.entry)).is_ok()
            })
        })
    }

    /// Sets the successor of a session's live version, supersedes that, and stops before its slot is cleared.
    pub(crate) fn supersede_only(&self, key: &Key, build: impl FnOnce(EntryRef<'_, P>) -> Owned<P>) -> bool {
        self.inspect(|pinned, _| {
            let Some(found) = pinned.locate(pinned.target(key)) else { return false };
            let set = found.entry.successor().is_none() && found.entry.succeed(build(found.entry)).is_ok();
            set && pinned.supersede(found.entry, found.entry.successor().expect("it is set"))
        })
    }

    /// Whether a slot holds an entry with this key, dead or not.
    pub(crate) fn holds_entry(&self, key: &Key) -> bool {
        self.inspect(|pinned, _| pinned.find(pinned.target(key)).is_some())
    }

    /// Asserts what holds when no operation is under way and none was abandoned.
    pub(crate) fn check_at_rest(&self) {
        self.inspect(|pinned, guard| {
            let (mut array, mut held, mut live, mut bytes) = (pinned.shard.current(guard), Vec::new(), 0, 0);
            loop {
                let next = array.next(guard);
                assert!(used(array) <= array.reserved(), "more slots filled than reserved");
                for word in
                    (0..array.capacity()).map(|index| array.slot(index).load()).filter(|word| word.holds_entry())
                {
                    let copied = word.is_frozen() && next.is_some_and(|next| holds(next, word));
                    if copied {
                        continue;
                    }
                    let entry = pinned.entry(word);
                    assert!(!held.contains(&entry.pointer()), "an entry in two slots");
                    held.push(entry.pointer());
                    if let Some(version) = live_version(entry) {
                        live += 1;
                        bytes += version.charge();
                    }
                    let ended = matches!(entry.life().load(), Life::Dead | Life::Superseded);
                    assert!(word.is_frozen() || !ended, "an entry that has ended is left in its slot");
                }
                match next {
                    Some(next) => array = next,
                    None => break,
                }
            }
            assert_eq!(pinned.shard.occupied(), held.len(), "entries counted and entries in slots");
            assert_eq!(self.len(), live, "sessions counted and sessions live");
            let counted = if self.limits_bytes() { bytes } else { 0 };
            assert_eq!(self.bytes_taken(), counted, "bytes counted and bytes of live versions");
        });
    }
}

fn used(array: &Array) -> usize {
    (0..array.capacity()).filter(|&index| !array.slot(index).load().is_empty()).count()
}

fn holds(array: &Array, word: Word) -> bool {
    (0..array.capacity()).any(|index| array.slot(index).load().same_entry(word))
}

fn live_version<P: Payload>(mut version: EntryRef<'_, P>) -> Option<EntryRef<'_, P>> {
    loop {
        match version.life().load() {
            Life::Live(_) => return Some(version).filter(|version| version.is_session()),
            Life::Dead | Life::Pending => return None,
            Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
        }
    }
}
