//! `max_bytes` at every instant, with threads at work; and compared with a store that counts and never refuses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::{CreateError, MissingError, RotateError, SessionId, SessionStore, SetError, WhenFull};
use proptest::prelude::*;

use crate::bytes::{bytes, counted, size_of_session};
use crate::support::store_with;

const THREADS: usize = 4;

/// Lengths of values whose sessions are of several sizes.
const LENGTHS: [usize; 5] = [0, 40, 100, 300, 900];

struct Shared {
    store: SessionStore,
    limit: usize,
    /// What sessions take beyond doubt: counted after they became that large, and until before they become smaller.
    certain: AtomicUsize,
    sizes: [usize; LENGTHS.len()],
}

impl Shared {
    fn more(&self, bytes: usize) {
        let before = self.certain.fetch_add(bytes, Ordering::SeqCst);
        assert!(before + bytes <= self.limit, "{} bytes at once", before + bytes);
    }

    fn less(&self, bytes: usize) {
        self.certain.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Creates, changes and deletes sessions of this thread's own. Returns how often it was refused.
    fn come_and_go(&self, number: usize, turns: usize) -> usize {
        let (mut own, mut refused): (Vec<(SessionId, usize)>, _) = (Vec::new(), 0);
        let mut random = number as u64 + 1;
        let mut below = |bound: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % bound
        };
        for _ in 0..turns {
            assert!(bytes(&self.store) <= self.limit);
            let size = below(LENGTHS.len());
            let value = "v".repeat(LENGTHS[size]);
            if own.is_empty() || below(4) == 0 {
                match self.store.create_with([("key", &value)]) {
                    Ok(id) => {
                        self.more(self.sizes[size]);
                        own.push((id, size));
                    }
                    Err(error) => {
                        assert_eq!(error, CreateError::BytesFull);
                        refused += 1;
                    }
                }
                continue;
            }
            let at = below(own.len());
            let (id, before) = own[at];
            if below(4) == 0 {
                self.less(self.sizes[before]);
                assert!(self.store.delete(&id));
                own.swap_remove(at);
            } else if self.sizes[size] <= self.sizes[before] {
                self.less(self.sizes[before] - self.sizes[size]);
                self.store.set(&id, "key", &value).expect("a smaller value always fits");
                own[at].1 = size;
            } else if self.store.set(&id, "key", &value) == Ok(()) {
                self.more(self.sizes[size] - self.sizes[before]);
                own[at].1 = size;
            } else {
                refused += 1;
            }
        }
        for (id, size) in own {
            self.less(self.sizes[size]);
            assert!(self.store.delete(&id));
        }
        refused
    }
}

fn together(work: impl Fn(usize) -> usize + Sync) -> usize {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
    })
}

#[test]
fn the_limit_in_bytes_holds_at_every_instant() {
    let sizes = LENGTHS.map(size_of_session);
    let limit = 12 * size_of_session(300) + 7;
    let (store, _) = store_with(|builder| builder.max_bytes(limit));
    let shared = Shared { store, limit, certain: AtomicUsize::new(0), sizes };
    let refused = together(|number| shared.come_and_go(number, 5_000));
    assert!(refused > 100, "the store was never full");
    assert_eq!((bytes(&shared.store), shared.store.count()), (0, 0));
}

/// The bytes of all sessions, by their attributes.
fn bytes_of_all(store: &SessionStore) -> usize {
    let (sizes, empty) = (LENGTHS.map(size_of_session), counted(|store| _ = store.create()));
    let size = |value: &str| LENGTHS.iter().position(|length| *length == value.len()).map(|at| sizes[at]);
    let mut sum = 0;
    store.for_each(|view| sum += view.content().get("key").map_or(empty, |value| size(value).expect("one of these")));
    sum
}

#[test]
fn no_change_is_refused_where_others_end_for_it_and_the_limit_holds() {
    let limit = 40 * size_of_session(300);
    let (store, clock) = store_with(|builder| builder.max_bytes(limit).when_full(WhenFull::EndIdlest));
    together(|number| {
        let mut id = store.create().expect("others end for it");
        for turn in 0..2_000 {
            let value = "v".repeat(LENGTHS[(turn + number) % LENGTHS.len()]);
            match store.set(&id, "key", &value) {
                Ok(()) => {}
                Err(SetError::Missing(MissingError::NotFound)) => id = store.create().expect("others end for it"),
                Err(error) => panic!("{error}"),
            }
            if turn % 3 == number % 3 {
                clock.advance(Duration::from_millis(1));
                id = store.create_with([("key", &value)]).expect("others end for it");
            }
            assert!(bytes(&store) <= limit);
        }
        0
    });
    assert!(bytes(&store) > limit / 2, "the store is full");
    assert_eq!(bytes(&store), bytes_of_all(&store));
    store.delete_where(|_| true);
    assert_eq!((bytes(&store), store.count()), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Set(usize, usize),
    Delete(usize),
    Rotate(usize),
    Forward(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..1_000_usize).prop_map(Step::Create),
        (0..8_usize, 0..1_000_usize).prop_map(|(session, value)| Step::Set(session, value)),
        (0..8_usize).prop_map(Step::Delete),
        (0..8_usize).prop_map(Step::Rotate),
        (0..8_usize).prop_map(Step::Forward),
    ]
}

