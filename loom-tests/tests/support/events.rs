//! Why a session has ended, of all the events of a store.

#[path = "../../../src/events/removal.rs"]
mod removal;

pub(crate) use removal::RemovalCause;
