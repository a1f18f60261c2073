//! The recorder: threads use a few sessions at once, in a shard that never comes to rest, and record the results.
//!
//! Real threads are recorded in `tests/histories/`, and the threads of a model checker in `verify/shuttle/`. What
//! differs is their [`Runtime`], and when each of them starts and ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use cloakroom::{Clock, SessionId, SessionStore};

use crate::model::{NOTES, Operation, Outcome, Settings, Step, Subject};
use crate::search::Timed;
use crate::subject::{Noted, ask};

pub(crate) const SETTINGS: Settings = Settings {
    ttl: Duration::from_millis(3),
    absolute_timeout: None,
    max_sessions: 0,
    max_sessions_per_principal: 0,
    idlest_makes_room: false,
    max_session_bytes: 65_536,
    max_attributes: 0,
    shards: 1,
};

pub(crate) const SESSIONS: usize = 2;
/// The grace of a rotation: far longer than the clock moves, so that it is never over.
pub(crate) const GRACE: Duration = Duration::from_secs(3_600);

/// The threads that are recorded: real ones, or those of a model checker.
pub(crate) trait Runtime {
    /// A clock that is moved by hand.
    type Clock: Clock + Clone + Default;

    fn advance(clock: &Self::Clock, milliseconds: u64);

    /// A random number.
    fn below(bound: usize) -> usize;

    /// Lets other threads run before the clock moves.
    fn pause();
}

/// An operation on one session, or a step of the clock: when it was called, and when it returned what.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) operation: Operation,
    pub(crate) outcome: Outcome,
    pub(crate) called: usize,
    pub(crate) returned: usize,
}

impl Timed for Event {
    fn called(&self) -> usize {
        self.called
    }

    fn returned(&self) -> usize {
        self.returned
    }
}

/// A store that several threads use, and the results that they got.
///
/// No lock is held while the store is called.
pub(crate) struct Recorder<R: Runtime> {
    pub(crate) store: SessionStore,
    pub(crate) clock: R::Clock,
    time: AtomicUsize,
    /// Each session's ids: its first, and those that it has been given since. An id can be rotated once, so the session
    /// of the model's number `n` is the one with the `n`th of them.
    ids: Mutex<Vec<Vec<SessionId>>>,
    histories: Mutex<Vec<Vec<Event>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics")
}

impl<R: Runtime> Recorder<R> {
    pub(crate) fn new() -> Self {
        let clock = R::Clock::default();
        let store = SessionStore::builder().ttl(SETTINGS.ttl).shards(SETTINGS.shards).clock(clock.clone()).build();
        let store = store.expect("the settings are valid");
        Self { store, clock, time: AtomicUsize::new(0), ids: Mutex::default(), histories: Mutex::default() }
    }

    /// Creates the sessions that the threads are about to use.
    pub(crate) fn begin(&self) {
        let create = |_| {
            let (mut id, mut history) = (None, Vec::new());
            self.record(&mut history, Operation::Create, |_| {
                let created = self.store.create();
                Outcome::Created(created.map(|new| id = Some(new)).map(|()| 0))
            });
            (vec![id.expect("there is room")], history)
        };
        let (ids, histories) = (0..SESSIONS).map(create).unzip();
        *locked(&self.ids) = ids;
        *locked(&self.histories) = histories;
    }

    /// Takes each session's history, to which all threads have contributed.
    pub(crate) fn end(&self) -> Vec<Vec<Event>> {
        std::mem::take(&mut *locked(&self.histories))
    }

    /// Every id of every session.
    pub(crate) fn all_ids(&self) -> Vec<SessionId> {
        locked(&self.ids).concat()
    }

    /// One thread's operations.
    pub(crate) fn use_sessions(&self, thread: usize, operations: usize) {
        let mut events: Vec<Vec<Event>> = vec![Vec::new(); SESSIONS];
        let mut noted: [Noted; SESSIONS] = Default::default();
        for number in 0..operations {
            let session = R::below(SESSIONS);
            let ids = locked(&self.ids)[session].clone();
            // The newest id, or any: an old one may still lead to the session.
            let which = if R::below(2) == 0 { ids.len() - 1 } else { R::below(ids.len()) };
            let subject = Subject::Numbered(which);
            let operation = random_operation(R::below, session, subject, thread, &format!("{thread}-{number}"));
            self.record(&mut events[session], operation, |operation| match operation {
                Operation::Rotate(_, grace) => self.rotate(session, &ids[which], *grace),
                other => ask(&self.store, &ids[which], &mut noted[session], other),
            });
        }
        self.contribute(events);
    }

