//! Snapshots of a directory that no process holds, and back.

use super::error::SnapshotError;
use super::format::{Decoder, Encoder};
use super::inspect::{Inspector, Outline, Summary};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::keys::Keys;
use crate::options::{Options, WhenDamaged};
use crate::time::{Mark, Timeline};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Chooses what [`restore`] does with a directory that has a record of sessions already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// It fails with [`SnapshotError::Existing`], and changes nothing.
    #[default]
    Refuse,
    /// The snapshot takes the place of the record, also of a damaged one. **The sessions of the directory are gone, and
    /// those that have ended since the snapshot was written come back.**
    Replace,
}

/// Writes a snapshot of a directory that no process holds. The records are copied as they are, so this needs neither
/// the type of the sessions nor their key.
///
/// With [`Options::key`](Options) the snapshot is sealed; that does not encrypt records that are in clear.
/// [`Options::when_damaged`](Options::when_damaged) can only allow
/// [`RestoreAnyway`](crate::WhenDamaged::RestoreAnyway).
///
/// Blocks; holds the directory meanwhile. Allocates what one session takes, and the database's cache of 64 MiB at most.
///
/// # Errors
///
/// [`SnapshotError::Directory`] if there is no directory, a process holds it, or it is damaged.
/// [`SnapshotError::Io`] if `to` fails.
///
/// # Examples
///
/// ```
/// use cloakroom_persist::{Options, Persistence, snapshot};
/// use cloakroom_persist::snapshot::Existing;
///
/// # let tmp = tempfile::tempdir()?;
/// # let [dir, other] = ["sessions", "others"].map(|name| tmp.path().join(name));
/// let sessions = Persistence::open(&dir, Options::new())?;
/// let id = sessions.store().create()?;
/// sessions.close()?;
/// let mut bytes = Vec::new();
/// snapshot::write_dir(&dir, &mut bytes, &Options::new())?;
///
/// // On another machine:
/// snapshot::restore(&*bytes, &other, &Options::new(), Existing::Refuse)?;
/// let sessions = Persistence::open(&other, Options::new())?;
/// assert!(sessions.store().exists(&id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_dir(dir: impl AsRef<Path>, to: impl Write, options: &Options) -> Result<Summary, SnapshotError> {
    let (disk, mark, clean) = hold(dir.as_ref(), options)?;
    let mut out = Encoder::begin(to, clean, mark)?;
    let keyless = Options { keys: Keys::default(), ..options.clone() };
    let mut inspector = Inspector::new(&keyless, mark, clean);
    disk.read(|key, record| {
        inspector.outline(&key, mark.at, record)?;
        out.session(mark.at, &key, record)
    })?;
    out.finish(mark, &options.keys)?;
    Ok(Summary { sealed: options.keys.is_encrypting(), ..inspector.summary(mark) })
}

/// Reads a directory that no process holds, and shows `f` an outline of each session: see
/// [`inspect`](super::inspect()).
///
/// Blocks; holds the directory meanwhile. Allocates as [`write_dir`] does.
///
/// # Errors
///
/// [`SnapshotError::Directory`] if there is no directory, a process holds it, or it is damaged. [`SnapshotError::Key`]
/// if it is under another key.
///
/// # Examples
///
/// ```
/// use cloakroom_persist::{Options, Persistence, snapshot};
///
/// # let tmp = tempfile::tempdir()?;
/// # let dir = tmp.path().join("sessions");
/// let sessions = Persistence::open(&dir, Options::new())?;
/// sessions.store().create()?;
/// sessions.close()?;
/// assert_eq!(snapshot::inspect_dir(&dir, &Options::new(), |_| ())?.sessions, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect_dir(
    dir: impl AsRef<Path>,
    options: &Options,
    mut f: impl FnMut(&Outline),
) -> Result<Summary, SnapshotError> {
    let (disk, mark, clean) = hold(dir.as_ref(), options)?;
    let mut inspector = Inspector::new(options, mark, clean);
    disk.read(|key, record| {
        f(&inspector.outline(&key, mark.at, record)?);
        Ok::<_, SnapshotError>(())
    })?;
    Ok(inspector.summary(mark))
}

/// Opens a directory that there is, without a commit.
fn hold(dir: &Path, options: &Options) -> Result<(Disk, Mark, bool), SnapshotError> {
    if !Disk::is_at(dir) {
        return Err(OpenError::Io(io::ErrorKind::NotFound.into()).into());
    }
    let when_damaged = match options.when_damaged {
        WhenDamaged::RestoreAnyway => WhenDamaged::RestoreAnyway,
        WhenDamaged::Refuse | WhenDamaged::BeginAnew => WhenDamaged::Refuse,
    };
    let (disk, found) = Disk::open(dir, options.faults.clone(), when_damaged, options.wait_for_lock)?;
    // A process has made the directory, and has ended before its first commit.
    let none = || (Timeline::resume(Arc::clone(&options.wall), None).mark(), true);
    let (mark, clean) = found.map_or_else(none, |found| (found.mark, found.clean));
    Ok((disk, mark, clean))
}

/// Restores a snapshot into a directory that no process holds, for [`Persistence::open`](crate::Persistence::open).
/// Makes the directory if there is none; the one above it must exist. The records are copied as they are, so this needs
/// neither the type of the sessions nor their key.
///
/// **Sessions that have ended since the snapshot was written come back**: see the [module](crate::snapshot).
///
/// If a key is set, the snapshot has to be sealed with it or with a former key; if none is set, only the checksums are
/// compared. All or nothing: the new record takes the place of the old one by one rename, once all of the snapshot was
/// read and is intact. If the disk fails right after that rename, the call fails although the snapshot is in place.
/// After a crash the directory is as before, as after the call, or (if it had no intact record before) refused as
/// damaged.
///
/// Blocks; holds the directory meanwhile. Allocates what one session takes, and the database's cache of 64 MiB at most.
///
/// # Errors
///
/// [`SnapshotError::Existing`] if the directory has a record of sessions. [`SnapshotError::Directory`] if a process
/// holds it, it is accessible to other users, or the disk fails. Otherwise as for [`open`](super::open()), except that
/// nobody looks at attributes and values: a directory of another kind of content is refused when it is opened.
///
/// # Examples
///
/// [`write_dir`] has one.
pub fn restore(
    from: impl Read,
    dir: impl AsRef<Path>,
    options: &Options,
    existing: Existing,
) -> Result<Summary, SnapshotError> {
    let next = |snapshot: &mut Decoder<_>, inspector: &mut Inspector<'_>| {
        let Some(entry) = snapshot.next(&options.keys)? else { return Ok(None) };
        inspector.outline(&entry.key, entry.at, entry.record)?;
        Ok::<_, SnapshotError>(Some((entry.key, entry.record.to_vec())))
    };
    let dir = dir.as_ref();
    let mut snapshot = Decoder::begin(from)?;
    let mut inspector = Inspector::new(options, snapshot.mark, snapshot.clean);
    Disk::replace(dir, options.faults.as_ref(), |write| {
        if existing == Existing::Refuse && Disk::is_at(dir) {
            return Err(SnapshotError::Existing);
        }
        let (mark, mut result) = (snapshot.mark, Ok(()));
        let mut records = std::iter::from_fn(|| match next(&mut snapshot, &mut inspector) {
            Ok(record) => record,
            Err(error) => {
                result = Err(error);
                None
            }
        });
        write(&mut records, mark)?;
        result?;
        Ok::<_, SnapshotError>((snapshot.mark, snapshot.clean))
    })?;
    Ok(Summary { sealed: snapshot.sealed, ..inspector.summary(snapshot.mark) })
}
