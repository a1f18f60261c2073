//! How many attributes a session may have, and how many bytes they may take.

use super::layout::LEAST_SIZE;
use crate::error::{CreateError, InsertError, SetError};

/// What the attributes of one session may come to.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// What attributes come to that are over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Count { count: usize, limit: usize },
    Bytes { size: usize, limit: usize },
}

impl Limits {
    /// For what is not a session's yet.
    pub(super) const NONE: Self = Self { count: usize::MAX, bytes: usize::MAX };

    /// Returns the size if that and the number are within the limits. The number is judged first.
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

    /// The same for attributes that have to be counted, which is not done where they take too little to be too many.
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

impl From<Excess> for SetError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Count { count, limit } => Self::TooManyAttributes { count, limit },
            Excess::Bytes { size, limit } => Self::TooLarge { size, limit },
        }
    }
}
