//! One pinned thread at work on one shard, at one moment.
//!
//! The steps of the operations are methods of [`Pinned`], each in the file of its operation ([`ops`](super::ops)). Here
//! are the steps that the operations share: judging, touching and ending a version, and clearing the slot of an ended
//! version.

use super::removals::Removals;
use super::structure::probe::Hash;
use super::structure::shard::Shard;
use super::structure::slot::{Slot, Word};
use super::{KeyHasher, Table};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Payload};
use crate::expiry::{Expiry, Moment, Tick, Verdict};
use crate::memory::Guard;
use crate::sync::step;
use crate::table::RemovalCause;
use constant_time_eq::constant_time_eq_32;

/// The key that a search looks for, and its hash.
#[derive(Clone, Copy)]
pub(super) struct Target<'k> {
    pub(super) key: &'k Key,
    pub(super) hash: Hash,
}

impl<'k> Target<'k> {
    #[inline]
    pub(super) fn new(hasher: &KeyHasher, key: &'k Key) -> Self {
        Self { key, hash: Hash(hasher.hash(key)) }
    }
}

/// One pinned thread at work on one shard, at one moment.
///
/// A reader keeps it in registers. So a function that is called out of line takes it by value.
pub(super) struct Pinned<'g, P: Payload> {
    pub(super) table: &'g Table<P>,
    pub(super) shard: &'g Shard,
    pub(super) moment: Moment<'g>,
    pub(super) guard: &'g Guard,
    pub(super) removals: &'g Removals<'g>,
}

impl<P: Payload> Clone for Pinned<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P: Payload> Copy for Pinned<'_, P> {}

/// The outcome of judging a version that was seen live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is the session's live version.
    Live,
    /// It is a forward that has not expired.
    Forward,
    /// It is a reservation that has not expired.
    Reserved,
    /// It had expired, and this thread has ended it.
    Expired,
    /// It ended together with other sessions: those of its principal, or all of the store. Any thread may clear it.
    Revoked,
    /// Its life word has changed. The caller has to look again.
    Changed,
}

