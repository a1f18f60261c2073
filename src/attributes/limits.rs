//! The limits on the number of attributes of a session, and on their size.

use super::layout::LEAST_SIZE;
use crate::error::{CreateError, FulfilError, ImportError, InsertError, SetError};

/// The limits on the attributes of one session.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// The number or the size of attributes that exceed a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Count { count: usize, limit: usize },
    Bytes { size: usize, limit: usize },
}

impl Limits {
    /// For attributes that belong to no session yet.
    pub(crate) const NONE: Self = Self { count: usize::MAX, bytes: usize::MAX };

    /// Returns the size if the number and the size are within the limits. The number is checked first.
    #[inline]
    pub(super) fn admit(self, count: usize, size: usize) -> Result<usize, Excess> {
        if count > self.count {
            return Err(Excess::Count { count, limit: self.count });
        }
        if size > self.bytes {
            return Err(Excess::Bytes { size, limit: self.bytes });
        }
        Ok(size)
    }

    /// Does the same for attributes that must be counted. They are counted only if their size permits too many of them.
    #[inline]
    pub(super) fn admit_counted(self, count: impl FnOnce() -> usize, size: usize) -> Result<usize, Excess> {
        let most = size / LEAST_SIZE;
        self.admit(if most > self.count { count() } else { most }, size)
    }
}

impl From<Excess> for CreateError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Count { count, limit } => Self::TooManyAttributes { count, limit },
            Excess::Bytes { size, limit } => Self::TooLarge { size, limit },
        }
    }
}

impl From<Excess> for InsertError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Count { count, limit } => Self::TooManyAttributes { count, limit },
            Excess::Bytes { size, limit } => Self::TooLarge { size, limit },
        }
    }
}

impl From<Excess> for ImportError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Count { count, limit } => Self::TooManyAttributes { count, limit },
            Excess::Bytes { size, limit } => Self::TooLarge { size, limit },
        }
    }
}

impl From<Excess> for FulfilError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Bytes { size, limit } => Self::TooLarge { size, limit },
            Excess::Count { count, limit } => Self::TooManyAttributes { count, limit },
        }
    }
}

impl From<Excess> for SetError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Count { count, limit } => Self::TooManyAttributes { count, limit },
            Excess::Bytes { size, limit } => Self::TooLarge { size, limit },
        }
    }
}