/// A session in the store with the limit, and its twin.
type Twins = (SessionId, SessionId);

/// Takes a step in both stores. The store with the limit refuses if and only if the step takes the other one beyond the
/// limit. A refused step is undone there.
fn take(
    step: &Step,
    limited: &SessionStore,
    twin: &SessionStore,
    sessions: &mut Vec<Twins>,
) -> Result<(), TestCaseError> {
    let limit = limited.config().max_bytes;
    let value = |bytes: usize| "v".repeat(bytes);
    let grace = Duration::from_secs(1);
    let at = match *step {
        Step::Create(_) => 0,
        Step::Set(at, _) | Step::Delete(at) | Step::Rotate(at) | Step::Forward(at) if at < sessions.len() => at,
        _ => return Ok(()),
    };
    let before = bytes(twin);
    match *step {
        Step::Create(bytes_of_value) => {
            let given = [("key", value(bytes_of_value))];
            let (created, copied) = (limited.create_with(given.clone()), twin.create_with(given));
            let copied = copied.expect("no limit");
            prop_assert_eq!(created.is_ok(), bytes(twin) <= limit);
            match created {
                Ok(id) => sessions.push((id, copied)),
                Err(error) => {
                    prop_assert_eq!(error, CreateError::BytesFull);
                    twin.delete(&copied);
                }
            }
        }
        Step::Set(_, bytes_of_value) => {
            let (id, copy) = sessions[at];
            let former = twin.get(&copy, "key").expect("it has a value");
            let set = limited.set(&id, "key", &value(bytes_of_value));
            twin.set(&copy, "key", &value(bytes_of_value)).expect("no limit");
            prop_assert_eq!(set, if bytes(twin) <= limit { Ok(()) } else { Err(SetError::BytesFull) });
            if set.is_err() {
                prop_assert_eq!(limited.get(&id, "key"), Some(former.clone()));
                twin.set(&copy, "key", &former).expect("no limit");
            }
        }
        Step::Delete(_) => {
            let (id, copy) = sessions.swap_remove(at);
            prop_assert!(limited.delete(&id) && twin.delete(&copy));
        }
        Step::Rotate(_) => {
            let (id, copy) = sessions[at];
            let new = limited.rotate_id(&id);
            prop_assert!(new.is_ok(), "a rotation without a grace takes no more");
            sessions[at] = (new.expect("as asserted"), twin.rotate_id(&copy).expect("no limit"));
        }
        Step::Forward(_) => {
            let (id, copy) = sessions[at];
            let new = limited.rotation(&id).grace(grace).rotate();
            let copied = twin.rotation(&copy).grace(grace).rotate().expect("no limit");
            if bytes(twin) <= limit {
                sessions[at] = (new.expect("it is not beyond the limit"), copied);
            } else {
                prop_assert_eq!(new, Err(RotateError::BytesFull));
                prop_assert!(limited.exists(&id));
                let copied = twin.rotate_id(&copied).expect("no limit");
                sessions[at] = (id, copied);
                if bytes(twin) != before {
                    // The refused session has a former id still, and its twin has none now.
                    let copied = twin.rotation(&copied).grace(grace).rotate().expect("no limit");
                    sessions[at] = (id, copied);
                }
            }
        }
    }
    prop_assert_eq!(bytes(limited), bytes(twin));
    prop_assert!(bytes(limited) <= limit);
    Ok(())
}

proptest! {
    #[test]
    fn a_step_is_refused_exactly_if_it_exceeds_the_limit(steps in prop::collection::vec(step(), 1..60)) {
        let (limited, _) = store_with(|builder| builder.max_bytes(2_500));
        let (twin, _) = store_with(|builder| builder.max_bytes(usize::MAX));
        let mut sessions = Vec::new();
        for step in &steps {
            take(step, &limited, &twin, &mut sessions)?;
        }
        for (id, copy) in sessions {
            prop_assert!(limited.delete(&id) && twin.delete(&copy));
        }
        prop_assert_eq!((bytes(&limited), bytes(&twin)), (0, 0));
    }
}