impl<'g, P: Payload> Pinned<'g, P> {
    pub(super) fn target<'k>(&self, key: &'k Key) -> Target<'k> {
        Target::new(&self.table.hasher, key)
    }

    /// The same thread at work on the shard of another key.
    pub(super) fn at(&self, target: Target<'_>) -> Self {
        Self { shard: self.table.shard(target.hash), ..*self }
    }

    /// The entry of a word that was loaded under this guard and holds an entry.
    #[inline]
    pub(super) fn entry(&self, word: Word) -> EntryRef<'g, P> {
        // SAFETY: loaded under this guard from a slot of this table, whose entries are all of `P`.
        unsafe { word.entry_ref(self.guard) }
    }

    /// The entry of a word, if it has the key of the search.
    #[inline]
    pub(super) fn entry_with_key(&self, word: Word, target: Target<'_>) -> Option<EntryRef<'g, P>> {
        if !word.matches(target.hash) {
            return None;
        }
        let entry = self.entry(word);
        entry.prefetch_rest();
        constant_time_eq_32(entry.key(), target.key).then_some(entry)
    }

    /// Judges a version that was seen live with this stamp. An expired version is dead when this returns.
    #[inline(always)]
    pub(super) fn judge(&self, version: EntryRef<'g, P>, stamp: Tick) -> Judgement {
        if !version.has_common_terms() {
            return (*self).judge_with_overrides(version, stamp);
        }
        if self.moment.finds_live(stamp, None) { Judgement::Live } else { (*self).judge_afresh(version, stamp) }
    }

    /// Moves the stamp up to now, unless it is there already. False if the life word has changed.
    #[inline]
    pub(super) fn touch(&self, version: EntryRef<'g, P>, stamp: Tick) -> bool {
        let now = self.moment.now();
        step("judged");
        stamp >= now || version.life().touch(stamp, now).is_ok()
    }

    /// By value, so that the caller can keep `self` in registers.
    #[inline(never)]
    fn judge_with_overrides(self, version: EntryRef<'g, P>, stamp: Tick) -> Judgement {
        let live = self.moment.finds_live(stamp, version.limits()) && !self.is_revoked(version);
        if live { judgement_of_live(version) } else { self.judge_afresh(version, stamp) }
    }

    #[inline]
    fn is_revoked(&self, version: EntryRef<'g, P>) -> bool {
        // SAFETY: the version was seen live under this guard.
        unsafe { version.is_revoked(self.guard) }
    }

    /// By value, as above.
    #[cold]
    fn judge_afresh(self, version: EntryRef<'g, P>, stamp: Tick) -> Judgement {
        if self.is_revoked(version) {
            return Judgement::Revoked;
        }
        match self.moment.judge(stamp, version.limits()) {
            Verdict::Live => judgement_of_live(version),
            Verdict::Expired(Expiry::Idle) if self.is_held(version, stamp) => {
                // Of the era that was judged: if all sessions end meanwhile, this one ends with them.
                let fresh = self.moment.afresh().in_era_of(stamp);
                if fresh > stamp {
                    // Whether this call or another thread's moved it, the stamp has changed.
                    let _ = version.life().touch(stamp, fresh);
                }
                Judgement::Changed
            }
            Verdict::Expired(Expiry::Era) => Judgement::Revoked,
            Verdict::Expired(limit) => {
                step("found expired");
                if version.is_forward() {
                    self.activate_target(version, stamp);
                }
                if self.kill(version, stamp, limit.into()) { Judgement::Expired } else { Judgement::Changed }
            }
            Verdict::Ahead(fresh) => {
                step("found ahead");
                // Whether this call or another thread's moved it, the stamp has changed.
                let _ = version.life().bring_back(stamp, fresh);
                Judgement::Changed
            }
        }
    }

    /// Whether a session that would expire for being idle is held in use, and was still live when it was held first.
    #[cold]
    fn is_held(&self, version: EntryRef<'g, P>, stamp: Tick) -> bool {
        let idle = self.moment.idle(version.limits());
        self.table.held_since(version.key()).is_some_and(|since| since.get().saturating_sub(stamp.get()) <= idle)
    }

    /// Touches a session that would be ended to make room, if it is held in use and its stamp is older than now. True
    /// if it was; another session has to end.
    #[cold]
    pub(super) fn spare_if_held(&self, version: EntryRef<'g, P>, stamp: Tick) -> bool {
        let spared = stamp < self.moment.now() && self.table.held_since(version.key()).is_some();
        if spared {
            // Whether this call or another thread's moved it, the stamp has changed.
            let _ = version.life().touch(stamp, self.moment.now());
        }
        spared
    }

    /// The cause for which a version ended that was judged revoked.
    pub(super) fn cause_of_revoked(&self, version: EntryRef<'g, P>) -> RemovalCause {
        if self.is_revoked(version) { RemovalCause::Principal } else { RemovalCause::EndAll }
    }

    /// Ends the session whose live version has this stamp. True if this call did it.
    ///
    /// Neither a forward nor a reservation is a session: it has no place below the limit, and its end is not reported.
    pub(super) fn kill(&self, version: EntryRef<'g, P>, stamp: Tick, cause: RemovalCause) -> bool {
        let killed = self.kill_keeping_the_place(version, stamp, cause);
        if killed && version.is_session() {
            self.table.population.leave(self.shard.sessions(), || version.charge());
            step("place given back");
        }
        killed
    }

    /// The same, but the session's place stays taken, for the caller to take over.
    pub(super) fn kill_keeping_the_place(&self, version: EntryRef<'g, P>, stamp: Tick, cause: RemovalCause) -> bool {
        let killed = version.life().kill(stamp).is_ok();
        if killed {
            step("killed");
            if version.is_session() {
                self.shard.counters().removed(cause);
                self.removals.note(version, cause, cause == RemovalCause::Rotated, self.guard);
                self.end_forward_to(version);
            } else if !version.is_forward() && !version.is_bar() {
                self.table.population.reservation_ended();
            }
        }
        killed
    }

    /// Clears the slot of an ended entry: replaces a superseded entry by its successor and removes a dead one. False if
    /// the entry has not ended, or if the slot had changed. All moves of the key out of the previous array must have
    /// been finished ([`finish_moves_of`](Self::finish_moves_of)).
    pub(super) fn clear(&self, slot: &Slot, word: Word, entry: EntryRef<'g, P>) -> bool {
        match entry.life().load() {
            Life::Pending | Life::Live(_) => false,
            Life::Dead => {
                step("to be removed");
                let removed = slot.remove(word);
                if removed {
                    self.retire_cleared(entry);
                }
                removed
            }
            Life::Superseded => {
                let successor = entry.successor().expect("a superseded version has a successor");
                step("to be replaced");
                let replaced = !word.is_frozen() && slot.replace(word, word.with_entry(successor.pointer()));
                step("replaced");
                if replaced {
                    let size = entry.size();
                    self.shard.counters().resized(size, successor.size());
                    // SAFETY: superseded, in no slot, all moves finished; only the winner of the exchange gets here.
                    unsafe { entry.retire(size, self.guard) }
                }
                replaced
            }
        }
    }

    /// Retires a dead entry that this thread has just removed from its slot.
    pub(super) fn retire_cleared(&self, entry: EntryRef<'g, P>) {
        step("removed");
        let size = entry.size();
        self.shard.counters().resized(size, 0);
        // SAFETY: dead, in no slot, all moves finished; only the winner of the exchange gets here.
        unsafe { entry.retire(size, self.guard) }
        step("retired");
        self.shard.count_out();
    }
}

/// The judgement of a version that is within its limits.
#[inline]
fn judgement_of_live<P: Payload>(version: EntryRef<'_, P>) -> Judgement {
    if version.is_session() {
        Judgement::Live
    } else if version.is_forward() {
        Judgement::Forward
    } else {
        Judgement::Reserved
    }
}
