//! The directory: its files, their modes and owner, and the database in it.
//!
//! | file | |
//! |---|---|
//! | `lock` | locked by the process that holds the directory |
//! | `sessions.redb` | the sessions, the number of the last commit, and the timeline's mark |
//! | `witness` | the number of the last commit |
//!
//! The database falls back to an earlier commit if the last one is unreadable. Sessions that the last commit removed
//! would come back. So the number of the last commit is written to a second file after each commit, and a database that
//! is older than its witness is refused.

use crate::error::OpenError;
use crate::names::DiskKey;
use crate::options::WhenDamaged;
use crate::storage::{Faults, Storage};
use crate::time::Mark;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError,
};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const SESSIONS: TableDefinition<'_, &DiskKey, &[u8]> = TableDefinition::new("sessions");
const STATE: TableDefinition<'_, (), &[u8]> = TableDefinition::new("state");

const FORMAT: u8 = 1;
const STATE_LEN: usize = 1 + 8 + 1 + Mark::LEN;
const DATABASE: &str = "sessions.redb";
const SUCCESSOR: &str = "sessions.redb.new";
const WITNESS: &str = "witness";

/// A failure of the database, after which it is made anew.
pub(crate) type Failure = Box<redb::Error>;

/// One session's new record, or `None` to remove it.
pub(crate) type Change = (DiskKey, Option<Vec<u8>>);

/// The state of the database at its last commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) mark: Mark,
    /// Whether the process that wrote it has ended in order.
    pub(crate) clean: bool,
}

/// A directory that this process holds.
pub(crate) struct Disk {
    dir: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
    witness: File,
    /// `None` after a failure.
    database: Option<Database>,
    commits: u64,
    faults: Option<Faults>,
}

/// What can be wrong when the files are opened: only damage can be answered by beginning anew.
fn damage(error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
                OpenError::Damaged
            }
            _ => OpenError::Io(error),
        },
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::RepairAborted => OpenError::Damaged,
        DatabaseError::UpgradeRequired(_) => OpenError::Version,
        other => OpenError::Io(io::Error::other(redb::Error::from(other))),
    }
}

/// As [`damage`], for an error of an opened database.
fn read_damage(error: impl Into<redb::Error>) -> OpenError {
    match error.into() {
        redb::Error::Io(error) => damage(DatabaseError::Storage(StorageError::Io(error))),
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } => OpenError::Damaged,
        other => OpenError::Io(io::Error::other(other)),
    }
}

impl Disk {
    pub(crate) fn open(
        dir: &Path,
        faults: Option<Faults>,
        when_damaged: WhenDamaged,
    ) -> Result<(Self, Option<Found>), OpenError> {
        make_private(dir)?;
        let lock = private_file(&dir.join("lock"), true)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        remove(&dir.join(SUCCESSOR))?;
        let database = dir.join(DATABASE);
        let witness = dir.join(WITNESS);
        let older_is_fine = when_damaged == WhenDamaged::RestoreAnyway;
        match Self::open_files(dir, faults.as_ref(), older_is_fine) {
            Ok((found, opened, witness, commits)) => {
                let dir = dir.to_owned();
                Ok((Self { dir, _lock: lock, witness, database: Some(opened), commits, faults }, found))
            }
            Err(OpenError::Damaged) if when_damaged == WhenDamaged::BeginAnew => {
                // Out of the way first, so that a crash in between leaves a directory without a database.
                for file in [&database, &witness] {
                    if file.exists() {
                        let mut aside = file.clone().into_os_string();
                        aside.push(".damaged");
                        fs::rename(file, aside)?;
                    }
                }
                let (found, opened, witness, commits) = Self::open_files(dir, faults.as_ref(), false)?;
                let dir = dir.to_owned();
                Ok((Self { dir, _lock: lock, witness, database: Some(opened), commits, faults }, found))
            }
            Err(error) => Err(error),
        }
    }

