//! More threads and operations than loom can go through, under the schedules of shuttle: random ones, and those of PCT
//! ("A randomized scheduler with probabilistic guarantees of finding bugs", 2010). The results are recorded and checked
//! as those of real threads are (`tests/histories/`).
//!
//! A failure names its seed; `CLOAKROOM_SHUTTLE_SEED` with it repeats the very schedule.
#![cfg(shuttle)]

extern crate shuttle_tests as cloakroom;

#[path = "support/bytes.rs"]
mod bytes;
#[path = "../../support/checker.rs"]
mod checker;
#[path = "support/limit.rs"]
mod limit;
#[path = "../../support/model/mod.rs"]
#[allow(dead_code, reason = "shared with other tests, which drive more operations")]
mod model;
#[path = "support/randomness.rs"]
mod randomness;
#[path = "../../support/recorder.rs"]
mod recorder;
#[path = "support/schedules.rs"]
mod schedules;
#[path = "../../support/search.rs"]
mod search;
#[path = "../../support/subject.rs"]
#[allow(dead_code, reason = "shared with other tests, which drive a store of their own")]
mod subject;
#[path = "support/threads.rs"]
mod threads;

use schedules::{Scheduling, explore};

#[test]
fn every_history_is_explained_under_random_schedules() {
    explore(Scheduling::Random, threads::execute);
}

#[test]
fn every_history_is_explained_under_the_schedules_of_pct() {
    explore(Scheduling::Pct, threads::execute);
}

#[test]
fn the_limit_holds_under_random_schedules() {
    explore(Scheduling::Random, limit::execute);
}

#[test]
fn the_limit_holds_under_the_schedules_of_pct() {
    explore(Scheduling::Pct, limit::execute);
}

#[test]
fn the_limit_in_bytes_holds_under_random_schedules() {
    explore(Scheduling::Random, bytes::execute);
}

#[test]
fn the_limit_in_bytes_holds_under_the_schedules_of_pct() {
    explore(Scheduling::Pct, bytes::execute);
}
