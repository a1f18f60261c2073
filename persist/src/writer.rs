//! The two threads: one writes, the other looks for sessions that were used.

use crate::disk::{Disk, Failure};
use crate::journal::{Journal, Note};
use crate::keys::Keys;
use crate::names::DiskKey;
use crate::record;
use crate::time::{Timeline, milliseconds};
use cloakroom::{SessionId, SessionStore, SessionView};
use cloakroom_codec::Kept;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The number of sessions that go into a commit besides the urgent ones. A commit takes the longer the more pages it
/// writes, and the urgent ones wait for it. The more sessions have to be written, the more of them are in one page.
fn chunk(left: usize) -> usize {
    (left / 32).clamp(1_024, 32_768)
}

/// If more than one session in this many has changed, a new file takes less time than changing the present one, which
/// writes a page of 4 KiB for a session of some hundred bytes.
const MOST_CHANGED: usize = 8;

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

    /// The key of a session on disk, and its id if it has got it back.
    fn names_of(&self, session: &SessionView<'_, T>) -> (DiskKey, Option<SessionId>) {
        let (id, names) = (session.id(), &self.journal.names);
        (names.disk_key(&id), (!names.is_stand_in(&id)).then_some(id))
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

/// Sessions whose records have to be written, with their ids if these are known. In the order of the database, whose
/// pages hold neighbours: a page that several of them are in is written once.
pub(crate) type Dirty = BTreeMap<DiskKey, Option<SessionId>>;

/// The writing thread.
pub(crate) struct Writer<T: Kept + ?Sized> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) disk: Disk,
    pub(crate) urgent: Dirty,
    pub(crate) later: Dirty,
    /// Where the next chunk of `later` begins.
    pub(crate) next: DiskKey,
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
            let rebuilt = if self.disk.has_failed() { self.rebuild(false) } else { Ok(()) };
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
            self.commit(all)?;
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

    /// Commits what is urgent, and a chunk of the rest if `more` is set.
    fn commit(&mut self, more: bool) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let most = if more { chunk(self.later.len()) } else { 0 };
        // Each chunk goes on where the one before has ended, so that none waits for ever.
        let (before, from) = (self.later.range(..self.next), self.later.range(self.next..));
        let mut batch: Vec<_> = from.chain(before).take(most).map(|(key, id)| (*key, *id)).collect();
        let next = batch.last().map(|(key, _)| *key);
        batch.extend(self.urgent.iter().map(|(key, id)| (*key, *id)));
        batch.sort_unstable_by_key(|(key, _)| *key);
        let changes = batch.iter().map(|(key, id)| (*key, shared.record(key, *id)));
        self.disk.commit_each(changes, shared.timeline.mark(), false)?;
        self.urgent.clear();
        batch.iter().for_each(|(key, _)| _ = self.later.remove(key));
        self.next = next.unwrap_or(self.next);
        Ok(())
    }

    /// Makes the database anew from the sessions in memory.
    fn rebuild(&mut self, clean: bool) -> Result<(), Failure> {
        let (shared, mut sessions) = (Arc::clone(&self.shared), Vec::new());
        shared.store.for_each(|session| sessions.push(shared.names_of(session)));
        sessions.sort_unstable_by_key(|(key, _)| *key);
        let records = sessions.iter().map(|(key, id)| (*key, shared.record(key, *id)));
        self.disk.rebuild(records.filter(|(_, record)| record.is_some()), shared.timeline.mark(), clean)?;
        self.urgent.clear();
        self.later.clear();
        Ok(())
    }

    /// Commits everything, and the last uses of sessions.
    fn finish(&mut self) -> Result<(), Failure> {
        let (shared, mut all) = (Arc::clone(&self.shared), 0);
        let mut sessions: Vec<_> = self.urgent.iter().chain(&self.later).map(|(key, id)| (*key, *id)).collect();
        shared.store.for_each(|session| {
            all += 1;
            if milliseconds(session.idle_for()) <= shared.unwritten_use(session.idle_timeout()) {
                sessions.push(shared.names_of(session));
            }
        });
        // If there is no room for two files, the one that is there will do.
        if sessions.len() < all / MOST_CHANGED || self.rebuild(true).is_err() {
            // Of two notes of a session, the one that knows its id comes first.
            sessions.sort_unstable_by_key(|(key, id)| (*key, id.is_none()));
            sessions.dedup_by_key(|(key, _)| *key);
            let changes = sessions.iter().map(|(key, id)| (*key, shared.record(key, *id)));
            self.disk.commit_each(changes, shared.timeline.mark(), true)?;
        }
        self.urgent.clear();
        self.later.clear();
        self.disk.sync_witness()
    }
}
