//! The bytes of a snapshot.
//!
//! ```text
//! header   | "cloakroom snapshot" (18) | version (1) | flags (1) | mark (40) | check (8) |
//! session  | 1 | length of the record (4) | read at (8) | key on disk (24) | check (8) | record | check (8) |
//! trailer  | 0 | number of sessions (8) | mark (40) | length of the seal (1) | seal | digest (32) |
//! ```
//!
//! A check is the first eight bytes of the SHA-256 of all bytes before it, and the digest is all of that. So a session
//! that is missing, doubled or in another place is noticed at the next check. Nothing follows the trailer.
//!
//! The marks say where the timeline of the records was when the first session was read and after the last one. A
//! session was read at an instant between them. Numbers are little-endian.
//!
//! The seal is there if the snapshot is encrypted. It is an empty text, encrypted with the key, that only opens with
//! the first 24 bytes of the SHA-256 of everything before its length.

use super::error::SnapshotError;
use crate::keys::Keys;
use crate::names::DiskKey;
use crate::time::Mark;
use sha2::{Digest, Sha256};
use std::io::{self, BufReader, BufWriter, Read, Write};

const MAGIC: &[u8; 18] = b"cloakroom snapshot";

/// The version of the format.
pub(super) const VERSION: u8 = 1;

/// Set if the last uses of all sessions are in their records.
const CLEAN: u8 = 1;

const SESSION: u8 = 1;
const TRAILER: u8 = 0;
const CHECK: usize = 8;

/// The longest record.
const MOST: usize = 256 << 20;

/// The bytes that are collected before they are written, or read at once.
const BUFFER: usize = 64 << 10;

/// The first byte of a seal.
const SEALED: u8 = 1;

fn check(digest: &Sha256) -> [u8; CHECK] {
    *digest.clone().finalize().first_chunk().expect("a digest has 32 bytes")
}

/// The name under which the seal is encrypted.
fn sealed_name(digest: &Sha256) -> DiskKey {
    *digest.clone().finalize().first_chunk().expect("a digest has 32 bytes")
}

/// Writes a snapshot.
pub(super) struct Encoder<W: Write> {
    to: BufWriter<W>,
    digest: Sha256,
    sessions: u64,
}

impl<W: Write> Encoder<W> {
    pub(super) fn begin(to: W, clean: bool, mark: Mark) -> Result<Self, SnapshotError> {
        let mut begun = Self { to: BufWriter::with_capacity(BUFFER, to), digest: Sha256::new(), sessions: 0 };
        begun.put(MAGIC)?;
        begun.put(&[VERSION, if clean { CLEAN } else { 0 }])?;
        begun.put(&mark.to_bytes())?;
        begun.put_check()?;
        Ok(begun)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.to.write_all(bytes)
    }

    fn put_check(&mut self) -> io::Result<()> {
        self.put(&check(&self.digest))
    }

    /// Writes a session's record, which was made at `at`.
    pub(super) fn session(&mut self, at: u64, key: &DiskKey, record: &[u8]) -> Result<(), SnapshotError> {
        let len = u32::try_from(record.len()).ok().filter(|_| record.len() <= MOST).ok_or(SnapshotError::TooLarge)?;
        self.put(&[SESSION])?;
        self.put(&len.to_le_bytes())?;
        self.put(&at.to_le_bytes())?;
        self.put(key)?;
        self.put_check()?;
        self.put(record)?;
        self.put_check()?;
        self.sessions += 1;
        Ok(())
    }

    /// Writes the trailer.
    pub(super) fn finish(mut self, mark: Mark, keys: &Keys) -> Result<(), SnapshotError> {
        self.put(&[TRAILER])?;
        let sessions = self.sessions;
        self.put(&sessions.to_le_bytes())?;
        self.put(&mark.to_bytes())?;
        let seal =
            if keys.is_encrypting() { keys.seal(&sealed_name(&self.digest), Vec::new(), SEALED) } else { Vec::new() };
        self.put(&[u8::try_from(seal.len()).expect("a seal is short")])?;
        self.put(&seal)?;
        let digest = self.digest.clone().finalize();
        self.to.write_all(&digest)?;
        Ok(self.to.flush()?)
    }
}

/// A session in a snapshot.
pub(super) struct Entry<'a> {
    /// When the session was read, on the timeline of the records.
    pub(super) at: u64,
    pub(super) key: DiskKey,
    pub(super) record: &'a [u8],
}

