//! A visit: one thread, pinned, at work on one shard, at one moment.
//!
//! The operations are spread over the files of this folder by what they do: [`find`](super::find), [`insert`](super::insert),
//! [`update`](super::update), [`grow`](super::grow), [`sweep`](super::sweep). Here is what they share: judging a version's stamp and taking
//! ended versions out of their slots.

use super::removals::Removals;
use super::structure::probe::Hash;
use super::structure::shard::Shard;
use super::structure::slot::{Slot, Word};
use super::{KeyHasher, Table};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Payload};
use crate::events::RemovalCause;
use crate::expiry::{Moment, Tick, Verdict};
use crate::memory::Guard;
use crate::sync::step;
use constant_time_eq::constant_time_eq_32;

/// What a search is for.
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

/// One thread's visit to one shard.
///
/// A reader keeps one in registers: what it calls out of line takes a copy of its own.
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

/// What came of judging a version that was seen live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is the session's live version, as it was seen.
    Live,
    /// It is a forward whose time is not over, as it was seen.
    Forward,
    /// It had expired, and this thread has ended it.
    Expired,
    /// It has been revoked with other sessions of its principal: it is no session any more, and whoever finds it may clear it away.
    Revoked,
    /// Its life word has changed: look again.
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

    /// The entry of a word that was loaded during this visit and holds one.
    #[inline]
    pub(super) fn entry(&self, word: Word) -> EntryRef<'g, P> {
        // SAFETY: loaded under this visit's guard, from a slot of this table, whose entries are all of `P`.
        unsafe { word.entry_ref(self.guard) }
    }

    /// The entry of a word, if it bears the key that is looked for.
    #[inline]
    pub(super) fn bearing(&self, word: Word, target: Target<'_>) -> Option<EntryRef<'g, P>> {
        if !word.matches(target.hash) {
            return None;
        }
        let entry = self.entry(word);
        entry.prefetch_rest();
        constant_time_eq_32(entry.key(), target.key).then_some(entry)
    }

    /// Judges a version that was seen live with this stamp. An expired one is not merely reported: it is dead when this returns.
    #[inline(always)]
    pub(super) fn judge(&self, version: EntryRef<'g, P>, stamp: Tick) -> Judgement {
        if !version.is_plain() {
            return (*self).judge_with_overrides(version, stamp);
        }
        if self.moment.finds_live(stamp, None) { Judgement::Live } else { (*self).judge_afresh(version, stamp) }
    }

    /// Moves the stamp that was seen up to now, if it is not there yet. False if the life word has changed.
    #[inline]
    pub(super) fn touch(&self, version: EntryRef<'g, P>, stamp: Tick) -> bool {
        let now = self.moment.now();
        step("judged");
        stamp >= now || version.life().touch(stamp, now).is_ok()
    }

    /// By value, so that the visit need not lie in memory before.
    #[inline(never)]
    fn judge_with_overrides(self, version: EntryRef<'g, P>, stamp: Tick) -> Judgement {
        let live = self.moment.finds_live(stamp, version.limits()) && !self.is_revoked(version);
        match live {
            true if version.is_forward() => Judgement::Forward,
            true => Judgement::Live,
            false => self.judge_afresh(version, stamp),
        }
    }

    #[inline]
    fn is_revoked(&self, version: EntryRef<'g, P>) -> bool {
        // SAFETY: a version is judged that was seen live under this guard.
        unsafe { version.is_revoked(self.guard) }
    }

    /// By value, as above.
    #[cold]
    fn judge_afresh(self, version: EntryRef<'g, P>, stamp: Tick) -> Judgement {
        if self.is_revoked(version) {
            return Judgement::Revoked;
        }
        match self.moment.judge(stamp, version.limits()) {
            Verdict::Live if version.is_forward() => Judgement::Forward,
            Verdict::Live => Judgement::Live,
            Verdict::Expired(limit) => {
                step("found expired");
                if version.is_forward() {
                    self.activate_target(version, stamp);
                }
                if self.kill(version, stamp, limit.into()) { Judgement::Expired } else { Judgement::Changed }
            }
            Verdict::Ahead(fresh) => {
                step("found ahead");
                // Won or lost, the stamp is another one now.
                let _ = version.life().bring_back(stamp, fresh);
                Judgement::Changed
            }
        }
    }

    /// Ends the session whose live version bears this stamp. True if this call did it.
    ///
    /// A forward is no session: it holds no place, and nobody is told of its end.
    pub(super) fn kill(&self, version: EntryRef<'g, P>, stamp: Tick, cause: RemovalCause) -> bool {
        let killed = self.kill_keeping_the_place(version, stamp, cause);
        if killed && !version.is_forward() {
            self.table.population.leave(self.shard.sessions());
            step("place given back");
        }
        killed
    }

    /// The same, but the session's place stays taken: for the one that takes it over.
    pub(super) fn kill_keeping_the_place(&self, version: EntryRef<'g, P>, stamp: Tick, cause: RemovalCause) -> bool {
        let killed = version.life().kill(stamp).is_ok();
        if killed {
            step("killed");
            if !version.is_forward() {
                self.shard.counters().removed(cause);
                self.removals.note(version, cause, self.guard);
                self.end_forward_to(version);
            }
        }
        killed
    }

    /// Takes an entry that is not live out of its slot, putting its successor there if it has been superseded. False if the slot
    /// had changed. The predecessor of the slot's array must have been settled for the key.
    pub(super) fn clear(&self, slot: &Slot, word: Word, entry: EntryRef<'g, P>) -> bool {
        match entry.life().load() {
            Life::Pending | Life::Live(_) => false,
            Life::Dead => {
                step("to be buried");
                let buried = slot.bury(word);
                if buried {
                    self.discard(entry);
                }
                buried
            }
            Life::Superseded => {
                let successor = entry.successor().expect("a superseded version has a successor");
                step("to be replaced");
                let replaced = !word.is_frozen() && slot.replace(word, word.with_entry(successor.pointer()));
                step("replaced");
                if replaced {
                    let size = entry.size();
                    self.shard.counters().resized(size, successor.size());
                    // SAFETY: superseded, gone from its slot, its copies settled; the winner of the exchange is the only one here.
                    unsafe { entry.retire(size, self.guard) }
                }
                replaced
            }
        }
    }

    /// Retires a dead entry that this thread has just taken out of its slot for good.
    pub(super) fn discard(&self, entry: EntryRef<'g, P>) {
        step("buried");
        let size = entry.size();
        self.shard.counters().resized(size, 0);
        // SAFETY: dead, gone from its slot, its copies settled; the winner of the exchange is the only one here.
        unsafe { entry.retire(size, self.guard) }
        step("retired");
        self.shard.count_out();
    }
}
