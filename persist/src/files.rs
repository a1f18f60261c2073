//! Private files, and the witness.

use crate::error::OpenError;
use crate::storage::{Access, Faults, admit};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const WITNESS_LEN: usize = 16;

fn witness_of(commits: u64) -> [u8; WITNESS_LEN] {
    let mut bytes = [0; WITNESS_LEN];
    bytes[..8].copy_from_slice(&commits.to_le_bytes());
    let digest = Sha256::digest([b"cloakroom witness".as_slice(), &bytes[..8]].concat());
    bytes[8..].copy_from_slice(&digest[..8]);
    bytes
}

pub(crate) fn write_witness(file: &mut File, commits: u64, faults: Option<&Faults>) -> io::Result<()> {
    // The system writes so few bytes at once, or none of them.
    admit(faults, Access::Write)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&witness_of(commits))
}

pub(crate) fn sync_witness(file: &File, faults: Option<&Faults>) -> io::Result<()> {
    admit(faults, Access::Sync)?;
    file.sync_data()
}

/// The number of the last commit, or `None` if the file has no such number.
pub(crate) fn read_witness(file: &mut File) -> io::Result<Option<u64>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(WITNESS_LEN as u64 + 1).read_to_end(&mut bytes)?;
    let commits = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    Ok(commits.filter(|commits| bytes == witness_of(*commits)))
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn rename(from: &Path, to: &Path, faults: Option<&Faults>) -> io::Result<()> {
    admit(faults, Access::Rename)?;
    fs::rename(from, to)
}

/// Forces the names of a directory's files to disk.
pub(crate) fn sync_dir(dir: &Path, faults: Option<&Faults>) -> io::Result<()> {
    admit(faults, Access::Sync)?;
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Makes the directory if there is none, and refuses it if others can use it.
pub(crate) fn make_private(dir: &Path) -> Result<(), OpenError> {
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
pub(crate) fn private_file(path: &Path, create: bool) -> Result<File, OpenError> {
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
