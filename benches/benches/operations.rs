//! Times of single operations on one thread, for everyday work: `cargo bench -p cloakroom-benches --bench operations`.
//!
//! Threads are not bound to processors, and a run is compared with the one before only. `benches/README.md` tells how
//! to compare stores.

use cloakroom::{SessionId, SessionStore};
use cloakroom_benches::attributes::{ATTRIBUTES, READ_KEY, WRITTEN_KEY, WRITTEN_VALUES};
use criterion::Criterion;
use std::hint::black_box;
use std::time::Duration;

const SESSIONS: usize = 1_000;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let store = SessionStore::default();
    let ids: Vec<SessionId> = (0..SESSIONS).map(|_| create(&store)).collect();
    lookups(&mut criterion, &store, &ids);
    writes(&mut criterion, &store, &ids);
    criterion.final_summary();
}

fn create(store: &SessionStore) -> SessionId {
    store.create_with(black_box(ATTRIBUTES)).expect("there is no limit")
}

fn lookups(criterion: &mut Criterion, store: &SessionStore, ids: &[SessionId]) {
    let stranger = SessionId::from_bytes([7; 32]);
    let mut turns = ids.iter().cycle();
    let mut next = || turns.next().expect("the iterator is endless");
    criterion.bench_function("exists", |bencher| bencher.iter(|| store.exists(black_box(next()))));
    criterion.bench_function("read", |bencher| {
        bencher.iter(|| store.read(black_box(next()), |attributes| attributes.get(READ_KEY).map(str::len)));
    });
    criterion.bench_function("get", |bencher| bencher.iter(|| store.get(black_box(next()), black_box(READ_KEY))));
    criterion.bench_function("miss", |bencher| bencher.iter(|| store.get(black_box(&stranger), black_box(READ_KEY))));
}

fn writes(criterion: &mut Criterion, store: &SessionStore, ids: &[SessionId]) {
    let mut turns = ids.iter().cycle().enumerate();
    criterion.bench_function("set", |bencher| {
        bencher.iter(|| {
            let (turn, id) = turns.next().expect("the iterator is endless");
            let value = WRITTEN_VALUES[turn / SESSIONS % WRITTEN_VALUES.len()];
            store.set(black_box(id), black_box(WRITTEN_KEY), black_box(value))
        });
    });
    criterion.bench_function("create and delete", |bencher| bencher.iter(|| store.delete(&create(store))));
}
