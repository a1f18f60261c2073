//! Threads that use a few sessions at once and write down what they are told, in a shard that never comes to rest.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cloakroom::{Clock, SessionId, SessionStore};

use crate::model::{Operation, Outcome, Settings, Step, Subject};
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

const THREADS: usize = 3;
/// Operations of each thread in a round, and steps of the clock.
const OPERATIONS: usize = 7;
const STEPS: usize = 6;
const SESSIONS: usize = 2;
/// How long the old id of a rotated session may lead to it.
pub(crate) const GRACE: Duration = Duration::from_secs(3_600);

/// An operation on one session, or a step of the clock: when it was called, and when it returned what.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) operation: Operation,
    pub(crate) outcome: Outcome,
    pub(crate) called: usize,
    pub(crate) returned: usize,
}

/// A clock that is moved by hand, and often lets other threads go ahead after it was read: so readings grow old.
#[derive(Clone, Default)]
struct SlowClock(Arc<AtomicU64>);

impl Clock for SlowClock {
    fn now(&self) -> Duration {
        let reading = Duration::from_millis(self.0.load(Ordering::SeqCst));
        if below(3) == 0 {
            (0..=below(4)).for_each(|_| thread::yield_now());
        }
        reading
    }
}

/// A random number of this thread's.
fn below(bound: usize) -> usize {
    static THREAD: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static STATE: Cell<u64> = Cell::new(THREAD.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed));
    }
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    (state >> 16) as usize % bound
}

struct Shared {
    store: SessionStore,
    clock: SlowClock,
    stamp: AtomicUsize,
    /// Rounds begun; how many threads have ended the present one; whether all is over.
    round: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
    /// Each session's ids: its first, and those that it has been given since. An id can be rotated once, so the session
    /// of the model's number `n` is the one with the `n`th of them.
    sessions: Mutex<Vec<Vec<SessionId>>>,
    histories: Mutex<Vec<Vec<Event>>>,
}

pub(crate) struct Recorder {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    churn: JoinHandle<usize>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let clock = SlowClock::default();
        let store = SessionStore::builder().ttl(SETTINGS.ttl).shards(SETTINGS.shards).clock(clock.clone()).build();
        let shared = Arc::new(Shared {
            store: store.expect("the settings are valid"),
            clock,
            stamp: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            sessions: Mutex::default(),
            histories: Mutex::default(),
        });
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.take_part(number))
        };
        let threads = (0..THREADS).map(spawn).collect();
        let churning = Arc::clone(&shared);
        let churn = thread::spawn(move || churning.churn());
        Self { shared, threads, churn }
    }

    /// Creates some sessions, has the threads use them while the clock moves on, and returns each one's history.
    pub(crate) fn round(&mut self, number: usize) -> Vec<Vec<Event>> {
        let shared = &*self.shared;
        let create = |_| {
            let (mut id, mut history) = (None, Vec::new());
            shared.record(&mut history, Operation::Create, |_| {
                let created = shared.store.create();
                Outcome::Created(created.map(|new| id = Some(new)).map(|()| 0))
            });
            (vec![id.expect("there is room")], history)
        };
        let (ids, histories): (Vec<_>, Vec<_>) = (0..SESSIONS).map(create).unzip();
        *locked(&shared.sessions) = ids;
        *locked(&shared.histories) = histories;
        shared.ended.store(0, Ordering::SeqCst);
        shared.round.store(number + 1, Ordering::SeqCst);
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            (0..below(6)).for_each(|_| thread::yield_now());
            let span = 1 + below(2) as u64;
            shared.record(&mut steps, Operation::Advance(Duration::from_millis(span)), |_| {
                shared.clock.0.fetch_add(span, Ordering::SeqCst);
                Outcome::Nothing
            });
        }
        while shared.ended.load(Ordering::SeqCst) < THREADS {
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a thread panicked");
            thread::yield_now();
        }
        locked(&shared.sessions).iter().flatten().for_each(|id| _ = shared.store.delete(id));
        let mut histories = std::mem::take(&mut *locked(&shared.histories));
        histories.iter_mut().for_each(|history| history.extend(steps.iter().cloned()));
        histories
    }

    /// Ends the threads and says how often the table has grown and shrunk.
    pub(crate) fn end(self) -> usize {
        self.shared.over.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        let waves = self.churn.join().expect("no thread panics");
        self.shared.clock.0.fetch_add(1_000, Ordering::SeqCst);
        self.shared.store.evict_expired();
        assert_eq!(self.shared.store.count(), 0);
        waves
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics")
}

