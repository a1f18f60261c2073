//! Instructions of single operations on a store that `cloakroom-persist` keeps on disk, and on one that is in memory
//! only, counted by valgrind's callgrind on the thread that calls them. `ci/instructions.sh` runs it and judges the
//! ratios.
//!
//! Each benchmark does [`TURNS`] operations. Ends of sessions do not wait for the disk, which takes no instructions.

#![allow(missing_docs, reason = "the macros generate items without documentation")]

use cloakroom::{SessionId, SessionStore};
use cloakroom_benches::attributes::{ATTRIBUTES, READ_KEY, WRITTEN_KEY, WRITTEN_VALUES};
use cloakroom_persist::{Changes, Options, Persistence, Waiting};
use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

const TURNS: usize = 10_000;
/// As in `counts.rs`.
const SESSIONS: usize = 1_000;

/// A store on disk, which is removed in the end.
struct Kept {
    sessions: Option<Persistence>,
    dir: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("cloakroom-kept-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let options = Options::new().changes(Changes::Within(Duration::from_secs(3_600))).waiting(Waiting::WhereAsked);
        Self { sessions: Some(Persistence::open(&dir, options).expect("the directory can be made")), dir }
    }
}

impl Deref for Kept {
    type Target = SessionStore;

    fn deref(&self) -> &SessionStore {
        self.sessions.as_ref().expect("it is taken when it is dropped").store()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.sessions.take());
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

struct Filled<S> {
    store: S,
    ids: Vec<SessionId>,
}

impl<S: Deref<Target = SessionStore>> Filled<S> {
    fn with(store: S, sessions: usize) -> Self {
        let ids = (0..sessions).map(|_| create(&store)).collect();
        Self { store, ids }
    }

    fn turns(&self) -> impl Iterator<Item = (usize, &SessionId)> {
        self.ids.iter().cycle().take(TURNS).enumerate()
    }

    fn get(self) -> Self {
        for (_, id) in self.turns() {
            black_box(self.store.get(black_box(id), black_box(READ_KEY)).expect("the session is live"));
        }
        self
    }

    fn set(self) -> Self {
        for (turn, id) in self.turns() {
            let value = WRITTEN_VALUES[turn / SESSIONS % WRITTEN_VALUES.len()];
            self.store.set(black_box(id), black_box(WRITTEN_KEY), black_box(value)).expect("the session is live");
        }
        self
    }

    fn create(self) -> Self {
        (0..TURNS).for_each(|_| _ = black_box(create(&self.store)));
        self
    }

    fn delete(self) -> Self {
        self.ids.iter().for_each(|id| assert!(self.store.delete(black_box(id))));
        self
    }
}

fn create(store: &SessionStore) -> SessionId {
    store.create_with(black_box(ATTRIBUTES)).expect("there is no limit")
}

type Memory = Filled<Box<SessionStore>>;
type OnDisk = Filled<Kept>;

fn memory(sessions: usize) -> Memory {
    Filled::with(Box::default(), sessions)
}

fn on_disk(sessions: usize) -> OnDisk {
    Filled::with(Kept::new(), sessions)
}

macro_rules! operations {
    ($($operation:ident $in_memory:ident $kept:ident $sessions:expr;)*) => {
        $(
            #[library_benchmark]
            #[bench::memory(setup = memory, args = [$sessions])]
            fn $in_memory(filled: Memory) -> Memory {
                filled.$operation()
            }

            #[library_benchmark]
            #[bench::kept(setup = on_disk, args = [$sessions])]
            fn $kept(filled: OnDisk) -> OnDisk {
                filled.$operation()
            }
        )*
        library_benchmark_group!(name = operations, benchmarks = [$($in_memory, $kept),*]);
    };
}

operations! {
    get get get_kept SESSIONS;
    set set set_kept SESSIONS;
    create create create_kept 0;
    delete delete delete_kept TURNS;
}
main!(library_benchmark_groups = operations);
