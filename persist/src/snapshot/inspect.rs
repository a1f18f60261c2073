//! What is in a snapshot, without a secret.

use super::error::SnapshotError;
use super::format::{Decoder, VERSION};
use crate::keys::Unreadable;
use crate::names::DiskKey;
use crate::options::Options;
use crate::record;
use crate::time::{Mark, Timeline};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Tells what is in a snapshot or a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The version of the format.
    pub format: u8,
    /// Sessions.
    pub sessions: u64,
    /// Bytes of the sessions' records.
    pub bytes: u64,
    /// Sessions whose records are encrypted.
    pub encrypted: u64,
    /// Whether the snapshot as a whole is sealed with a key. Directories are not.
    pub sealed: bool,
    /// Whether the last uses of all sessions are in their records. They may not be if the process that held the
    /// directory has crashed.
    pub clean: bool,
    /// The time since the snapshot was written, or since the last commit to the directory.
    pub age: Duration,
}

/// Outlines one session, without its id, attributes or principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outline {
    /// Bytes of its record.
    pub bytes: usize,
    /// Whether its record is encrypted.
    pub encrypted: bool,
    /// The rest. `None` if the record is encrypted and no key was given.
    pub times: Option<Times>,
}

/// Tells the times of a session, by the present time, and whether it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// Whether it is bound to a principal.
    pub bound: bool,
    /// The time since its last use.
    pub idle_for: Duration,
    /// Its idle timeout, if it has one of its own.
    pub idle_timeout: Option<Duration>,
    /// The time until its absolute timeout, if there is one. Zero if it is over.
    pub ends_in: Option<Duration>,
}

/// Reads a snapshot to its end, and shows `f` an outline of each session. `f` has seen sessions before an error that is
/// found later.
///
/// Of the options the keys count: with none, encrypted sessions are outlined without their times. Blocks while `from`
/// is read. Allocates what one session takes.
///
/// # Errors
///
/// [`SnapshotError`] if the snapshot is cut off, altered, or under another key.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use cloakroom_persist::{Options, snapshot};
///
/// let store = SessionStore::default();
/// store.create_with([("user", "ada")])?;
/// let mut bytes = Vec::new();
/// snapshot::write(&store, &mut bytes, &Options::new())?;
///
/// let mut bound = 0;
/// let summary = snapshot::inspect(&*bytes, &Options::new(), |session| {
///     bound += usize::from(session.times.is_some_and(|times| times.bound));
/// })?;
/// assert_eq!((summary.sessions, bound), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect(from: impl Read, options: &Options, mut f: impl FnMut(&Outline)) -> Result<Summary, SnapshotError> {
    let mut snapshot = Decoder::begin(from)?;
    let mut inspector = Inspector::new(options, snapshot.mark, snapshot.clean);
    while let Some(entry) = snapshot.next(&options.keys)? {
        f(&inspector.outline(&entry.key, entry.at, entry.record)?);
    }
    Ok(Summary { sealed: snapshot.sealed, ..inspector.summary(snapshot.mark) })
}

/// Outlines sessions, and counts them.
pub(super) struct Inspector<'a> {
    options: &'a Options,
    timeline: Timeline,
    summary: Summary,
    buffer: Vec<u8>,
}

impl<'a> Inspector<'a> {
    pub(super) fn new(options: &'a Options, mark: Mark, clean: bool) -> Self {
        let timeline = Timeline::resume(Arc::clone(&options.wall), Some(mark));
        let summary = Summary { format: VERSION, clean, ..Summary::default() };
        Self { options, timeline, summary, buffer: Vec::new() }
    }

    /// Outlines a session whose record was made at `at` or before.
    pub(super) fn outline(&mut self, key: &DiskKey, at: u64, record: &[u8]) -> Result<Outline, SnapshotError> {
        let Self { options, timeline, summary, buffer } = self;
        let (bytes, encrypted) = (record.len(), record::is_encrypted(record));
        summary.sessions += 1;
        summary.bytes += bytes as u64;
        summary.encrypted += u64::from(encrypted);
        let now = timeline.now().max(at);
        let times = match record::read(key, record, &options.keys, buffer) {
            Ok((record, _)) => Some(Times {
                bound: record.principal.is_some(),
                idle_for: Duration::from_millis(now.saturating_sub(record.last_use)),
                idle_timeout: record.idle_timeout,
                ends_in: record.end.map(|end| Duration::from_millis(end.saturating_sub(now))),
            }),
            Err(Unreadable::Key) if options.keys.is_empty() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Outline { bytes, encrypted, times })
    }

    /// The counts, of records that were made up to `mark`.
    pub(super) fn summary(self, mark: Mark) -> Summary {
        let made = mark.at;
        Summary { age: Duration::from_millis(self.timeline.now().saturating_sub(made)), ..self.summary }
    }
}
