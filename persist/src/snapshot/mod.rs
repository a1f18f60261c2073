//! Plain snapshots: all sessions of a store or a directory in one stream of bytes, for backups and for moves between
//! machines.
//!
//! | function | from | to |
//! |---|---|---|
//! | [`write`](crate::snapshot::write()) | a store, with or without a [`Persistence`](crate::Persistence), while it serves | a snapshot |
//! | [`open`](crate::snapshot::open()), `open_typed` | a snapshot | a store in memory |
//! | [`write_dir`] | a directory that no process holds | a snapshot |
//! | [`restore`] | a snapshot | a directory that no process holds |
//! | [`inspect`](crate::snapshot::inspect()), [`inspect_dir`] | a snapshot, a directory | what is in it, without a secret |
//!
//! **A snapshot revives what has ended since.** It does not know of a logout that came after it: whoever has kept the
//! cookie is logged in again. So take a snapshot when the server has stopped, use it once, and delete it. To restore an
//! older backup after an incident, call [`end_sessions_of`](cloakroom::SessionStore::end_sessions_of) for the users
//! concerned before the server listens. [`restore`] does not touch a directory that has a record of sessions, which may
//! be newer than the snapshot, unless it is told to.
//!
//! # What is in a snapshot
//!
//! Everything that belongs to a session, as in a directory: the SHA-256 of its id instead of the id, so the cookie is
//! not in it; attributes, principal and times in clear, unless [`Options::key`](crate::Options) is set (feature
//! `encrypt`). Old ids that still forward after a rotation with grace are not in it.
//!
//! # Time
//!
//! Deadlines go on while a session is in a snapshot: by the time since the machine's start if it is the same run of the
//! machine (Linux), otherwise by the wall clock, but never backwards. If the wall clock was set back, a session has at
//! most the time that was left when it was read.
//!
//! # Checks
//!
//! A snapshot that is cut off, or of which any byte is altered, is refused. This is noticed at the latest at its end:
//! so [`open`](crate::snapshot::open()) returns a store, and [`restore`] changes a directory, only after all of it was
//! read and is intact. Checksums do not stop an attacker that alters a snapshot, because an attacker can compute them.
//! With a key the whole snapshot is sealed, and a reader that has a key refuses what is not sealed with it.
//!
//! # Examples
//!
//! ```
//! use cloakroom::SessionStore;
//! use cloakroom_persist::{Options, snapshot};
//!
//! let store = SessionStore::default();
//! let id = store.create_with([("user", "ada")])?;
//! let mut bytes = Vec::new();
//! assert_eq!(snapshot::write(&store, &mut bytes, &Options::new())?.sessions, 1);
//!
//! // On another machine:
//! let (store, restored) = snapshot::open(&*bytes, &Options::new())?;
//! assert_eq!(restored.sessions, 1);
//! assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod directory;
mod error;
mod format;
mod inspect;
mod open;
mod write;

pub use directory::{Existing, inspect_dir, restore, write_dir};
pub use error::SnapshotError;
pub use inspect::{Outline, Summary, Times, inspect};
pub use open::open;
#[cfg(feature = "serde")]
pub use open::open_typed;
pub use write::write;
