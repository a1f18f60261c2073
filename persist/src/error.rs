//! The errors.

use core::error::Error;
use core::fmt;
use std::io;

/// Tells why a directory could not be opened. Nothing was restored, and no file has changed unless it says so.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another `Persistence` of this one, holds the directory.
    InUse,
    /// The directory or a file in it belongs to another user.
    Owner,
    /// Others than the owner may use the directory or a file in it: it has to be 0700, and a file 0600.
    Mode,
    /// The record of sessions and revocations is cut off, altered or older than it was. If it were used, sessions that
    /// have ended could come back. [`Options::when_damaged`](crate::Options::when_damaged) can begin anew.
    Damaged,
    /// A session cannot be read: it was written under another key, or holds another type of value.
    Unreadable,
    /// The records were written by a later version of this crate.
    Version,
    /// The settings of the store are wrong.
    Config(cloakroom::ConfigError),
    /// The system has refused to read or write.
    Io(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "the directory is in use",
            Self::Owner => "the directory or a file in it belongs to another user",
            Self::Mode => "the directory or a file in it is accessible to other users",
            Self::Damaged => "the record of sessions and revocations is damaged",
            Self::Unreadable => "a session has another key or another type of value",
            Self::Version => "the directory was written by a later version",
            Self::Config(error) => return error.fmt(f),
            Self::Io(_) => "the directory cannot be used",
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Config(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<cloakroom::ConfigError> for OpenError {
    fn from(error: cloakroom::ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<getrandom::Error> for OpenError {
    fn from(error: getrandom::Error) -> Self {
        Self::Io(error.into())
    }
}

/// Tells that something has taken effect in memory and is not on disk yet. It will be written again and again until it
/// is, or the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotDurable;

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("in effect, but not on disk yet")
    }
}

impl Error for NotDurable {}
