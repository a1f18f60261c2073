//! Forwards: following the key that a session had before it was rotated with grace.
//!
//! A forward is no session: it holds no place, is listed nowhere, and is not changed. It leads to the one key under which the session
//! went on. If that key is left in turn, the forward leads nowhere from that instant: no look-up follows more than one. So a session has one
//! forward at most, which is removed with it, or by its next rotation. One that a suspended thread has left is removed when its time is over,
//! or by an insert of its key.
//!
//! A rotation takes effect when the forward replaces the session's version under the old key. At that instant the version under the new key
//! is still pending. Every thread that follows the forward, or ends it, activates that version first, with the stamp of the
//! forward: the tick in which the session was used last before the rotation.

use super::remove::Removal;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Payload};
use crate::events::RemovalCause;
use crate::expiry::Tick;
use crate::sync::step;
use crate::table::pinned::Pinned;
use crate::table::search::Absence;

impl<'g, P: Payload> Pinned<'g, P> {
    /// The live version that a forward leads to, which was seen live in this visit. By value, so that a reader's visit need not lie in memory.
    #[cold]
    pub(in crate::table) fn follow(self, forward: EntryRef<'g, P>, touch: bool) -> Result<EntryRef<'g, P>, Absence> {
        let key = self.target_of(forward);
        let target = self.target(&key);
        // A forward that is found there leads nowhere from here: the session has been rotated once more.
        self.at(target).live_version(target, touch).map_err(Absence::from)
    }

    /// Ends the session that a forward leads to.
    #[cold]
    pub(in crate::table) fn remove_target(&self, forward: EntryRef<'g, P>) -> Removal<'g, P> {
        let key = self.target_of(forward);
        let target = self.target(&key);
        let there = self.at(target);
        let removal = there.remove(target);
        there.maintain();
        removal
    }

    /// The key that a forward leads to, with a session that is active.
    fn target_of(&self, forward: EntryRef<'g, P>) -> Key {
        if let Life::Live(stamp) = forward.life().load() {
            self.activate_target(forward, stamp);
        }
        // If it has ended meanwhile, its target was activated before.
        forward.forward().expect("a forward leads somewhere")
    }

    /// Activates the version that a forward of this stamp leads to, if it is still pending.
    pub(in crate::table) fn activate_target(&self, forward: EntryRef<'g, P>, stamp: Tick) {
        let key = forward.forward().expect("a forward leads somewhere");
        let target = self.target(&key);
        let mut version = self.at(target).find(target);
        while let Some(found) = version {
            match found.life().load() {
                Life::Pending if found.life().activate(stamp) => {
                    step("activated");
                    return;
                }
                Life::Pending => {}
                Life::Superseded => version = found.successor(),
                Life::Live(_) | Life::Dead => return,
            }
        }
    }

    /// Ends the forward that leads to a session which has just ended or moved on, if there is one.
    #[inline]
    pub(in crate::table) fn end_forward_to(&self, version: EntryRef<'g, P>) {
        if !version.is_plain()
            && let Some(former) = version.overrides().former
        {
            self.end_forward(&former, version.key());
        }
    }

    #[cold]
    fn end_forward(&self, former: &Key, key: &Key) {
        step("forward to be ended");
        let target = self.target(former);
        let there = self.at(target);
        while let Some(found) = there.locate(target) {
            if found.entry.forward().as_ref() != Some(key) {
                return;
            }
            if found.entry.life().kill(found.stamp).is_ok() {
                there.clean_up(&found, target);
                return;
            }
        }
    }

    /// Ends a forward of this stamp if it leads to no session any more. False if it does.
    #[cold]
    pub(in crate::table) fn end_idle_forward(&self, forward: EntryRef<'g, P>, stamp: Tick) -> bool {
        let idle = self.follow(forward, false).is_err();
        if idle {
            // Won or lost, it is dead.
            let _ = forward.life().kill(stamp);
        }
        idle
    }

    /// The session has just moved on from this version to another key, and its place with it.
    #[cold]
    pub(in crate::table) fn moved_on(&self, old: EntryRef<'g, P>, key: &Key) {
        self.table.take_over(self.shard, key).occupy();
        self.shard.counters().removed(RemovalCause::Rotated);
        self.removals.note(old, RemovalCause::Rotated, self.guard);
        self.end_forward_to(old);
    }
}