    /// Reads a session under its newest id, and returns whether it is there.
    #[allow(dead_code, reason = "not every runtime looks at sessions from outside")]
    pub(crate) fn look_at(&self, session: usize) -> bool {
        let ids = locked(&self.ids)[session].clone();
        let mut events = vec![Vec::new(); SESSIONS];
        let read = Operation::Read(Subject::Numbered(ids.len() - 1));
        self.record(&mut events[session], read, |operation| {
            ask(&self.store, &ids[ids.len() - 1], &mut Noted::default(), operation)
        });
        let there = matches!(events[session][0].outcome, Outcome::Read(Some(_)));
        self.contribute(events);
        there
    }

    /// Moves the clock on, a step of a millisecond or two at a time.
    pub(crate) fn move_the_clock(&self, steps: usize) {
        let mut events = Vec::new();
        for _ in 0..steps {
            R::pause();
            let span = 1 + R::below(2) as u64;
            self.record(&mut events, Operation::Advance(Duration::from_millis(span)), |_| {
                R::advance(&self.clock, span);
                Outcome::Nothing
            });
        }
        self.contribute(vec![events; SESSIONS]);
    }

    /// Creates and deletes so many other sessions that the table changes its size.
    pub(crate) fn grow_and_shrink(&self, sessions: usize) {
        let create = |_| self.store.create_with([("other", "session")]).expect("there is room");
        let ids: Vec<_> = (0..sessions).map(create).collect();
        // Some may have expired by now.
        ids.iter().for_each(|id| _ = self.store.delete(id));
    }

    fn record(&self, events: &mut Vec<Event>, operation: Operation, call: impl FnOnce(&Operation) -> Outcome) {
        let called = self.time.fetch_add(1, Ordering::SeqCst);
        let outcome = call(&operation);
        let returned = self.time.fetch_add(1, Ordering::SeqCst);
        events.push(Event { operation, outcome, called, returned });
    }

    fn contribute(&self, events: Vec<Vec<Event>>) {
        locked(&self.histories).iter_mut().zip(events).for_each(|(history, events)| history.extend(events));
    }

    /// Lets the other threads know the new id before the operation returns. No thread knows it before the rotation
    /// takes effect.
    fn rotate(&self, session: usize, id: &SessionId, grace: Duration) -> Outcome {
        Outcome::Rotated(self.store.rotation(id).grace(grace).rotate().map(|new| {
            let ids = &mut locked(&self.ids)[session];
            ids.push(new);
            ids.len() - 1
        }))
    }
}

/// An operation on the session of this index; no other operation sets the same `value`. A thread notes versions in the
/// place of its own number, if there is one.
///
/// Only the second session is rotated, and all operations on that one touch it. A change counts from a reading of the
/// clock that is made before the change takes effect. If a thread saw in between, without a touch, that the change had
/// not taken effect, the change would have to come after a step of the clock that it does not know of. No order would
/// explain that the session then expires by the earlier reading. So there are no `Exists` and no refusals that leave a
/// live session untouched where there are rotations, and no `Note` anywhere.
fn random_operation(
    below: impl Fn(usize) -> usize,
    index: usize,
    session: Subject,
    thread: usize,
    value: &str,
) -> Operation {
    let key = || ["a", "b"][below(2)].to_owned();
    let (value, notes) = (value.to_owned(), thread < NOTES);
    match below(26) {
        0..6 => Operation::Set(session, key(), value),
        // Perhaps the value that it has already.
        6..8 => Operation::Set(session, key(), "same".to_owned()),
        8..10 => Operation::Get(session, key()),
        10..12 => Operation::Read(session),
        12 => Operation::Delete(session),
        13..15 => Operation::Take(session, key()),
        15 => Operation::Remove(session, key()),
        16 => Operation::Clear(session),
        17..19 => Operation::Increment(session, "n".to_owned(), 1),
        19 => Operation::Update(session, vec![Step::Remove("a".to_owned()), Step::Set("b".to_owned(), value)]),
        20 if notes => Operation::Snapshot(thread, session),
        20 => Operation::Read(session),
        21.. if index == 0 => match below(5) {
            0 => Operation::Update(session, vec![Step::Clear, Step::Abandon]),
            1 | 2 if notes => Operation::SetIf(thread, session, key(), value),
            _ => Operation::Exists(session),
        },
        21..23 => Operation::Touch(session),
        _ => Operation::Rotate(session, [Duration::ZERO, GRACE, GRACE][below(3)]),
    }
}
