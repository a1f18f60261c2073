//! What operations tell the writing thread, and how they wait for it.
//!
//! An operation pushes a *note* with the id of the session onto a queue, and gets a *ticket*, the number of notes
//! pushed so far. The writing thread reads that number, empties the queue, and commits. Then all notes with tickets up
//! to that number are on disk. So threads that wait at the same time share a commit.
//!
//! A note does not say what has happened. The writing thread looks at the session when it writes, so the order of notes
//! does not matter: a session that has ended is not found, and its record is removed.

use crate::error::NotDurable;
use crate::names::Names;
use crate::options::{Changes, Waiting, WhenFailing};
use crate::records::Restore;
use crate::trace;
use cloakroom::{Principal, RemovalCause, SessionId};
use crossbeam_queue::SegQueue;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A session whose record has to be written.
pub(crate) struct Note {
    pub(crate) id: SessionId,
    /// Another one, in the same commit.
    pub(crate) and: Option<SessionId>,
    /// Whether a thread may be waiting for it.
    pub(crate) urgent: bool,
}

/// How far the writing thread is.
#[derive(Default)]
struct Progress {
    /// All urgent notes up to this ticket are on disk.
    durable: u64,
    /// All notes up to this ticket are on disk.
    flushed: u64,
    /// The latest ticket that somebody waits to have flushed.
    to_flush: u64,
    urgent: bool,
    stopping: bool,
    closed: bool,
    wakers: Vec<Waker>,
    failure: Option<(Instant, io::ErrorKind)>,
    /// Attempts to write that have failed.
    failures: u64,
    commits: u64,
    waiting_to_be_written: usize,
}

/// The journal of a store that is kept on disk.
pub(crate) struct Journal {
    pub(crate) names: Names,
    notes: SegQueue<Note>,
    pushed: AtomicU64,
    last_urgent: AtomicU64,
    /// Whether restored sessions may wait under their stand-ins.
    any_waiting: AtomicBool,
    closed: AtomicBool,
    /// Whether the last attempt to write has failed.
    failing: AtomicBool,
    when_failing: WhenFailing,
    /// Puts sessions that are not restored yet into the store.
    restorer: OnceLock<Weak<dyn Restore>>,
    changes: Changes,
    waiting: Waiting,
    progress: Mutex<Progress>,
    /// Wakes the writing thread and the scanning thread.
    work: Condvar,
    /// Wakes those that wait for the disk.
    done: Condvar,
}

