//! Reporting ended sessions to an observer, after the thread that ended them has unpinned.

use crate::entry::account::{Binding, Use};
use crate::entry::{EntryRef, Key, Overrides, Payload};
use crate::memory::Guard;
use crate::table::RemovalCause;
use core::any::Any;
use core::cell::Cell;

/// A session that has ended.
pub(crate) struct Ended {
    pub(crate) key: Key,
    pub(crate) cause: RemovalCause,
    /// The principal to which it was bound.
    pub(crate) bound: Option<Bound>,
    pub(crate) serial: u64,
    /// Whether the index of principals may still list it.
    pub(crate) listed: bool,
    /// What the observer has taken from its content.
    pub(crate) captured: Captured,
}

/// What an observer takes from the content of an ended session.
pub(crate) type Captured = Option<Box<dyn Any>>;

/// A session's binding to its principal.
pub(crate) struct Bound {
    pub(crate) principal: Key,
    pub(crate) binding: Binding,
    /// The session's use of its account, which the observer has to end. `None` if the session lives on under another
    /// key.
    pub(crate) used: Option<Use>,
}

/// Receives reports of ended sessions.
pub(crate) trait Observer: Send + Sync {
    /// Whether to report sessions that are not bound to a principal.
    fn observes_all(&self) -> bool;

    /// Is called once for each reported session, by the thread that has ended it, while the thread is not pinned.
    fn ended(&self, ended: Ended);

    /// Takes from the text and the payload of an ended session's last version what it needs. Is called before
    /// [`ended`](Self::ended), once, while the thread is pinned. Not for a session that lives on under another key.
    fn capture(&self, text: &str, payload: &dyn Any) -> Captured;
}

/// The sessions that one operation has ended. Reports them when dropped, which has to be after the thread's guard.
pub(super) struct Removals<'a> {
    observer: &'a Option<Box<dyn Observer>>,
    /// Boxed, because it is `None` in nearly every operation, and so takes one word.
    #[expect(clippy::box_collection, reason = "one word where there is none, and there is none in each read")]
    ended: Cell<Option<Box<Vec<Ended>>>>,
}

impl<'a> Removals<'a> {
    #[inline]
    pub(super) fn new(observer: &'a Option<Box<dyn Observer>>) -> Self {
        Self { observer, ended: Cell::new(None) }
    }

    /// Marks the last added session as removed from the index of principals already.
    pub(super) fn last_is_unlisted(&self) {
        if let Some(mut ended) = self.ended.take() {
            ended.iter_mut().next_back().into_iter().for_each(|last| last.listed = false);
            self.ended.set(Some(ended));
        }
    }

    /// Adds a version that this thread has killed under `guard`.
    pub(super) fn note<P: Payload>(&self, version: EntryRef<'_, P>, cause: RemovalCause, guard: &Guard) {
        let Some(observer) = self.observer else { return };
        if version.is_plain() && !observer.observes_all() {
            return;
        }
        let Overrides { binding, serial, .. } = version.overrides();
        if binding.is_some() || observer.observes_all() {
            let gone_on = cause == RemovalCause::Rotated;
            let bound = binding.map(|binding| {
                // SAFETY: the session uses its account until that use is ended, which has not happened yet.
                let principal = *unsafe { binding.account(guard) }.key();
                // SAFETY: as above. Only one thread ends a session, once.
                let used = if gone_on { None } else { Some(unsafe { binding.into_use() }) };
                Bound { principal, binding, used }
            });
            // Before the list is taken out of its cell, because this may call the store.
            let captured = if gone_on { None } else { observer.capture(version.text(), version.payload()) };
            let mut ended = self.ended.take().unwrap_or_default();
            ended.push(Ended { key: *version.key(), cause, bound, serial, listed: true, captured });
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
