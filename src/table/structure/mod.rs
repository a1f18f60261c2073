//! The data structure that the operations work on.
//!
//! | file | what it has |
//! |---|---|
//! | `probe` | the slots in which a key may be, and their order |
//! | `slot` | the slot word and its transitions |
//! | `array` | one generation of a shard's slots, and the reservation of slots |
//! | `counters` | counts of what has happened in a shard |
//! | `shard` | the current array of a shard, and its counters |
//! | `population` | the number of sessions, and the limit |

pub(crate) mod array;
pub(crate) mod counters;
pub(crate) mod population;
pub(crate) mod probe;
pub(crate) mod shard;
pub(crate) mod slot;
