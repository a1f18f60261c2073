//! Forwards: finding a session by the key that it had before it was rotated with grace.
//!
//! A forward is not a session: it has no place below the limit, is not listed, and does not change. It has the key
//! under which the session lives on. A look-up follows one forward only, so a forward ends when its session is rotated
//! again. A session has at most one forward, which is removed with the session or by its next rotation. If the thread
//! that has to remove a forward is suspended, the forward is removed when it expires, or by an insert of its key.
//!
//! A rotation takes effect when the forward replaces the session's version under the old key. At that instant the
//! version under the new key is still pending. Every thread that follows or ends the forward first activates that
//! version, with the stamp of the forward, which is the tick of the session's last use before the rotation.

use super::remove::Removal;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Payload};
use crate::expiry::Tick;
use crate::sync::step;
use crate::table::RemovalCause;
use crate::table::pinned::Pinned;
use crate::table::search::Absence;

impl<'g, P: Payload> Pinned<'g, P> {
    /// The live version of a forward's session. The forward was seen live under this guard. Takes `self` by value, so
    /// that the caller can keep it in registers.
    #[cold]
    pub(in crate::table) fn follow(self, forward: EntryRef<'g, P>, touch: bool) -> Result<EntryRef<'g, P>, Absence> {
        let key = self.target_of(forward);
        let target = self.target(&key);
        // Does not follow a second forward: the session has been rotated again.
        self.at(target).live_version(target, touch).map_err(Absence::from)
    }

    /// Ends the session of a forward.
    #[cold]
    pub(in crate::table) fn remove_target(&self, forward: EntryRef<'g, P>) -> Removal<'g, P> {
        let key = self.target_of(forward);
        let target = self.target(&key);
        let there = self.at(target);
        let removal = there.remove(target);
        there.maintain();
        removal
    }

    /// The key of a forward's session, after the session has been activated.
    fn target_of(&self, forward: EntryRef<'g, P>) -> Key {
        if let Life::Live(stamp) = forward.life().load() {
            self.activate_target(forward, stamp);
        }
        // If the forward has ended meanwhile, its session was activated before.
        forward.forward().expect("a forward has a key")
    }

    /// Activates the session of a forward with this stamp, if the session is still pending.
    pub(in crate::table) fn activate_target(&self, forward: EntryRef<'g, P>, stamp: Tick) {
        let key = forward.forward().expect("a forward has a key");
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

    /// Ends the forward of a session that has just ended or been rotated, if it has one.
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
                there.clear_found(&found, target);
                return;
            }
        }
    }

    /// Ends a forward of this stamp if its session has ended. False if the session is live.
    #[cold]
    pub(in crate::table) fn end_idle_forward(&self, forward: EntryRef<'g, P>, stamp: Tick) -> bool {
        let idle = self.follow(forward, false).is_err();
        if idle {
            // Whether this call or another thread's killed it, it is dead.
            let _ = forward.life().kill(stamp);
        }
        idle
    }

    /// Moves the place of a session that has just been rotated away from this version, and reports the end of the old
    /// key.
    #[cold]
    pub(in crate::table) fn moved_on(&self, old: EntryRef<'g, P>, key: &Key) {
        self.table.take_over(self.shard, key, 0).occupy(); // The bytes are settled by the thread that rotates.
        self.shard.counters().removed(RemovalCause::Rotated);
        self.removals.note(old, RemovalCause::Rotated, self.guard);
        self.end_forward_to(old);
    }
}
