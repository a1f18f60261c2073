//! A stand-in for `id`: ids are numbered in the order in which an execution draws them, since loom has to be able to
//! repeat it.

use crate::error::RandomError;
use core::fmt;
use loom::sync::atomic::{AtomicUsize, Ordering};

loom::lazy_static! {
    static ref DRAWN: AtomicUsize = AtomicUsize::new(0);
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    pub(crate) fn draw(_batched: bool) -> Result<Self, RandomError> {
        let number = DRAWN.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Self([u8::try_from(number).expect("few ids"); 32]))
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0[0])
    }
}