    fn open_files(
        dir: &Path,
        faults: Option<&Faults>,
        older_is_fine: bool,
    ) -> Result<(Option<Found>, Database, File, u64), OpenError> {
        let path = dir.join(DATABASE);
        let (there, mut witness, witnessed) = (path.exists(), None, dir.join(WITNESS).exists());
        let mut least = 0;
        if witnessed {
            let mut file = private_file(&dir.join(WITNESS), false)?;
            least = match read_witness(&mut file)? {
                Some(commits) => commits,
                None if older_is_fine => 0,
                None => return Err(OpenError::Damaged),
            };
            witness = Some(file);
        }
        if there && !witnessed && !older_is_fine || !there && least > 0 {
            return Err(OpenError::Damaged);
        }
        let mut witness = match witness {
            Some(witness) => witness,
            None => {
                // Before the database, so that no database is without its witness.
                let mut file = private_file(&dir.join(WITNESS), true)?;
                write_witness(&mut file, 0)?;
                file.sync_all()?;
                sync_dir(dir)?;
                file
            }
        };
        let mut opened = open_database(private_file(&path, true)?, faults);
        if least == 0 && witnessed && !older_is_fine && matches!(opened, Err(OpenError::Damaged)) {
            // The process that was about to make it has ended before its first commit, after which the witness is
            // forced to disk.
            remove(&path)?;
            opened = open_database(private_file(&path, true)?, faults);
        }
        let opened = opened?;
        sync_dir(dir)?;
        let state = catch_unwind(AssertUnwindSafe(|| read_state(&opened))).unwrap_or(Err(OpenError::Damaged))?;
        let commits = state.as_ref().map_or(0, |(commits, _)| *commits);
        if commits < least && !older_is_fine {
            return Err(OpenError::Damaged);
        }
        if commits < least {
            write_witness(&mut witness, commits)?;
        }
        Ok((state.map(|(_, found)| found), opened, witness, commits))
    }

    /// Shows all records.
    pub(crate) fn read(&self, mut f: impl FnMut(DiskKey, &[u8]) -> Result<(), OpenError>) -> Result<u64, OpenError> {
        let Some(database) = &self.database else { return Ok(0) };
        let read = database.begin_read().map_err(read_damage)?;
        let table = match read.open_table(SESSIONS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(0),
            Err(error) => return Err(read_damage(error)),
        };
        let mut records = 0;
        for entry in table.iter().map_err(read_damage)? {
            let (key, value) = entry.map_err(read_damage)?;
            f(*key.value(), value.value())?;
            records += 1;
        }
        Ok(records)
    }

    /// The number of commits since the directory was made.
    pub(crate) fn commits(&self) -> u64 {
        self.commits
    }

    /// Whether the database has failed and has to be [rebuilt](Self::rebuild).
    pub(crate) fn has_failed(&self) -> bool {
        self.database.is_none()
    }

    /// Writes a batch. When this returns without an error it is on disk. After an error nobody knows what is, and the
    /// database is given up.
    pub(crate) fn commit(&mut self, changes: &[Change], mark: Mark, clean: bool) -> Result<(), Failure> {
        self.commit_each(changes.iter().map(|(key, record)| (*key, record.as_deref())), mark, clean)
    }

    /// The same for changes that are made one after another while the batch is written. Neighbours should follow each
    /// other: a page that several of them are in is written once.
    pub(crate) fn commit_each<R: AsRef<[u8]>>(
        &mut self,
        changes: impl Iterator<Item = (DiskKey, Option<R>)>,
        mark: Mark,
        clean: bool,
    ) -> Result<(), Failure> {
        let Some(database) = &self.database else { return Err(Box::new(redb::Error::DatabaseClosed)) };
        let number = self.commits + 1;
        let committed = write(database, changes, (number, mark, clean));
        if let Err(error) = committed {
            self.database = None;
            return Err(error);
        }
        self.commits = number;
        // It need not be forced to disk: the database may not be older than it, and may be younger.
        write_witness(&mut self.witness, number).map_err(|error| Box::new(redb::Error::Io(error)))
    }

    /// Forces the witness to disk.
    pub(crate) fn sync_witness(&self) -> Result<(), Failure> {
        self.witness.sync_data().map_err(|error| Box::new(redb::Error::Io(error)))
    }

    /// Makes the database anew of these records, and puts it in place of the present one: because after an error of the
    /// system, what the system has kept of the old file cannot be relied on, or because most records have changed. The
    /// records should be in the order of their keys. After an error the present database is still in use, unless
    /// [`has_failed`](Self::has_failed) says that there is none.
    pub(crate) fn rebuild<R: AsRef<[u8]>>(
        &mut self,
        records: impl Iterator<Item = (DiskKey, Option<R>)>,
        mark: Mark,
        clean: bool,
    ) -> Result<(), Failure> {
        let fail = |error: io::Error| Box::new(redb::Error::Io(error));
        let path = self.dir.join(SUCCESSOR);
        remove(&path).map_err(fail)?;
        let file = private_file(&path, true).map_err(|error| fail(io::Error::other(error)))?;
        let database = open_database(file, self.faults.as_ref()).map_err(|error| fail(io::Error::other(error)))?;
        let number = self.commits + 1;
        if let Err(error) = write(&database, records, (number, mark, clean)) {
            drop(database);
            let _ = remove(&path);
            return Err(error);
        }
        fs::rename(&path, self.dir.join(DATABASE)).map_err(fail)?;
        // From now on the present database has no name. It must not be used again, whatever happens.
        self.database = None;
        self.commits = number;
        sync_dir(&self.dir).map_err(fail)?;
        self.database = Some(database);
        write_witness(&mut self.witness, number).map_err(fail)
    }

