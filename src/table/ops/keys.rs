//! Listing the keys of a shard.
//!
//! A pass over a shard's slots collects keys, and nothing else. The caller then looks the sessions up one by one, and
//! is not pinned in between.
//!
//! The pass goes through the current array, then the next one, and so on until there is no next array. It meets a
//! session that is there throughout in its old slot or its new one, because an entry leaves an array only after its
//! copy is in the next one, and `next` is loaded after the array's last slot. Of a key that it meets twice, one is
//! dropped.

use crate::entry::life::Life;
use crate::entry::{Key, Payload};
use crate::memory;
use crate::sync::step;
use crate::table::Table;

impl<P: Payload> Table<P> {
    /// The number of shards.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Replaces the content of `keys` by the keys of a shard's sessions, each once.
    ///
    /// Lock-free. A session that is there throughout is listed; one that is inserted or ends meanwhile may be.
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
