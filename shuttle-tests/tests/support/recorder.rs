//! Threads that use a few sessions at once and write down what they are told, while another one has the table grow and
//! shrink, and the clock moves on.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::{Clock, SessionId, SessionStore};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use crate::checker::explained;
use crate::model::{Operation, Outcome, Settings, Subject};

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

const THREADS: usize = 4;
/// Operations of each thread, and steps of the clock.
const OPERATIONS: usize = 8;
const STEPS: usize = 5;
const SESSIONS: usize = 2;
/// How long the old id of a rotated session may lead to it: far longer than the clock moves.
const GRACE: Duration = Duration::from_secs(3_600);

/// An operation on one session, or a step of the clock: when it was called, and when it returned what.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) operation: Operation,
    pub(crate) outcome: Outcome,
    pub(crate) called: usize,
    pub(crate) returned: usize,
}

/// A clock that is moved by hand.
#[derive(Clone, Default)]
pub(crate) struct Moved(pub(crate) Arc<AtomicU64>);

impl Clock for Moved {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What was told, session by session, and the time of all that is told.
#[derive(Default)]
struct Record {
    time: usize,
    histories: [Vec<Event>; SESSIONS],
}

struct Shared {
    store: SessionStore,
    clock: Moved,
    /// Each session's ids: its first, and those that it has been given since. The session of the model's number `n` is
    /// the one with the `n`th of them. Never locked while another thread runs.
    ids: Mutex<[Vec<SessionId>; SESSIONS]>,
}

impl Shared {
    /// One of a session's ids, and its number: the newest, or any.
    fn pick(&self, session: usize, newest: bool) -> (usize, SessionId) {
        let ids = self.ids.lock().expect("no thread panics")[session].clone();
        let number = if newest { ids.len() - 1 } else { thread_rng().gen_range(0..ids.len()) };
        (number, ids[number])
    }

