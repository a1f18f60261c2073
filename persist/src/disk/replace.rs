//! Making the database of a directory anew, whatever is there.

use super::{DATABASE, Disk, SUCCESSOR, WITNESS, open_database, write};
use crate::error::OpenError;
use crate::files::{
    WITNESS_LEN, hold, make_private, private_file, read_witness, remove, rename, sync_dir, sync_witness, write_witness,
};
use crate::names::DiskKey;
use crate::storage::Faults;
use crate::time::Mark;
use std::io;
use std::path::Path;
use std::time::Duration;

fn failed(error: impl Into<redb::Error>) -> OpenError {
    OpenError::Io(io::Error::other(error.into()))
}

/// Writes records to the new database, which is not in place yet, with a mark that holds until the last one was read.
pub(crate) type Filling<'a> =
    dyn FnMut(&mut dyn Iterator<Item = (DiskKey, Vec<u8>)>, Mark) -> Result<(), OpenError> + 'a;

impl Disk {
    /// Whether there is a record of sessions, or a part of one.
    pub(crate) fn is_at(dir: &Path) -> bool {
        [DATABASE, WITNESS].iter().any(|file| dir.join(file).exists())
    }

    /// Puts a database with the records that `fill` writes in place of the one that is there, and of the witness.
    /// `fill` returns the timeline's mark and whether the last uses are in the records. If it fails, nothing is
    /// replaced. If the disk fails after the rename, this fails although the new database is in place.
    pub(crate) fn replace<E: From<OpenError>>(
        dir: &Path,
        faults: Option<&Faults>,
        fill: impl FnOnce(&mut Filling<'_>) -> Result<(Mark, bool), E>,
    ) -> Result<(), E> {
        make_private(dir)?;
        let _lock = hold(dir, Duration::ZERO)?;
        let path = dir.join(SUCCESSOR);
        remove(&path).map_err(OpenError::Io)?;
        let replaced = Self::replace_held(dir, faults, fill);
        if replaced.is_err() {
            // The next process to open the directory removes it too.
            let _ = remove(&path);
        }
        replaced
    }

    fn replace_held<E: From<OpenError>>(
        dir: &Path,
        faults: Option<&Faults>,
        fill: impl FnOnce(&mut Filling<'_>) -> Result<(Mark, bool), E>,
    ) -> Result<(), E> {
        let (path, database, witness) = (dir.join(SUCCESSOR), dir.join(DATABASE), dir.join(WITNESS));
        let opened = open_database(private_file(&path, true)?, faults)?;
        let (mark, clean) = fill(&mut |records, mark| {
            let records = records.map(|(key, record)| (key, Some(record)));
            write(&opened, records, (0, || mark, false)).map_err(|error| failed(*error))
        })?;
        let mut before = 0;
        if witness.exists() {
            // Not older than the witness that is there. One that cannot be read is refused until it is replaced.
            before = read_witness(&mut private_file(&witness, false)?).map_err(OpenError::Io)?.unwrap_or(0);
        } else if !database.exists() {
            // Before the database, so that no database is without its witness.
            let mut file = private_file(&witness, true)?;
            write_witness(&mut file, 0, faults).and_then(|()| sync_witness(&file, faults)).map_err(OpenError::Io)?;
        }
        let (number, none) = (before.saturating_add(1), std::iter::empty::<(DiskKey, Option<Vec<u8>>)>());
        write(&opened, none, (number, || mark, clean)).map_err(|error| failed(*error))?;
        opened.close().map_err(failed)?;
        rename(&path, &database, faults).and_then(|()| sync_dir(dir, faults)).map_err(OpenError::Io)?;
        let mut file = private_file(&witness, true)?;
        let witnessed = write_witness(&mut file, number, faults).and_then(|()| file.set_len(WITNESS_LEN as u64));
        let synced = witnessed.and_then(|()| sync_witness(&file, faults)).and_then(|()| sync_dir(dir, faults));
        synced.map_err(|error| OpenError::Io(error).into())
    }
}
