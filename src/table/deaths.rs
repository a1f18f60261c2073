//! Telling an observer which sessions have ended, once the thread that ended them holds nothing any more.

#![deny(unsafe_code)]

use crate::entry::{EntryRef, Key, Payload};
use crate::removal::RemovalCause;
use std::cell::RefCell;

/// A session that has ended.
pub(crate) struct Ended {
    pub(crate) key: Key,
    pub(crate) cause: RemovalCause,
    pub(crate) principal: Option<Key>,
}

/// Whoever is told.
pub(crate) trait Observer: Send + Sync {
    /// Whether sessions are of interest that are bound to nobody.
    fn observes_all(&self) -> bool;

    /// Is called once for each session of interest, by the thread that has ended it, which is not pinned then.
    fn ended(&self, ended: Ended);
}

/// What one piece of work has ended. Reports when dropped, which has to be after the thread's guard.
pub(super) struct Deaths<'a> {
    observer: Option<&'a dyn Observer>,
    ended: RefCell<Vec<Ended>>,
}

impl<'a> Deaths<'a> {
    #[inline]
    pub(super) fn new(observer: Option<&'a dyn Observer>) -> Self {
        Self { observer, ended: RefCell::new(Vec::new()) }
    }

    /// Notes a version that this thread has killed.
    pub(super) fn note<P: Payload>(&self, version: EntryRef<'_, P>, cause: RemovalCause) {
        let Some(observer) = self.observer else { return };
        let principal = version.terms().principal;
        if principal.is_some() || observer.observes_all() {
            self.ended.borrow_mut().push(Ended { key: *version.key(), cause, principal });
        }
    }

    #[cold]
    fn report(&mut self) {
        if let Some(observer) = self.observer {
            self.ended.get_mut().drain(..).for_each(|ended| observer.ended(ended));
        }
    }
}

impl Drop for Deaths<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended.get_mut().is_empty() {
            self.report();
        }
    }
}
