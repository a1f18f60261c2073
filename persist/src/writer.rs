//! The two threads: one writes, the other looks for sessions that were used.

use crate::disk::{Change, Disk, Failure};
use crate::journal::{Journal, Note};
use crate::keys::Keys;
use crate::names::DiskKey;
use crate::record;
use crate::time::{Timeline, milliseconds};
use cloakroom::{SessionId, SessionStore, SessionView};
use cloakroom_codec::Kept;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most sessions of a commit besides the urgent ones, so that these do not wait long.
const CHUNK: usize = 1_024;

/// The most time between two commits, so that the timeline's mark is not old after a crash.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The pauses between two attempts to make the database anew after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What both threads need.
pub(crate) struct Shared<T: Kept + ?Sized> {
    pub(crate) store: Arc<SessionStore<T>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) timeline: Timeline,
    pub(crate) keys: Keys,
    /// The time between two looks at all sessions.
    pub(crate) scan: Duration,
}

impl<T: Kept + ?Sized> Shared<T> {
    /// The record of a session as it is now, if it is live. `id` is the session's id, if it is known.
    fn record(&self, key: &DiskKey, id: Option<SessionId>) -> Option<Vec<u8>> {
        let names = &self.journal.names;
        let id = id.unwrap_or_else(|| names.stand_in(key));
        let record = self.store.export(&id, |session, carried| {
            // Not a session to which the id merely forwards.
            (names.disk_key(&session.id()) == *key).then(|| {
                // Rounded up, so that the session does not expire early.
                let now = self.timeline.now() + 1;
                record::write(key, carried, now, &self.keys, |content| session.content().write(content))
            })
        });
        record.flatten()
    }

    /// An eighth of an idle timeout, in milliseconds.
    fn eighth(timeout: Duration) -> u64 {
        (milliseconds(timeout) / 8).max(1)
    }

    /// For how long a use of a session with this idle timeout may be missing from its record.
    pub(crate) fn unwritten_use(&self, timeout: Duration) -> u64 {
        Self::eighth(timeout).saturating_add(2 * milliseconds(self.scan))
    }

    /// Whether the use of a session has to be written, by a look at `now` after one at `before`: an eighth of its idle
    /// timeout is over, and it was used meanwhile.
    fn is_due(&self, session: &SessionView<'_, T>, before: u64, now: u64) -> bool {
        let eighth = Self::eighth(session.idle_timeout());
        before / eighth != now / eighth
            && milliseconds(session.idle_for()) <= self.unwritten_use(session.idle_timeout())
    }

    /// Looks at all sessions, again and again.
    pub(crate) fn scan(&self) {
        let (mut before, mut none_waiting_since) = (self.timeline.now(), None);
        while !self.journal.pause(self.scan) {
            let (now, mut waiting) = (self.timeline.now(), 0);
            self.store.for_each(|session| {
                let id = session.id();
                waiting += usize::from(self.journal.names.is_stand_in(&id));
                if self.is_due(session, before, now) {
                    self.journal.push(Note { id, and: None, urgent: false });
                }
            });
            before = now;
            // A stand-in forwards for five minutes, and threads may be suspended.
            none_waiting_since = if waiting == 0 { none_waiting_since.or(Some(now)) } else { None };
            if none_waiting_since.is_some_and(|since| now - since > 600_000) {
                self.journal.none_wait_any_more();
            }
        }
    }
}

/// Sessions whose records have to be written, with their ids if these are known.
pub(crate) type Dirty = HashMap<DiskKey, Option<SessionId>>;

/// The writing thread.
pub(crate) struct Writer<T: Kept + ?Sized> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) disk: Disk,
    pub(crate) urgent: Dirty,
    pub(crate) later: Dirty,
    /// The time between two commits of what is not urgent.
    pub(crate) interval: Duration,
}

impl<T: Kept + ?Sized> Writer<T> {
    /// Writes until it is stopped, then everything that is left. Returns whether all is on disk.
    pub(crate) fn run(mut self) -> bool {
        let (mut due, mut last, mut pause) = (Instant::now() + self.interval, Instant::now(), FIRST_PAUSE);
        loop {
            let work = self.shared.journal.wait_for_work(due);
            let ticket = self.take();
            let rebuilt = if self.disk.has_failed() { self.rebuild() } else { Ok(()) };
            let result = rebuilt.and_then(|()| match work.stop {
                true => self.finish(),
                false => self.write(ticket, work.all, &mut last),
            });
            self.report(ticket, &result);
            if work.stop {
                let closed = result.and_then(|()| self.disk.close());
                self.shared.journal.close();
                return closed.is_ok();
            }
            match result {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    if work.all {
                        due = Instant::now() + self.interval;
                    }
                }
                Err(_) => {
                    // What is urgent has failed too, and would otherwise be tried again at once.
                    if self.shared.journal.pause(pause) {
                        continue;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    due = Instant::now();
                }
            }
        }
    }

