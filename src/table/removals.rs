//! Telling an observer which sessions have ended, once the thread that ended them holds nothing any more.

use crate::entry::account::{Binding, Use};
use crate::entry::{EntryRef, Key, Overrides, Payload};
use crate::events::RemovalCause;
use crate::memory::Guard;
use core::cell::Cell;

/// A session that has ended.
pub(crate) struct Ended {
    pub(crate) key: Key,
    pub(crate) cause: RemovalCause,
    /// The principal that it was bound to.
    pub(crate) bound: Option<Bound>,
    pub(crate) serial: u64,
    /// Whether the index of principals may still list it.
    pub(crate) listed: bool,
}

/// What a session had to do with its principal.
pub(crate) struct Bound {
    pub(crate) principal: Key,
    pub(crate) binding: Binding,
    /// The session's use of its account, for the observer to end; `None` if the session has gone on.
    pub(crate) used: Option<Use>,
}

/// Whoever is told.
pub(crate) trait Observer: Send + Sync {
    /// Whether sessions are of interest that are bound to nobody.
    fn observes_all(&self) -> bool;

    /// Is called once for each session of interest, by the thread that has ended it, which is not pinned then.
    fn ended(&self, ended: Ended);
}

/// What one piece of work has ended. Reports when dropped, which has to be after the thread's guard.
pub(super) struct Removals<'a> {
    observer: &'a Option<Box<dyn Observer>>,
    /// In a box, which there hardly ever is, so that to have no deaths takes two words.
    #[expect(clippy::box_collection, reason = "one word where there is none, and there is none in each read")]
    ended: Cell<Option<Box<Vec<Ended>>>>,
}

impl<'a> Removals<'a> {
    #[inline]
    pub(super) fn new(observer: &'a Option<Box<dyn Observer>>) -> Self {
        Self { observer, ended: Cell::new(None) }
    }

    /// The session that was noted last has been taken off the index of principals before.
    pub(super) fn last_is_unlisted(&self) {
        if let Some(mut ended) = self.ended.take() {
            ended.iter_mut().next_back().into_iter().for_each(|last| last.listed = false);
            self.ended.set(Some(ended));
        }
    }

    /// Notes a version that this thread has killed under `guard`.
    pub(super) fn note<P: Payload>(&self, version: EntryRef<'_, P>, cause: RemovalCause, guard: &Guard) {
        let Some(observer) = self.observer else { return };
        if version.is_plain() && !observer.observes_all() {
            return;
        }
        let Overrides { binding, serial, .. } = version.overrides();
        if binding.is_some() || observer.observes_all() {
            let bound = binding.map(|binding| {
                // SAFETY: the session was a user of its account when this thread ended it, and so is until its use is ended.
                let principal = *unsafe { binding.account(guard) }.key();
                let gone_on = cause == RemovalCause::Rotated;
                // SAFETY: as above. One thread ends a session, once.
                let used = if gone_on { None } else { Some(unsafe { binding.into_use() }) };
                Bound { principal, binding, used }
            });
            let mut ended = self.ended.take().unwrap_or_default();
            ended.push(Ended { key: *version.key(), cause, bound, serial, listed: true });
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

impl Drop for Removals<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            self.report(*ended);
        }
    }
}