thread_local! {
    /// For each journal, the ticket for which this thread has to wait before its operation returns.
    static OWED: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
    /// The journals of which operations of this thread do not wait.
    static DEFERRED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// What the writing thread has to do.
pub(crate) struct Work {
    /// Everything, not only what is urgent.
    pub(crate) all: bool,
    pub(crate) stop: bool,
}

impl Journal {
    pub(crate) fn new(names: Names, changes: Changes, waiting: Waiting, when_failing: WhenFailing) -> Self {
        Self {
            names,
            notes: SegQueue::new(),
            pushed: AtomicU64::new(0),
            last_urgent: AtomicU64::new(0),
            any_waiting: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            when_failing,
            restorer: OnceLock::new(),
            changes,
            waiting,
            progress: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Pushes a note. If it is urgent, this thread has to wait before its operation returns.
    pub(crate) fn push(&self, note: Note) {
        let urgent = note.urgent;
        if !self.closed.load(Ordering::Relaxed) {
            self.notes.push(note);
        }
        // Release: the note comes before its ticket; pairs with the load in `take`.
        let ticket = self.pushed.fetch_add(1, Ordering::Release) + 1;
        if urgent {
            self.last_urgent.fetch_max(ticket, Ordering::Relaxed);
            owe(self.address(), ticket);
            self.progress().urgent = true;
            self.work.notify_all();
        }
    }

    /// Shows all notes, and returns the ticket up to which they were.
    pub(crate) fn take(&self, mut f: impl FnMut(Note)) -> u64 {
        // Acquire: the notes up to this ticket; pairs with the increment in `push`.
        let ticket = self.pushed.load(Ordering::Acquire);
        while let Some(note) = self.notes.pop() {
            f(note);
        }
        ticket
    }

    /// Waits until there is something urgent, everything is to be flushed, or `until`.
    pub(crate) fn wait_for_work(&self, until: Instant) -> Work {
        let mut progress = self.progress();
        loop {
            let all = progress.to_flush > progress.flushed && progress.failure.is_none();
            let now = Instant::now();
            if progress.urgent || all || progress.stopping || now >= until {
                progress.urgent = false;
                return Work { all: all || now >= until, stop: progress.stopping };
            }
            progress = self.work.wait_timeout(progress, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for this time, or until everything stops. Returns whether it does.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut progress = self.progress();
        loop {
            let now = Instant::now();
            if progress.stopping || now >= until {
                return progress.stopping;
            }
            progress = self.work.wait_timeout(progress, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tells how far the writing thread is: up to `ticket` it has written what is urgent, and everything if `all` is
    /// set.
    pub(crate) fn written(&self, ticket: u64, all: bool, left: usize, commits: u64) {
        let mut progress = self.progress();
        progress.durable = progress.durable.max(ticket);
        if all {
            progress.flushed = progress.flushed.max(ticket);
        }
        progress.commits = commits;
        let failure = progress.failure.take();
        progress.waiting_to_be_written = left;
        self.failing.store(false, Ordering::Relaxed);
        self.wake(progress);
        if let Some((since, _)) = failure {
            trace::recovered(since.elapsed());
        }
    }

    /// Tells that writing has failed. Nobody waits until it works again.
    pub(crate) fn failed(&self, kind: io::ErrorKind, left: usize) {
        let mut progress = self.progress();
        let before = progress.failure;
        progress.failure = Some((before.map_or_else(Instant::now, |(since, _)| since), kind));
        progress.failures += 1;
        progress.waiting_to_be_written = left;
        self.failing.store(true, Ordering::Relaxed);
        self.wake(progress);
        if before.is_none() {
            trace::failing(kind, left);
        }
    }

    fn wake(&self, mut progress: MutexGuard<'_, Progress>) {
        let wakers = core::mem::take(&mut progress.wakers);
        drop(progress);
        self.done.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Stops both threads.
    pub(crate) fn stop(&self) {
        self.progress().stopping = true;
        self.work.notify_all();
    }

    /// Tells that nothing will be written any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let mut progress = self.progress();
        progress.closed = true;
        self.wake(progress);
    }

    /// Blocks until notes up to this ticket are on disk.
    pub(crate) fn wait(&self, ticket: u64, all: bool) -> Result<(), NotDurable> {
        let mut progress = self.progress();
        loop {
            if let Some(result) = progress.outcome(ticket, all) {
                return result;
            }
            progress.want(ticket, all);
            self.work.notify_all();
            progress = self.done.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn poll(&self, ticket: u64, context: &mut Context<'_>) -> Poll<Result<(), NotDurable>> {
        let mut progress = self.progress();
        if let Some(result) = progress.outcome(ticket, false) {
            return Poll::Ready(result);
        }
        progress.wakers.push(context.waker().clone());
        Poll::Pending
    }

    /// The ticket of the last note.
    pub(crate) fn last(&self) -> u64 {
        self.pushed.load(Ordering::Acquire)
    }

    /// The ticket of the last urgent note.
    pub(crate) fn last_urgent(&self) -> u64 {
        self.last_urgent.load(Ordering::Relaxed)
    }

    /// Runs operations that do not wait for the disk, and returns the ticket for which they would have waited.
    pub(crate) fn deferred<R>(&self, f: impl FnOnce() -> R) -> (R, u64) {
        struct End;
        impl Drop for End {
            fn drop(&mut self) {
                DEFERRED.with_borrow_mut(Vec::pop);
            }
        }
        DEFERRED.with_borrow_mut(|deferred| deferred.push(self.address()));
        let end = End;
        let result = f();
        drop(end);
        (result, take_owed(self.address()))
    }

    /// Sets what puts sessions that are not restored yet into the store.
    pub(crate) fn restore_by(&self, restorer: Weak<dyn Restore>) {
        let _ = self.restorer.set(restorer);
    }

    fn restorer(&self) -> Option<Arc<dyn Restore>> {
        self.restorer.get().and_then(Weak::upgrade)
    }

    pub(crate) fn none_wait_any_more(&self) {
        self.any_waiting.store(false, Ordering::Relaxed);
    }

    /// How many attempts to write have failed.
    #[cfg(feature = "metrics")]
    pub(crate) fn failures(&self) -> u64 {
        self.progress().failures
    }

    /// Since when writing has failed and how, how many commits there were, and how many sessions wait to be written.
    pub(crate) fn health(&self) -> (Option<(Instant, io::ErrorKind)>, u64, usize) {
        let progress = self.progress();
        (progress.failure, progress.commits, progress.waiting_to_be_written)
    }
}

impl Progress {
    /// The outcome for a ticket, if it is known.
    fn outcome(&self, ticket: u64, all: bool) -> Option<Result<(), NotDurable>> {
        if (if all { self.flushed } else { self.durable }) >= ticket {
            return Some(Ok(()));
        }
        (self.closed || self.failure.is_some()).then_some(Err(NotDurable))
    }

    fn want(&mut self, ticket: u64, all: bool) {
        if all {
            self.to_flush = self.to_flush.max(ticket);
        } else {
            self.urgent = true;
        }
    }
}

fn owe(journal: usize, ticket: u64) {
    OWED.with_borrow_mut(|owed| match owed.iter_mut().find(|(to, _)| *to == journal) {
        Some((_, owed)) => *owed = ticket,
        None => owed.push((journal, ticket)),
    });
}

/// The ticket for which this thread has to wait, 0 for none.
fn take_owed(journal: usize) -> u64 {
    OWED.with_borrow_mut(|owed| {
        let at = owed.iter().position(|(to, _)| *to == journal);
        at.map_or(0, |at| owed.swap_remove(at).1)
    })
}

impl cloakroom::Journal for Journal {
    fn changed(&self, id: &SessionId) {
        self.push(Note { id: *id, and: None, urgent: self.changes == Changes::BeforeReturn });
    }

    fn ended(&self, id: &SessionId, cause: RemovalCause) {
        // Its record says until when the session lives.
        let expired = matches!(cause, RemovalCause::IdleTimeout | RemovalCause::AbsoluteTimeout);
        self.push(Note { id: *id, and: None, urgent: !expired });
    }

    fn rotated(&self, old: &SessionId, new: &SessionId) {
        self.push(Note { id: *old, and: Some(*new), urgent: true });
    }

    fn refuses_rotations(&self) -> bool {
        self.when_failing == WhenFailing::RefuseRotations && self.failing.load(Ordering::Relaxed)
    }

    fn settle(&self) {
        let address = self.address();
        if DEFERRED.with_borrow(|deferred| deferred.contains(&address)) {
            return;
        }
        let ticket = take_owed(address);
        if ticket > 0 && self.waiting == Waiting::InCall {
            // The session has ended in memory. If the disk fails, the health says so, and the thread goes on trying.
            let _ = self.wait(ticket, false);
        }
    }

    fn stand_in(&self, id: &SessionId) -> Option<SessionId> {
        if !self.any_waiting.load(Ordering::Relaxed) || self.names.is_stand_in(id) {
            return None;
        }
        let key = self.names.disk_key(id);
        if self.restorer().is_some_and(|restorer| restorer.bring(&key)) {
            // It has ended just now, and its client is about to hear that.
            cloakroom::Journal::settle(self);
        }
        Some(self.names.stand_in(&key))
    }

    fn restore_of(&self, principal: &Principal) {
        if let Some(restorer) = self.restorer() {
            restorer.bring_of(principal);
        }
    }

    fn restore_all(&self) {
        if let Some(restorer) = self.restorer() {
            restorer.bring_all();
        }
    }

    fn is_stand_in(&self, id: &SessionId) -> bool {
        self.names.is_stand_in(id)
    }

    fn claimed(&self, _: &SessionId, id: &SessionId) {
        // Its record is right, but from now on the writing thread has to look for it under this id.
        self.push(Note { id: *id, and: None, urgent: false });
    }
}