    /// Closes the database.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        let closed = self.database.take().map_or(Ok(()), Database::close);
        closed.map_err(|error| Box::new(error.into()))
    }
}

/// Writes a batch with the state of the commit.
fn write<R: AsRef<[u8]>>(
    database: &Database,
    changes: impl Iterator<Item = (DiskKey, Option<R>)>,
    (number, mark, clean): (u64, Mark, bool),
) -> Result<(), Failure> {
    fn boxed(error: impl Into<redb::Error>) -> Failure {
        Box::new(error.into())
    }
    let transaction = database.begin_write().map_err(boxed)?;
    {
        let mut table = transaction.open_table(SESSIONS).map_err(boxed)?;
        for (key, record) in changes {
            match record {
                Some(record) => drop(table.insert(&key, record.as_ref()).map_err(boxed)?),
                None => drop(table.remove(&key).map_err(boxed)?),
            }
        }
    }
    let mut state = Vec::with_capacity(STATE_LEN);
    state.push(FORMAT);
    state.extend_from_slice(&number.to_le_bytes());
    state.push(u8::from(clean));
    state.extend_from_slice(&mark.to_bytes());
    transaction.open_table(STATE).map_err(boxed)?.insert((), state.as_slice()).map_err(boxed)?;
    transaction.commit().map_err(boxed)
}

fn open_database(file: File, faults: Option<&Faults>) -> Result<Database, OpenError> {
    let storage = Storage::new(file, faults.cloned())?;
    // The whole file is read and its checksums are compared. The database says by an error, and in some cases by a
    // panic, that they are wrong.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Builder::new().set_check_integrity_on_open(true).set_cache_size(CACHE).create_with_backend(storage)
    }));
    opened.map_err(|_| OpenError::Damaged)?.map_err(damage)
}

/// The bytes of the database that are kept in memory.
const CACHE: usize = 64 << 20;

fn read_state(database: &Database) -> Result<Option<(u64, Found)>, OpenError> {
    let read = database.begin_read().map_err(read_damage)?;
    let table = match read.open_table(STATE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(read_damage(error)),
    };
    let Some(state) = table.get(()).map_err(read_damage)? else { return Ok(None) };
    let state = state.value();
    match state.first() {
        Some(&FORMAT) if state.len() == STATE_LEN => {}
        Some(&later) if later > FORMAT => return Err(OpenError::Version),
        _ => return Err(OpenError::Damaged),
    }
    let commits = u64::from_le_bytes(*state[1..].first_chunk().expect("as long as it has to be"));
    let mark = Mark::from_bytes(state[10..].first_chunk().expect("as long as it has to be"));
    Ok(Some((commits, Found { mark, clean: state[9] == 1 })))
}

const WITNESS_LEN: usize = 16;

fn witness_of(commits: u64) -> [u8; WITNESS_LEN] {
    let mut bytes = [0; WITNESS_LEN];
    bytes[..8].copy_from_slice(&commits.to_le_bytes());
    let digest = Sha256::digest([b"cloakroom witness".as_slice(), &bytes[..8]].concat());
    bytes[8..].copy_from_slice(&digest[..8]);
    bytes
}

fn write_witness(file: &mut File, commits: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&witness_of(commits))
}

/// The number of the last commit, or `None` if the file has no such number.
fn read_witness(file: &mut File) -> io::Result<Option<u64>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(WITNESS_LEN as u64 + 1).read_to_end(&mut bytes)?;
    let commits = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    Ok(commits.filter(|commits| bytes == witness_of(*commits)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Forces the names of a directory's files to disk.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Makes the directory if there is none, and refuses it if others can use it.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    check_private(&fs::metadata(dir)?)
}

/// Opens a file that only its owner may use. Makes it if `create` is set and there is none.
fn private_file(path: &Path, create: bool) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    check_private(&file.metadata()?)?;
    Ok(file)
}

#[cfg(unix)]
fn check_private(metadata: &fs::Metadata) -> Result<(), OpenError> {
    use std::os::unix::fs::MetadataExt;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(OpenError::Owner);
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(OpenError::Mode);
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &fs::Metadata) -> Result<(), OpenError> {
    Ok(())
}
