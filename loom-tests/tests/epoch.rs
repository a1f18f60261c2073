//! Two-thread models of the table over the real epochs of `crossbeam-epoch`, reclamation included. Payloads lie in
//! cells that loom watches, so loom notices a payload that is freed while it is read; each carries a mark that loom
//! misses when it leaks. These models test the memory orderings; the protocols' scenarios are in `scenarios.rs`.
//!
//! Each pair is explored both ways, because the explorer favours the thread that is not spawned.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("../../verify/support/sources.rs");
#[path = "support/hash.rs"]
mod hash;
#[path = "support/id.rs"]
mod id;
#[path = "../../src/memory/mod.rs"]
mod memory;
#[path = "support/payload.rs"]
mod payload;

use expiry::{Moment, Tick};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;
use memory::collect;
use payload::Watched;
use table::{Change, Population, Table};

const KEY: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

type Store = Table<Watched>;

fn timed<R>(f: impl FnOnce(Moment<'_>) -> R) -> R {
    f(Moment::new(Tick::new(0), 5, &|| Tick::new(0)))
}

fn insert(table: &Store, key: [u8; 32]) {
    let place = table.enter(&key).expect("no limit");
    assert!(timed(|moment| table.insert(place, Watched::entry(key, Tick::new(0), 1), moment)).is_ok());
}

fn get(table: &Store) -> Option<usize> {
    timed(|moment| table.read(&KEY, true, moment, |version| version.payload().value())).ok()
}

fn set(table: &Store) -> bool {
    let next = |value: usize| value * 10;
    timed(|moment| {
        table.update(&KEY, moment, |version, stamp| {
            Ok::<_, ()>(Change::Replace(Watched::entry(KEY, stamp, next(version.payload().value()))))
        })
    })
    .is_ok()
}

fn remove(table: &Store) -> bool {
    timed(|moment| table.remove(&KEY, moment))
}

/// Explores two threads at work on a table with one session, then runs `after`.
fn explore(one: fn(&Store), two: fn(&Store), after: fn(&Store)) {
    for (spawned, here) in [(one, two), (two, one)] {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(2));
        model.max_branches = 50_000;
        model.check(move || {
            let table = Arc::new(Store::of_capacity(2, 0));
            insert(&table, KEY);
            let shared = table.clone();
            let thread = thread::spawn(move || spawned(&shared));
            here(&table);
            thread.join().expect("a model's thread does not panic");
            after(&table);
        });
    }
}

fn read(table: &Store) {
    assert!(matches!(get(table), None | Some(1 | 10)));
}

fn remove_and_collect(table: &Store) {
    assert!(remove(table));
    collect(0);
}

fn set_and_collect(table: &Store) {
    set(table);
    collect(0);
}

fn migrate_and_collect(table: &Store) {
    table.migrate();
    collect(0);
}

fn gone(table: &Store) {
    assert_eq!(get(table), None);
}

#[test]
fn a_deleted_session_stays_allocated_while_it_is_read() {
    explore(read, remove_and_collect, gone);
}

#[test]
fn a_replaced_version_stays_allocated_while_it_is_read() {
    explore(read, set_and_collect, |table| assert_eq!(get(table), Some(10)));
}

#[test]
fn an_array_that_is_left_stays_allocated_while_it_is_read() {
    explore(read, migrate_and_collect, |table| assert_eq!(get(table), Some(1)));
}

#[test]
fn a_set_that_loses_to_a_delete_frees_its_version() {
    let set_if_there = |table: &Store| {
        set(table);
    };
    explore(set_if_there, remove_and_collect, gone);
}

#[test]
fn two_sets_both_count() {
    explore(|table| assert!(set(table)), |table| assert!(set(table)), |table| assert_eq!(get(table), Some(100)));
}

#[test]
fn a_deleted_session_does_not_come_back_with_growth() {
    explore(|table| assert!(remove(table)), Store::migrate, gone);
}

#[test]
fn a_set_survives_growth() {
    explore(|table| assert!(set(table)), Store::migrate, |table| assert_eq!(get(table), Some(10)));
}

#[test]
fn an_insert_survives_growth() {
    let check = |table: &Store| {
        assert_eq!(get(table), Some(1));
        assert_eq!(timed(|moment| table.read(&OTHER, false, moment, |_| ())), Ok(()));
    };
    explore(|table| insert(table, OTHER), Store::migrate, check);
}

#[test]
fn a_place_is_free_only_once_its_session_has_ended() {
    loom::model(|| {
        let table = Arc::new(Store::of_capacity(2, 1));
        insert(&table, KEY);
        let shared = table.clone();
        let deleter = thread::spawn(move || {
            assert!(remove(&shared));
            assert!(shared.enter(&OTHER).is_some() || shared.len() == 1);
        });
        if let Some(place) = table.enter(&OTHER) {
            assert_eq!(get(&table), None);
            assert!(timed(|moment| table.insert(place, Watched::entry(OTHER, Tick::new(0), 1), moment)).is_ok());
        }
        assert!(table.len() <= 1);
        deleter.join().expect("a model's thread does not panic");
    });
}

#[test]
fn a_place_is_taken_after_all_that_preceded_its_return() {
    loom::model(|| {
        let shared = Arc::new((Population::new(1, 0), AtomicUsize::new(0), UnsafeCell::new(())));
        shared.0.enter(&shared.1).expect("the first place").occupy();
        let leaver = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.2.with_mut(|_| ());
                shared.0.leave(&shared.1, || 0);
            })
        };
        if let Some(place) = shared.0.enter(&shared.1) {
            shared.2.with(|_| ());
            place.occupy();
        }
        leaver.join().expect("a model's thread does not panic");
    });
}

#[test]
fn one_place_is_taken_once() {
    loom::model(|| {
        let table = Arc::new(Store::of_capacity(2, 1));
        let shared = table.clone();
        let creator = thread::spawn(move || shared.enter(&KEY).map(|place| place.occupy()).is_some());
        let here = table.enter(&OTHER).map(|place| place.occupy()).is_some();
        assert!(creator.join().expect("a model's thread does not panic") != here);
        assert_eq!(table.len(), 1);
    });
}