    /// Tells those that wait.
    fn report(&self, ticket: u64, result: &Result<(), Failure>) {
        let left = self.urgent.len() + self.later.len();
        match result {
            Ok(()) => self.shared.journal.written(ticket, self.later.is_empty(), left, self.disk.commits()),
            Err(failure) => {
                let kind = if let redb::Error::Io(error) = &**failure { error.kind() } else { io::ErrorKind::Other };
                self.shared.journal.failed(kind, left);
            }
        }
    }

    /// Takes all notes, and returns the ticket up to which they were.
    fn take(&mut self) -> u64 {
        let (names, urgent, later) = (&self.shared.journal.names, &mut self.urgent, &mut self.later);
        self.shared.journal.take(|note| {
            for id in [Some(note.id), note.and].into_iter().flatten() {
                let key = names.disk_key(&id);
                let known = (!names.is_stand_in(&id)).then_some(id);
                let before = later.get(&key).or(urgent.get(&key)).copied().flatten();
                let id = known.or(before);
                if note.urgent || urgent.contains_key(&key) {
                    later.remove(&key);
                    urgent.insert(key, id);
                } else {
                    later.insert(key, id);
                }
            }
        })
    }

    /// Commits what is urgent, and all the rest in chunks if `all` is set.
    fn write(&mut self, ticket: u64, all: bool, last: &mut Instant) -> Result<(), Failure> {
        if self.urgent.is_empty() && (!all || self.later.is_empty()) && last.elapsed() < HEARTBEAT {
            return Ok(());
        }
        let beat = last.elapsed() >= HEARTBEAT;
        let mut ticket = ticket;
        loop {
            self.commit(if all { CHUNK } else { 0 }, false)?;
            *last = Instant::now();
            if !all || self.later.is_empty() {
                break;
            }
            self.report(ticket, &Ok(()));
            // What has become urgent meanwhile goes with the next chunk.
            ticket = self.take();
        }
        if beat { self.disk.sync_witness() } else { Ok(()) }
    }

    /// Commits what is urgent, and up to `most` others.
    fn commit(&mut self, most: usize, clean: bool) -> Result<(), Failure> {
        let others = self.later.iter().take(most);
        let sessions: Vec<_> = self.urgent.iter().chain(others).map(|(key, id)| (*key, *id)).collect();
        let mut changes: Vec<Change> = sessions.iter().map(|(key, id)| (*key, self.shared.record(key, *id))).collect();
        // Neighbours are in the same page.
        changes.sort_unstable_by_key(|(key, _)| *key);
        self.disk.commit(&changes, self.shared.timeline.mark(), clean)?;
        self.urgent.clear();
        sessions.iter().for_each(|(key, _)| _ = self.later.remove(key));
        Ok(())
    }

    /// Makes the database anew from the sessions in memory.
    fn rebuild(&mut self) -> Result<(), Failure> {
        let (shared, mut ids) = (Arc::clone(&self.shared), Vec::new());
        shared.store.for_each(|session| ids.push(session.id()));
        self.disk.rebuild(shared.timeline.mark(), |write| {
            for chunk in ids.chunks(4 * CHUNK) {
                let records = chunk.iter().map(|id| {
                    let key = shared.journal.names.disk_key(id);
                    (key, shared.record(&key, Some(*id)))
                });
                let mut records: Vec<Change> = records.filter(|(_, record)| record.is_some()).collect();
                records.sort_unstable_by_key(|(key, _)| *key);
                write(&records)?;
            }
            Ok(())
        })?;
        self.urgent.clear();
        self.later.clear();
        Ok(())
    }

    /// Commits everything, and the last uses of sessions.
    fn finish(&mut self) -> Result<(), Failure> {
        let (shared, later) = (&self.shared, &mut self.later);
        shared.store.for_each(|session| {
            if milliseconds(session.idle_for()) <= shared.unwritten_use(session.idle_timeout()) {
                let (id, names) = (session.id(), &shared.journal.names);
                later.insert(names.disk_key(&id), (!names.is_stand_in(&id)).then_some(id));
            }
        });
        while !self.later.is_empty() || !self.urgent.is_empty() {
            self.commit(4 * CHUNK, false)?;
        }
        self.commit(0, true)?;
        self.disk.sync_witness()
    }
}