/// Bytes that are read, and the SHA-256 of those that were.
struct Hashed<R: Read> {
    from: BufReader<R>,
    digest: Sha256,
}

impl<R: Read> Hashed<R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SnapshotError::CutOff,
            _ => SnapshotError::Io(error),
        })?;
        self.digest.update(bytes);
        Ok(bytes)
    }

    fn take_check(&mut self) -> Result<(), SnapshotError> {
        let expected = check(&self.digest);
        if self.take()? == expected { Ok(()) } else { Err(SnapshotError::Altered) }
    }

    /// Takes so many bytes into `to`, which grows with what is read, and not with `len`.
    fn take_into(&mut self, to: &mut Vec<u8>, len: usize) -> Result<(), SnapshotError> {
        to.clear();
        let read = (&mut self.from).take(len as u64).read_to_end(to)?;
        if read < len {
            return Err(SnapshotError::CutOff);
        }
        self.digest.update(to);
        Ok(())
    }
}

/// Reads a snapshot.
pub(super) struct Decoder<R: Read> {
    bytes: Hashed<R>,
    record: Vec<u8>,
    sessions: u64,
    /// Whether the last uses of all sessions are in their records.
    pub(super) clean: bool,
    /// Where the timeline was at the beginning, and at the end once that was read.
    pub(super) mark: Mark,
    /// Whether there is a seal, once the end was read.
    pub(super) sealed: bool,
}

impl<R: Read> Decoder<R> {
    pub(super) fn begin(from: R) -> Result<Self, SnapshotError> {
        let mut bytes = Hashed { from: BufReader::with_capacity(BUFFER, from), digest: Sha256::new() };
        match bytes.take() {
            Ok(magic) if magic == *MAGIC => {}
            Ok(_) | Err(SnapshotError::CutOff) => return Err(SnapshotError::NotASnapshot),
            Err(error) => return Err(error),
        }
        let [version, flags] = bytes.take()?;
        if version > VERSION {
            return Err(SnapshotError::Version);
        }
        let mark = bytes.take()?;
        bytes.take_check()?;
        let mark = Mark::read(&mark).filter(|_| version == VERSION && flags & !CLEAN == 0);
        let (mark, clean) = (mark.ok_or(SnapshotError::Altered)?, flags & CLEAN != 0);
        Ok(Self { bytes, record: Vec::new(), sessions: 0, clean, mark, sealed: false })
    }

    /// The next session. `None` after the last one: then the trailer was read, and the snapshot is intact.
    pub(super) fn next(&mut self, keys: &Keys) -> Result<Option<Entry<'_>>, SnapshotError> {
        match self.bytes.take()? {
            [SESSION] => {}
            [TRAILER] => return self.end(keys).map(|()| None),
            _ => return Err(SnapshotError::Altered),
        }
        let len = u32::from_le_bytes(self.bytes.take()?);
        let at = u64::from_le_bytes(self.bytes.take()?);
        let key = self.bytes.take()?;
        self.bytes.take_check()?;
        let len = usize::try_from(len).ok().filter(|len| *len <= MOST).ok_or(SnapshotError::TooLarge)?;
        self.bytes.take_into(&mut self.record, len)?;
        self.bytes.take_check()?;
        self.sessions += 1;
        Ok(Some(Entry { at, key, record: &self.record }))
    }

    fn end(&mut self, keys: &Keys) -> Result<(), SnapshotError> {
        let sessions = u64::from_le_bytes(self.bytes.take()?);
        let mark = self.bytes.take()?;
        let name = sealed_name(&self.bytes.digest);
        let [len] = self.bytes.take()?;
        self.bytes.take_into(&mut self.record, usize::from(len))?;
        let digest = self.bytes.digest.clone().finalize();
        if self.bytes.take::<32>()? != digest[..] || sessions != self.sessions {
            return Err(SnapshotError::Altered);
        }
        if (&mut self.bytes.from).take(1).read_to_end(&mut Vec::new())? > 0 {
            return Err(SnapshotError::Altered);
        }
        self.mark = Mark::read(&mark).ok_or(SnapshotError::Altered)?;
        self.sealed = len > 0;
        if keys.is_empty() {
            return Ok(());
        }
        // An attacker that alters a snapshot can compute the checksums, and not the seal.
        match self.record.split_first() {
            Some((&SEALED, sealed)) => Ok(keys.open(&name, sealed, &mut Vec::new()).map(drop)?),
            _ => Err(SnapshotError::Key),
        }
    }
}
