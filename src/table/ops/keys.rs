//! Which sessions there are.
//!
//! A pass over a shard's slots writes down keys, and nothing else: whoever asked for them looks the sessions up one by one afterwards, by
//! the ordinary ways, not pinned in between.
//!
//! The pass goes through the current array, then through the one that it is being left for, and so on until there is no next. A session
//! that is there throughout is met in its old place or its new one, or in both, of which one is dropped: an entry leaves an array only when its copy is in the
//! next one, and `next` is loaded after the array's last slot.

use crate::entry::life::Life;
use crate::entry::{Key, Payload};
use crate::memory;
use crate::sync::step;
use crate::table::Table;

impl<P: Payload> Table<P> {
    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Puts the keys of a shard's sessions into `keys`, in place of what is there: each once.
    ///
    /// Lock-free. A session that is there throughout is among them; one that comes or ends meanwhile may be.
    pub(crate) fn keys(&self, shard: usize, keys: &mut Vec<Key>) {
        let shard = &self.shards[shard];
        keys.clear();
        keys.reserve(shard.occupied());
        let guard = memory::pin();
        let mut array = shard.current(&guard);
        let mut arrays = 1;
        loop {
            for index in 0..array.capacity() {
                let word = array.slot(index).load();
                if word.holds_entry() {
                    // SAFETY: loaded under the guard, from a slot of this table, whose entries are all of `P`.
                    let entry = unsafe { word.entry_ref::<P>(&guard) };
                    if !matches!(entry.life().load(), Life::Dead | Life::Pending) && !entry.is_forward() {
                        keys.push(*entry.key());
                    }
                }
            }
            step("array noted");
            let Some(next) = array.next(&guard) else { break };
            array = next;
            arrays += 1;
        }
        drop(guard);
        if arrays > 1 {
            keys.sort_unstable();
            keys.dedup();
        }
    }
}
