//! The writer's search: from a key to the slot of its live version.
//!
//! It goes through the arrays as a look-up does ([`read`](super::ops::read)). Unlike a look-up, it removes ended entries of
//! its key, and finishes moving an entry of its key out of an array that is being left.

use super::pinned::{Pinned, Target};
use super::structure::array::Array;
use super::structure::slot::{Slot, Word};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Payload};
use crate::expiry::Tick;
use crate::sync::step;

/// Why a session is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// There is none with this key.
    Unknown,
    /// There was, but it had expired, and is removed now.
    Expired,
}

/// Where a session's live version sits: in a slot that is not frozen, in an array whose predecessor is settled for its key.
pub(super) struct Found<'g, P> {
    pub(super) slot: &'g Slot,
    pub(super) word: Word,
    pub(super) entry: EntryRef<'g, P>,
    pub(super) stamp: Tick,
}

impl<'g, P: Payload> Pinned<'g, P> {
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
                        self.finish_copy(array, slot, word, target.hash);
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
                        Life::Dead | Life::Superseded => self.clear(slot, word, entry),
                    };
                }
            }
            step("array searched");
            previous = Some(array);
            array = array.next(self.guard)?;
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
