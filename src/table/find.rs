//! Searches: the reader's, which changes nothing, and the writer's, which tidies up what it meets.
//!
//! Both go through the current array, then the one it is being left for, and so on until there is no next. What is in none of them
//! was not there at the instant at which the last `next` was loaded as null.

use super::Absence;
use super::array::Array;
use super::visit::{Judgement, Target, Visit};
use super::word::{Slot, Word};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Payload};
use crate::expiry::Tick;
use crate::sync::{planted, step};

/// Where a session's live version sits: in a slot that is not frozen, in an array whose predecessor is settled for its key.
pub(super) struct Found<'g, P> {
    pub(super) slot: &'g Slot,
    pub(super) word: Word,
    pub(super) entry: EntryRef<'g, P>,
    pub(super) stamp: Tick,
}

/// Why there is no live version under a key.
pub(super) enum NotHere<'g, P> {
    Absent(Absence),
    /// The session has gone on under the key that this leads to.
    Forward(EntryRef<'g, P>),
}

impl<P> From<NotHere<'_, P>> for Absence {
    fn from(why: NotHere<'_, P>) -> Self {
        match why {
            NotHere::Absent(absence) => absence,
            NotHere::Forward(_) => Self::Unknown,
        }
    }
}

impl<'g, P: Payload> Visit<'g, P> {
    /// The first entry that bears the key: a version of its session, perhaps superseded, or the remains of it.
    ///
    /// A dead one may stop the search, for whoever inserts a key again removes the dead entry that bore it first.
    #[inline(always)]
    pub(super) fn find(&self, target: Target<'_>) -> Option<EntryRef<'g, P>> {
        let mut array = self.shard.current(self.guard);
        for generation in 0_usize.. {
            if generation == 2 && planted("two-generations-followed") {
                return None;
            }
            let early = if planted("next-read-before-the-probe") { Some(array.next(self.guard)) } else { None };
            for slot in array.probe(target.hash) {
                let word = slot.load();
                step("slot read");
                if let Some(entry) = self.bearing(word, target) {
                    return Some(entry);
                }
                if word.is_empty() {
                    break;
                }
            }
            if planted("next-not-read") {
                return None;
            }
            step("array read");
            array = early.unwrap_or_else(|| array.next(self.guard))?;
        }
        None
    }

    /// The live version of the session with this key. An expired session is dead, and out of the table, when this returns.
    #[inline(always)]
    pub(super) fn live_version(&self, target: Target<'_>, touch: bool) -> Result<EntryRef<'g, P>, NotHere<'g, P>> {
        let mut version = self.find(target).ok_or(NotHere::Absent(Absence::Unknown))?;
        step("found");
        loop {
            match version.life().load() {
                Life::Dead | Life::Pending => return Err(NotHere::Absent(Absence::Unknown)),
                Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                Life::Live(stamp) => match self.judge(version, stamp) {
                    Judgement::Live if !touch || self.touch(version, stamp) => return Ok(version),
                    Judgement::Live | Judgement::Changed => {}
                    // Its stamp says when the session was used last before the rotation: it stays.
                    Judgement::Forward => return Err(NotHere::Forward(version)),
                    Judgement::Revoked => return Err(NotHere::Absent(Absence::Unknown)),
                    Judgement::Expired => {
                        (*self).take_out(target);
                        let absence = if version.is_forward() { Absence::Unknown } else { Absence::Expired };
                        return Err(NotHere::Absent(absence));
                    }
                },
            }
        }
    }

    /// Whether there is a session of this very key, or one that is about to be.
    pub(super) fn holds(&self, target: Target<'_>) -> bool {
        let mut version = self.find(target);
        while let Some(found) = version {
            match found.life().load() {
                Life::Pending => return true,
                Life::Dead => return false,
                Life::Superseded => version = found.successor(),
                Life::Live(stamp) => match self.judge(found, stamp) {
                    Judgement::Live => return true,
                    Judgement::Forward | Judgement::Expired | Judgement::Revoked => return false,
                    Judgement::Changed => {}
                },
            }
        }
        false
    }

    /// Takes what has ended of the session with this key out of the table.
    #[cold]
    fn take_out(self, target: Target<'_>) {
        self.locate(target);
    }

    /// Moves the stamp that was seen up to now, if it is not there yet. False if the life word has changed.
    #[inline]
    pub(super) fn touch(&self, version: EntryRef<'g, P>, stamp: Tick) -> bool {
        let now = self.moment.now();
        step("judged");
        stamp >= now || version.life().touch(stamp, now).is_ok()
    }

    /// The slot of the live version of the session with this key; on the way, entries of that key that have ended are taken out.
    pub(super) fn locate(&self, target: Target<'_>) -> Option<Found<'g, P>> {
        let mut array = self.shard.current(self.guard);
        let mut previous = None;
        loop {
            'probe: for slot in array.probe(target.hash) {
                loop {
                    let word = slot.load();
                    if word.is_empty() {
                        break 'probe;
                    }
                    let Some(entry) = self.bearing(word, target) else { break };
                    step("bears the key");
                    if word.is_frozen() {
                        if !planted("frozen-match-left-to-others") {
                            self.finish_copy(array, slot, word, target.hash);
                        }
                        break;
                    }
                    if let Some(previous) = previous {
                        self.settle(previous, target);
                        step("settled");
                    }
                    match entry.life().load() {
                        Life::Live(stamp) => {
                            step("located");
                            return Some(Found { slot, word, entry, stamp });
                        }
                        Life::Pending => return None,
                        Life::Superseded if planted("superseded-left-in-its-slot") => {
                            return self.followed(slot, word, entry);
                        }
                        Life::Dead | Life::Superseded => self.clear(slot, word, entry),
                    };
                }
            }
            step("array searched");
            previous = Some(array);
            array = array.next(self.guard)?;
        }
    }

    /// What [`locate`](Self::locate) must not do: to follow a superseded version without putting its successor into the slot.
    #[cold]
    fn followed(&self, slot: &'g Slot, word: Word, entry: EntryRef<'g, P>) -> Option<Found<'g, P>> {
        let mut version = entry;
        loop {
            match version.life().load() {
                Life::Live(stamp) => return Some(Found { slot, word, entry: version, stamp }),
                Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                Life::Dead | Life::Pending => return None,
            }
        }
    }

    /// Takes a version that has ended out of the slot in which it was found, wherever it has been moved since.
    pub(super) fn clean_up(&self, found: &Found<'g, P>, target: Target<'_>) {
        if !self.clear(found.slot, found.word, found.entry) {
            self.locate(target);
        }
    }

    /// Finishes what is left of moving entries of this key out of an array: to be called between seeing such an entry in the next
    /// array and changing it there.
    ///
    /// Otherwise a thread suspended in the middle of copying the entry could put it into the next array once more.
    pub(super) fn settle(&self, array: &'g Array, target: Target<'_>) {
        if planted("writer-skips-the-old-array") {
            return;
        }
        for slot in array.probe(target.hash) {
            let word = slot.load();
            if word.is_empty() {
                return;
            }
            if word.is_frozen() && self.bearing(word, target).is_some() {
                self.finish_copy(array, slot, word, target.hash);
            }
        }
    }
}
