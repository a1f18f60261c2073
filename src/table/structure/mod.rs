//! The data structure that the operations work on.
//!
//! | file | what it has |
//! |---|---|
//! | `zeroed` | memory that is zero at first |
//! | `probe` | the slots in which a key may be, and their order |
//! | `slot` | the slot word and its transitions |
//! | `tags` | for each slot a byte of its key's hash |
//! | `array` | one generation of a shard's slots, and the reservation of slots |
//! | `counters` | counts of what has happened in a shard |
//! | `shard` | the current array of a shard, and its counters |
//! | `budget` | the bytes that sessions take, and the limit |
//! | `population` | the number of sessions, and the limit |

#[allow(unsafe_code, reason = "an array owns raw memory and the arrays after it")]
pub(crate) mod array;
pub(crate) mod budget;
pub(crate) mod counters;
pub(crate) mod population;
pub(crate) mod probe;
#[allow(unsafe_code, reason = "it owns its current array by pointer")]
pub(crate) mod shard;
#[allow(unsafe_code, reason = "a slot word holds a pointer")]
pub(crate) mod slot;
#[allow(unsafe_code, reason = "an array makes its tags of zeroed memory")]
pub(crate) mod tags;
#[allow(unsafe_code, reason = "it owns raw memory")]
pub(crate) mod zeroed;
