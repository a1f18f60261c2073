//! Telling an observer which sessions have ended, once the thread that ended them holds nothing any more.

use crate::entry::account::Binding;
use crate::entry::{EntryRef, Key, Overrides, Payload};
use crate::reclaim::Guard;
use crate::removal::RemovalCause;
use core::cell::Cell;

/// A session that has ended.
pub(crate) struct Ended {
    pub(crate) key: Key,
    pub(crate) cause: RemovalCause,
    /// The session's principal and its binding to that, of which it is a user until the observer has been told.
    pub(crate) bound: Option<(Key, Binding)>,
    pub(crate) serial: u64,
    /// Whether the index of principals may still list it.
    pub(crate) listed: bool,
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
    observer: &'a Option<Box<dyn Observer>>,
    /// In a box, which there hardly ever is, so that to have no deaths takes two words.
    #[expect(clippy::box_collection, reason = "one word where there is none, and there is none in each read")]
    ended: Cell<Option<Box<Vec<Ended>>>>,
    listed: bool,
}

impl<'a> Deaths<'a> {
    #[inline]
    pub(super) fn new(observer: &'a Option<Box<dyn Observer>>) -> Self {
        Self { observer, ended: Cell::new(None), listed: true }
    }

    /// The same for sessions that have been taken off the index of principals before.
    pub(super) fn unlisted(observer: &'a Option<Box<dyn Observer>>) -> Self {
        Self { observer, ended: Cell::new(None), listed: false }
    }

    /// Notes a version that this thread has killed under `guard`.
    pub(super) fn note<P: Payload>(&self, version: EntryRef<'_, P>, cause: RemovalCause, guard: &Guard) {
        let Some(observer) = self.observer else { return };
        let Overrides { binding, serial, .. } = version.overrides();
        if binding.is_some() || observer.observes_all() {
            let principal = |binding: Binding| {
                // SAFETY: the session was a user of its account when it was killed, and is until the observer is told.
                *unsafe { binding.account(guard) }.key()
            };
            let bound = binding.map(|binding| (principal(binding), binding));
            let mut ended = self.ended.take().unwrap_or_default();
            ended.push(Ended { key: *version.key(), cause, bound, serial, listed: self.listed });
            self.ended.set(Some(ended));
        }
    }

    #[cold]
    fn report(&self, ended: Vec<Ended>) {
        if let Some(observer) = self.observer {
            ended.into_iter().for_each(|ended| observer.ended(ended));
        }
    }
}

impl Drop for Deaths<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            self.report(*ended);
        }
    }
}
