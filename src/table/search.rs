//! The writer's search: from a key to the slot of its live version.
//!
//! It goes through the arrays as a look-up does ([`read`](super::ops::read)). Unlike a look-up, it clears ended entries
//! of its key and, during a migration, finishes moving its key's entry.

use super::pinned::{Pinned, Target};
use super::structure::array::Array;
use super::structure::slot::{Slot, Word};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Payload};
use crate::expiry::Tick;
use crate::sync::step;

/// Why there is no such session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// There is no session with this key.
    Unknown,
    /// The session had expired, and has been removed by this call.
    Expired,
}

/// The place of a session's live version: a slot that is not frozen, in an array into which all moves of the key are
/// finished.
pub(super) struct Found<'g, P> {
    pub(super) slot: &'g Slot,
    pub(super) word: Word,
    pub(super) entry: EntryRef<'g, P>,
    pub(super) stamp: Tick,
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// The slot of the live version of the session with this key. Clears ended entries of the key on the way.
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
                    let Some(entry) = self.entry_with_key(word, target) else { break };
                    step("has the key");
                    if word.is_frozen() {
                        self.finish_copy(array, slot, word, target.hash);
                        break;
                    }
                    if let Some(previous) = previous {
                        self.finish_moves_of(previous, target);
                        step("moves finished");
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

    /// Clears the slot of a version that has ended, wherever the version has been moved since.
    pub(super) fn clear_found(&self, found: &Found<'g, P>, target: Target<'_>) {
        if !self.clear(found.slot, found.word, found.entry) {
            self.locate(target);
        }
    }

    /// Finishes all moves of entries of this key out of an array. To be called after an entry of the key is seen in the
    /// next array and before it is changed there.
    ///
    /// Otherwise a thread that was suspended while it copied the entry could put the entry into the next array again.
    pub(super) fn finish_moves_of(&self, array: &'g Array, target: Target<'_>) {
        for slot in array.probe(target.hash) {
            let word = slot.load();
            if word.is_empty() {
                return;
            }
            if word.is_frozen() && self.entry_with_key(word, target).is_some() {
                self.finish_copy(array, slot, word, target.hash);
            }
        }
    }
}