impl Shared {
    fn record(&self, events: &mut Vec<Event>, operation: Operation, call: impl FnOnce(&Operation) -> Outcome) {
        let called = self.stamp.fetch_add(1, Ordering::SeqCst);
        let outcome = call(&operation);
        let returned = self.stamp.fetch_add(1, Ordering::SeqCst);
        events.push(Event { operation, outcome, called, returned });
    }

    /// One thread's part in each round.
    fn take_part(&self, thread: usize) {
        for round in 1.. {
            while self.round.load(Ordering::SeqCst) < round {
                if self.over.load(Ordering::SeqCst) {
                    return;
                }
                thread::yield_now();
            }
            let mut events: Vec<Vec<Event>> = vec![Vec::new(); SESSIONS];
            let mut noted: [Noted; SESSIONS] = Default::default();
            for number in 0..OPERATIONS {
                let session = below(SESSIONS);
                let ids = locked(&self.sessions)[session].clone();
                // The newest id, or any: an old one may still lead to it.
                let which = if below(2) == 0 { ids.len() - 1 } else { below(ids.len()) };
                let operation =
                    random_operation(session, Subject::Numbered(which), thread, &format!("{thread}-{number}"));
                self.record(&mut events[session], operation, |operation| match operation {
                    Operation::Rotate(_, grace) => self.rotate(session, &ids[which], *grace),
                    other => ask(&self.store, &ids[which], &mut noted[session], other),
                });
            }
            locked(&self.histories).iter_mut().zip(events).for_each(|(history, events)| history.extend(events));
            self.ended.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Lets the other threads know the new id before it returns: nobody knows it earlier than the model's rotation
    /// takes place.
    fn rotate(&self, session: usize, id: &SessionId, grace: Duration) -> Outcome {
        Outcome::Rotated(self.store.rotation(id).grace(grace).rotate().map(|new| {
            let ids = &mut locked(&self.sessions)[session];
            ids.push(new);
            ids.len() - 1
        }))
    }

    /// Creates and deletes so many other sessions that the table is always on its way to another size, and sweeps. Says
    /// how often it did.
    fn churn(&self) -> usize {
        let mut waves = 0;
        while !self.over.load(Ordering::SeqCst) {
            let create = |_| self.store.create_with([("other", "session")]).expect("there is room");
            let ids: Vec<_> = (0..200).map(create).collect();
            // Those that have expired by now are gone.
            ids.iter().for_each(|id| _ = self.store.delete(id));
            if waves % 2 == 0 {
                self.store.evict_expired();
            }
            waves += 1;
        }
        waves
    }
}

/// An operation on the session of this index, `value` being one that nobody else sets. A thread notes versions in the
/// place of its own number.
///
/// Only the second session is rotated, and what looks at that touches it. A change counts from a reading of the clock
/// that is made before it takes effect. Who saw in between, without a touch, that it had not taken effect would show
/// that it came after a step of the clock that it does not know of, and no order would explain that the session then
/// expires by the earlier reading. So there are no `Exists` and no refusals that leave a live session untouched where
/// rotations are, and no `Note` anywhere.
///
/// A rotation with grace takes effect at one instant as well. The grace is far longer than the clock moves, so that it
/// is never over.
fn random_operation(index: usize, session: Subject, thread: usize, value: &str) -> Operation {
    let key = || ["a", "b"][below(2)].to_owned();
    let value = value.to_owned();
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
        20 => Operation::Snapshot(thread, session),
        21.. if index == 0 => match below(5) {
            0 => Operation::Update(session, vec![Step::Clear, Step::Abandon]),
            1 | 2 => Operation::SetIf(thread, session, key(), value),
            _ => Operation::Exists(session),
        },
        21..23 => Operation::Touch(session),
        _ => Operation::Rotate(session, [Duration::ZERO, GRACE, GRACE][below(3)]),
    }
}