    /// Lets the other threads know the new id at once.
    fn keep(&self, session: usize, new: SessionId) -> usize {
        let ids = &mut self.ids.lock().expect("no thread panics")[session];
        ids.push(new);
        ids.len() - 1
    }
}

// All threads of an execution run on one thread of the system, in turn.
thread_local! {
    static RECORD: Rc<RefCell<Record>> = Rc::default();
}

fn with_record<R>(f: impl FnOnce(&mut Record) -> R) -> R {
    RECORD.with(|record| f(&mut record.borrow_mut()))
}

fn instant() -> usize {
    with_record(|record| {
        record.time += 1;
        record.time
    })
}

/// Records an operation on a session; a step of the clock is recorded for all.
fn record(session: Option<usize>, operation: Operation, call: impl FnOnce(&Operation) -> Outcome) {
    let called = instant();
    let outcome = call(&operation);
    let returned = instant();
    let event = Event { operation, outcome, called, returned };
    with_record(|record| {
        let concerned =
            record.histories.iter_mut().enumerate().filter(|(index, _)| session.is_none_or(|it| it == *index));
        concerned.for_each(|(_, history)| history.push(event.clone()));
    });
}

pub(crate) fn execute() {
    with_record(|record| *record = Record::default());
    let clock = Moved::default();
    let store = SessionStore::builder().ttl(SETTINGS.ttl).shards(SETTINGS.shards).clock(clock.clone()).build();
    let store = store.expect("the settings are valid");
    let mut ids: [Vec<_>; SESSIONS] = Default::default();
    for (session, ids) in ids.iter_mut().enumerate() {
        record(Some(session), Operation::Create, |_| {
            Outcome::Created(store.create().map(|id| ids.push(id)).map(|()| 0))
        });
    }
    let shared = Arc::new(Shared { store, clock, ids: Mutex::new(ids) });
    let spawn = |work: fn(&Shared, usize), number| {
        let shared = shared.clone();
        thread::spawn(move || work(&shared, number))
    };
    let mut threads: Vec<_> = (0..THREADS).map(|number| spawn(use_sessions, number)).collect();
    threads.push(spawn(grow_and_shrink, 0));
    threads.push(spawn(move_the_clock, 0));
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    at_the_end(&shared);
    for history in with_record(|record| std::mem::take(&mut record.histories)) {
        assert!(explained(SETTINGS, &history), "nothing explains {history:#?}");
    }
    assert!(Arc::into_inner(shared).is_some(), "the threads have ended");
}

/// All is as the last look at each session says, and nothing is left of any in the end.
fn at_the_end(shared: &Shared) {
    let mut live = 0;
    for session in 0..SESSIONS {
        let (number, id) = shared.pick(session, true);
        record(Some(session), Operation::Read(Subject::Numbered(number)), |operation| {
            let outcome = call(shared, session, &id, operation);
            live += usize::from(matches!(outcome, Outcome::Read(Some(_))));
            outcome
        });
    }
    shared.store.evict_expired();
    assert_eq!(shared.store.count(), live, "sessions counted and sessions live");
    let ids = shared.ids.lock().expect("no thread panics").concat();
    let deleted = ids.iter().filter(|id| shared.store.delete(id)).count();
    assert_eq!((deleted, shared.store.count()), (live, 0));
}

/// One thread's operations.
fn use_sessions(shared: &Shared, thread: usize) {
    for number in 0..OPERATIONS {
        let session = thread_rng().gen_range(0..SESSIONS);
        let (which, id) = shared.pick(session, thread_rng().gen_range(0..2_usize) == 0);
        let operation = random_operation(session, Subject::Numbered(which), &format!("{thread}-{number}"));
        record(Some(session), operation, |operation| call(shared, session, &id, operation));
    }
}

fn call(shared: &Shared, session: usize, id: &SessionId, operation: &Operation) -> Outcome {
    let store = &shared.store;
    match operation {
        Operation::Rotate(_, grace) => {
            let rotated = store.rotation(id).grace(*grace).rotate();
            Outcome::Rotated(rotated.map(|new| shared.keep(session, new)))
        }
        Operation::Touch(_) => Outcome::Was(store.touch(id)),
        Operation::Set(_, key, value) => Outcome::Set(store.set(id, key, value)),
        Operation::Get(_, key) => Outcome::Got(store.get(id, key)),
        Operation::Exists(_) => Outcome::Was(store.exists(id)),
        Operation::Delete(_) => Outcome::Was(store.delete(id)),
        Operation::Read(_) => {
            Outcome::Read(store.read(id, |attributes| {
                attributes.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
            }))
        }
        other => unreachable!("{other:?} is no operation on a session"),
    }
}

/// An operation on the session of this index, `value` being one that no other operation sets. Only the second session
/// is rotated, and what looks at that touches it, as in the histories of real threads.
fn random_operation(index: usize, session: Subject, value: &str) -> Operation {
    let key = || ["a", "b"][thread_rng().gen_range(0..2_usize)].to_owned();
    match thread_rng().gen_range(0..16_usize) {
        0..6 => Operation::Set(session, key(), value.to_owned()),
        // Perhaps the value that it has already.
        6 => Operation::Set(session, key(), "same".to_owned()),
        7..10 => Operation::Get(session, key()),
        10..12 => Operation::Read(session),
        12..15 if index == 0 => Operation::Exists(session),
        12 => Operation::Touch(session),
        13 => Operation::Rotate(session, Duration::ZERO),
        14 => Operation::Rotate(session, GRACE),
        _ => Operation::Delete(session),
    }
}

/// Creates and deletes other sessions, so that arrays are left all the time, and sweeps.
fn grow_and_shrink(shared: &Shared, _: usize) {
    for wave in 0..2 {
        let ids: Vec<_> = (0..5).map(|_| shared.store.create().expect("there is room")).collect();
        // Those that have expired by now are gone.
        ids.iter().for_each(|id| _ = shared.store.delete(id));
        if wave == 0 {
            shared.store.evict_expired();
        }
    }
}

fn move_the_clock(shared: &Shared, _: usize) {
    for _ in 0..STEPS {
        let span = thread_rng().gen_range(1..=2_u64);
        record(None, Operation::Advance(Duration::from_millis(span)), |_| {
            shared.clock.0.fetch_add(span, Ordering::SeqCst);
            Outcome::Nothing
        });
    }
}
