//! Instructions of single operations, counted by valgrind's callgrind. `ci/instructions.sh` runs it and judges the
//! counts.
//!
//! Each benchmark does [`TURNS`] operations on a store. Filling the store before and dropping it afterwards do not
//! count.

#![allow(missing_docs, reason = "the macros generate items without documentation")]

use cloakroom::{ManualClock, SessionId, SessionStore};
use cloakroom_benches::attributes::{ATTRIBUTES, READ_KEY, WRITTEN_KEY, WRITTEN_VALUES};
use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use std::time::Duration;

const TURNS: usize = 10_000;
/// Enough sessions that the random hash key, which places them differently in each run, changes no count by a percent.
const SESSIONS: usize = 1_000;

struct Filled {
    store: SessionStore,
    ids: Vec<SessionId>,
}

impl Filled {
    /// A store with the default clock.
    fn new() -> Self {
        Self::with(SessionStore::default())
    }

    fn with(store: SessionStore) -> Self {
        let ids = (0..SESSIONS).map(|_| create(&store)).collect();
        Self { store, ids }
    }

    fn turns(&self) -> impl Iterator<Item = (usize, &SessionId)> {
        self.ids.iter().cycle().take(TURNS).enumerate()
    }
}

fn create(store: &SessionStore) -> SessionId {
    store.create_with(black_box(ATTRIBUTES)).expect("there is no limit")
}

fn strangers() -> (Filled, Vec<SessionId>) {
    let random = || SessionId::random().expect("the operating system has random bytes");
    (Filled::new(), (0..SESSIONS).map(|_| random()).collect())
}

/// Ten thousand sessions, of which every other one has expired.
fn half_expired() -> Filled {
    let clock = ManualClock::new();
    let ttl = Duration::from_secs(60);
    let store = SessionStore::builder().clock(clock.clone()).ttl(ttl).build().expect("the settings are valid");
    let ids: Vec<_> = (0..TURNS).map(|_| create(&store)).collect();
    clock.advance(ttl);
    assert!(ids.iter().step_by(2).all(|id| store.get(id, READ_KEY).is_some()));
    clock.advance(ttl);
    Filled { store, ids }
}

#[library_benchmark]
#[bench::hit(setup = Filled::new)]
fn exists(filled: Filled) -> Filled {
    filled.turns().for_each(|(_, id)| assert!(filled.store.exists(black_box(id))));
    filled
}

#[library_benchmark]
#[bench::hit(setup = Filled::new)]
fn read(filled: Filled) -> Filled {
    for (_, id) in filled.turns() {
        let length = filled.store.read(black_box(id), |attributes| attributes.get(black_box(READ_KEY)).map(str::len));
        black_box(length.expect("the session is live"));
    }
    filled
}

#[library_benchmark]
#[bench::hit(setup = Filled::new)]
fn get(filled: Filled) -> Filled {
    for (_, id) in filled.turns() {
        black_box(filled.store.get(black_box(id), black_box(READ_KEY)).expect("the session is live"));
    }
    filled
}

#[library_benchmark]
#[bench::stranger(setup = strangers)]
fn miss((filled, strangers): (Filled, Vec<SessionId>)) -> (Filled, Vec<SessionId>) {
    for id in strangers.iter().cycle().take(TURNS) {
        assert!(filled.store.get(black_box(id), black_box(READ_KEY)).is_none());
    }
    (filled, strangers)
}

#[library_benchmark]
#[bench::replaced(setup = Filled::new)]
fn set(filled: Filled) -> Filled {
    for (turn, id) in filled.turns() {
        // Another value in each pass over the sessions.
        let value = WRITTEN_VALUES[turn / SESSIONS % WRITTEN_VALUES.len()];
        filled.store.set(black_box(id), black_box(WRITTEN_KEY), black_box(value)).expect("the session is live");
    }
    filled
}

#[library_benchmark]
#[bench::steady(setup = Filled::new)]
fn create_delete(filled: Filled) -> Filled {
    for _ in 0..TURNS {
        let id = create(&filled.store);
        assert!(filled.store.delete(black_box(&id)));
    }
    filled
}

#[library_benchmark]
#[bench::empty(setup = SessionStore::default)]
fn grow(store: SessionStore) -> SessionStore {
    (0..TURNS).for_each(|_| _ = black_box(create(&store)));
    store
}

// The count is for each session that is examined. Half of them are evicted.
#[library_benchmark]
#[bench::half(setup = half_expired)]
fn evict(filled: Filled) -> Filled {
    assert_eq!(filled.store.evict_expired(), filled.ids.len() / 2);
    filled
}

library_benchmark_group!(name = operations, benchmarks = [exists, read, get, miss, set, create_delete, grow, evict]);
main!(library_benchmark_groups = operations);
