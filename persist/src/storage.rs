//! The file under the database, and faults that tests inject into it.

use redb::StorageBackend;
use redb::backends::FileBackend;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

/// What is about to be done to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its length is about to be changed.
    Resize,
    /// Something is about to be written.
    Write,
    /// What was written is about to be forced to disk.
    Sync,
    /// A file is about to take the place of another one.
    Rename,
}

/// What becomes of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Pass,
    /// It fails, and nothing is done.
    Fail(io::ErrorKind),
    /// It fails after half of the bytes were written.
    Short(io::ErrorKind),
}

/// Decides about each access to the file.
#[derive(Clone)]
pub(crate) struct Faults(Arc<dyn Fn(Access) -> Verdict + Send + Sync>);

impl Faults {
    pub(crate) fn new(faults: impl Fn(Access) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Arc::new(faults))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults(..)")
    }
}

/// Lets an access that writes all or nothing pass or fail.
pub(crate) fn admit(faults: Option<&Faults>, access: Access) -> io::Result<()> {
    match faults.map_or(Verdict::Pass, |Faults(faults)| faults(access)) {
        Verdict::Pass => Ok(()),
        Verdict::Fail(kind) | Verdict::Short(kind) => Err(kind.into()),
    }
}

/// A file with faults.
#[derive(Debug)]
pub(crate) struct Storage {
    file: FileBackend,
    faults: Option<Faults>,
}

impl Storage {
    pub(crate) fn new(file: File, faults: Option<Faults>) -> io::Result<Self> {
        let file = FileBackend::new(file).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { file, faults })
    }

    fn admit(&self, access: Access) -> io::Result<()> {
        admit(self.faults.as_ref(), access)
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.admit(Access::Resize)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.admit(Access::Sync)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.faults.as_ref().map_or(Verdict::Pass, |Faults(faults)| faults(Access::Write)) {
            Verdict::Pass => self.file.write(offset, data),
            Verdict::Fail(kind) => Err(kind.into()),
            Verdict::Short(kind) => {
                self.file.write(offset, &data[..data.len() / 2])?;
                Err(kind.into())
            }
        }
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.file.unlock_range(start, end)
    }
}
