//! A snapshot of a store.

use super::error::SnapshotError;
use super::format::{Encoder, VERSION};
use super::inspect::Summary;
use super::open::Waiting;
use crate::journal::Journal;
use crate::names::{DiskKey, Names, disk_key};
use crate::options::Options;
use crate::record;
use crate::time::Timeline;
use cloakroom::{SessionId, SessionStore, SessionView};
use cloakroom_codec::Kept;
use std::any::Any;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// Writes a snapshot of a store, and returns how many sessions and bytes are in it.
///
/// The store may serve meanwhile. Each session is written as it was at one instant during the call; the instants of
/// different sessions differ. A session that exists throughout the call is in the snapshot. A session that is created,
/// rotated or ended during the call may be missing, or be in it under the id that it had. **So a session that ends
/// after it was read comes back with the snapshot.**
///
/// Of the options the key counts, and the clocks of tests. Writes in pieces of 64 KiB, and flushes at the end. It does
/// not force a file to disk: call [`File::sync_all`](std::fs::File::sync_all), and make the file with the mode 0600.
///
/// May block when `to` does; the memory of sessions that end meanwhile is not freed while it blocks. So write to a file
/// or to memory, and not to a client that may read slowly. Allocates what one session takes, and 32 bytes for each
/// session of one shard.
///
/// # Errors
///
/// [`SnapshotError::Io`] if `to` fails. [`SnapshotError::TooLarge`] if a session is larger than 256 MiB.
/// [`SnapshotError::Journal`] if the store has a journal of another crate under which sessions wait.
///
/// # Examples
///
/// ```
/// use cloakroom_persist::{Options, Persistence, snapshot};
///
/// # let tmp = tempfile::tempdir()?;
/// # let dir = tmp.path().join("sessions");
/// let sessions = Persistence::open(&dir, Options::new())?;
/// sessions.store().create_with([("user", "ada")])?;
/// let mut bytes = Vec::new();
/// let written = snapshot::write(sessions.store(), &mut bytes, &Options::new())?;
/// assert_eq!(written.sessions, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write<T: Kept + ?Sized>(
    store: &SessionStore<T>,
    to: impl Write,
    options: &Options,
) -> Result<Summary, SnapshotError> {
    let timeline = Timeline::resume(Arc::clone(&options.wall), None);
    let mut out = Encoder::begin(to, true, timeline.mark())?;
    let (mut sessions, mut bytes, mut result) = (0, 0, Ok(()));
    store.for_each(|session| {
        if result.is_err() {
            return;
        }
        result = key_of(store, &session.id()).and_then(|key| {
            let at = timeline.now();
            let Some(record) = record_of(store, session, &key, at, options) else { return Ok(()) };
            sessions += 1;
            bytes += record.len() as u64;
            out.session(at, &key, &record)
        });
    });
    result?;
    out.finish(timeline.mark(), &options.keys)?;
    let encrypted = if options.keys.is_encrypting() { sessions } else { 0 };
    Ok(Summary {
        format: VERSION,
        sessions,
        bytes,
        encrypted,
        sealed: options.keys.is_encrypting(),
        clean: true,
        age: Duration::ZERO,
    })
}

/// The record of a session as it is now, if it is still under the id that was shown.
fn record_of<T: Kept + ?Sized>(
    store: &SessionStore<T>,
    shown: &SessionView<'_, T>,
    key: &DiskKey,
    at: u64,
    options: &Options,
) -> Option<Vec<u8>> {
    let id = shown.id();
    let record = store.export(&id, |session, carried| {
        // Rounded up, so that the session does not expire early.
        let now = at.saturating_add(1);
        (session.id() == id)
            .then(|| record::write(key, carried, now, &options.keys, |content| session.content().write(content)))
    });
    record.flatten()
}

/// The key on disk of a session of this store.
fn key_of<T: Kept + ?Sized>(store: &SessionStore<T>, id: &SessionId) -> Result<DiskKey, SnapshotError> {
    let Some(journal) = store.journal() else { return Ok(disk_key(id)) };
    match names_of(journal) {
        Some(names) => Ok(names.disk_key(id)),
        None if journal.is_stand_in(id) => Err(SnapshotError::Journal),
        None => Ok(disk_key(id)),
    }
}

/// The names that a journal of this crate gives to waiting sessions.
fn names_of(journal: &dyn cloakroom::Journal) -> Option<&Names> {
    let journal: &dyn Any = journal;
    let kept = journal.downcast_ref::<Journal>().map(|journal| &journal.names);
    kept.or_else(|| journal.downcast_ref::<Waiting>().map(|waiting| &waiting.names))
}
