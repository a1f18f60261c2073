//! Why a snapshot was not written or read.

use crate::error::OpenError;
use crate::keys::Unreadable;
use core::error::Error;
use core::fmt;
use std::io;

/// Tells why a snapshot was not written or read. After an error of a reading function nothing of the snapshot is in a
/// store or a directory.
#[derive(Debug)]
#[non_exhaustive]
pub enum SnapshotError {
    /// This is not a snapshot.
    NotASnapshot,
    /// A later version of this crate has written the snapshot.
    Version,
    /// The snapshot ends before its trailer.
    CutOff,
    /// A checksum is wrong: the snapshot was altered.
    Altered,
    /// The snapshot, or a session in it, was not encrypted with one of these keys.
    Key,
    /// A session cannot be read: it holds another type of value, or no record.
    Content,
    /// A session is larger than 256 MiB, which no snapshot holds.
    TooLarge,
    /// A session waits under a stand-in that a journal of another crate has made, so its key is not known.
    Journal,
    /// The directory has a record of sessions already, and [`Existing::Refuse`](super::Existing::Refuse) protects it.
    Existing,
    /// The settings of the store are wrong.
    Config(cloakroom::ConfigError),
    /// The directory cannot be used.
    Directory(OpenError),
    /// The writer, the reader or the system has failed.
    Io(io::Error),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotASnapshot => "this is not a snapshot",
            Self::Version => "a later version has written the snapshot",
            Self::CutOff => "the snapshot is cut off",
            Self::Altered => "the snapshot was altered",
            Self::Key => "the snapshot was not encrypted with this key",
            Self::Content => "a session in the snapshot has another type of value",
            Self::TooLarge => "a session is too large for a snapshot",
            Self::Journal => "a session waits under a stand-in of an unknown journal",
            Self::Existing => "the directory has a record of sessions already",
            Self::Config(error) => return error.fmt(f),
            Self::Directory(error) => return error.fmt(f),
            Self::Io(_) => "the snapshot cannot be written or read",
        })
    }
}

impl Error for SnapshotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Config(error) => error.source(),
            Self::Directory(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OpenError> for SnapshotError {
    fn from(error: OpenError) -> Self {
        Self::Directory(error)
    }
}

impl From<cloakroom::ConfigError> for SnapshotError {
    fn from(error: cloakroom::ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<getrandom::Error> for SnapshotError {
    fn from(error: getrandom::Error) -> Self {
        Self::Io(error.into())
    }
}

impl From<Unreadable> for SnapshotError {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Format => Self::Content,
            Unreadable::Key => Self::Key,
        }
    }
}
