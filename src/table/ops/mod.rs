//! The operations of the table, one file each. A file has the method of [`Table`](super::Table)
//! and the steps of its operation, which are methods of [`Pinned`](super::pinned::Pinned).
//!
//! | file | what it does |
//! |---|---|
//! | `read` | looks a session up |
//! | `insert` | adds a session |
//! | `update` | replaces the live version of a session |
//! | `remove` | ends a session |
//! | `rotate`, `forward` | give a session another key; follow its former key |
//! | `reserve` | reserves a key for a session that is fetched from elsewhere |
//! | `revoke` | reclaims sessions that were ended together with their principal's other sessions |
//! | `sweep`, `round` | end expired sessions, at once or in small pieces shared among threads |
//! | `room` | ends a session to make room in a full table |
//! | `keys` | lists the keys of a shard |

mod forward;
mod insert;
#[allow(unsafe_code, reason = "it dereferences slots")]
mod keys;
#[allow(unsafe_code, reason = "it reads the account that a binding points to")]
pub(super) mod read;
mod remove;
mod reserve;
mod revoke;
mod room;
#[allow(unsafe_code, reason = "it shares an entry that it has just inserted")]
mod rotate;
mod round;
mod sweep;
#[allow(unsafe_code, reason = "it retires replaced entries")]
mod update;

pub(crate) use reserve::Taken;
#[cfg(all(test, not(loom)))]
pub(in crate::table) use room::SAMPLE;
pub(crate) use room::{Room, Whose};
pub(crate) use rotate::Former;
pub(crate) use round::Part;
pub(super) use round::Round;
#[cfg(all(test, not(loom)))]
pub(in crate::table) use sweep::SPAN;
pub(crate) use update::{Change, Refusal, Unlimited};
