//! Models of enumeration over the stand-in for the memory: the keys of a shard's sessions are listed while the shard
//! grows, shrinks and loses sessions. Each model is explored with each of its threads as the one that is not spawned.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use entry::{Head, Key, Owned};
use expiry::{Moment, Tick};
use explore::Exploration;
use memory::boundary;
use payload::Watched;
use table::{Change, Table};

/// Two sessions that stay, and one that does not.
const STAYS: Key = [1; 32];
const STAYS_TOO: Key = [4; 32];
const COMES: Key = [2; 32];

type Sessions = Table<Watched>;
type Part = fn(&Sessions);

fn timed<R>(f: impl FnOnce(Moment<'_>) -> R) -> R {
    boundary();
    let result = f(Moment::new(Tick::new(0), u64::MAX, &|| Tick::new(0)));
    boundary();
    result
}

fn insert(table: &Sessions, key: Key) {
    let place = table.enter(&key).expect("no limit");
    let inserted = timed(|moment| table.insert(place, Watched::entry(key, moment.now(), 1), moment));
    assert!(inserted.is_ok());
}

fn enumerate(table: &Sessions) {
    boundary();
    let mut keys = Vec::new();
    table.keys(0, &mut keys);
    boundary();
    let times = |key| keys.iter().filter(|noted| **noted == key).count();
    assert_eq!((times(STAYS), times(STAYS_TOO)), (1, 1), "a session that stays is listed once");
    assert!(times(COMES) <= 1);
}

fn grow(table: &Sessions) {
    boundary();
    table.migrate();
    boundary();
}

fn set(table: &Sessions) {
    let updated = timed(|moment| {
        table.update(&STAYS, moment, |version, stamp| {
            let (number, overrides) = (version.version().wrapping_add(1), version.overrides());
            let head = Head { key: STAYS, stamp, version: number, overrides: &overrides };
            Ok::<_, ()>(Change::Replace(Owned::new(head, Watched::new(2), 0, |_| {})))
        })
    });
    assert!(updated.is_ok());
}

/// Three threads are explored with one preemption less.
fn explore(before: Part, parts: &[Part]) {
    let begin = move || {
        let table = Sessions::of_capacity(4, 0);
        insert(&table, STAYS);
        insert(&table, STAYS_TOO);
        before(&table);
        table
    };
    let exploration = Exploration { less: parts.len() - 2, ..Exploration::FULL };
    exploration.of(parts, begin, |table| table.check_at_rest());
}

#[test]
fn a_session_that_stays_is_listed_once_during_growth() {
    explore(|_| (), &[enumerate, grow]);
}

/// From half-way between two arrays to the next, and on to a third.
#[test]
fn a_session_that_stays_is_listed_once_during_two_growths() {
    explore(
        |table| {
            table.begin();
            table.leave(0);
        },
        &[enumerate, |table| {
            grow(table);
            grow(table);
        }],
    );
}

#[test]
fn a_session_that_stays_is_listed_once_during_growth_and_set() {
    explore(Sessions::begin, &[enumerate, grow, set]);
}

#[test]
fn a_session_that_stays_is_listed_once_while_others_come_and_go() {
    explore(
        |_| (),
        &[enumerate, |table| {
            insert(table, COMES);
            assert!(timed(|moment| table.remove(&COMES, moment)));
        }],
    );
}
