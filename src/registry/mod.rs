//! What the store knows of ids besides their sessions, in small tables of the same kind as the table of sessions.
//!
//! | file | what it knows |
//! |---|---|
//! | `replaced` | ids that were replaced or logged out a short while ago |
//! | `tentative` | rotations that may still be taken back |
//! | `holds` | sessions that are held in use |
//!
//! The tables are empty in a store that uses none of this. No look-up of a live session reads them.

pub(crate) mod holds;
pub(crate) mod replaced;
pub(crate) mod tentative;

/// The most shards of such a table. An empty shard takes two kilobytes, and these tables are seldom written.
const MOST_SHARDS: usize = 8;
