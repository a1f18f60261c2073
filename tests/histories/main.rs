//! What real threads are told, while the table grows and shrinks under them, is what a plain map under a plain clock
//! would have told them one after the other.
//!
//! Sessions are independent of each other but for the clock, so each one's history is checked by itself, with the
//! clock's steps in it, and under all the ids that it is given.

#[path = "../../verify/support/checker.rs"]
mod checker;
#[path = "../../verify/support/model/mod.rs"]
#[allow(dead_code, reason = "shared with other tests, which drive more operations")]
mod model;
#[path = "../../verify/support/recorder.rs"]
mod recorder;
#[path = "../../verify/support/search.rs"]
mod search;
#[path = "../../verify/support/subject.rs"]
#[allow(dead_code, reason = "shared with other tests, which drive a store of their own")]
mod subject;
mod threads;

use checker::explained;
use model::{Operation, Outcome};
use recorder::{Event, GRACE, SETTINGS};
use threads::Threads;

const ROUNDS: usize = if cfg!(debug_assertions) { 3_000 } else { 10_000 };

/// What the histories must have in them, or they would show nothing.
#[derive(Default, Debug)]
struct Met {
    overlaps: usize,
    values: usize,
    expiries_reported: usize,
    gone: usize,
    deletes: usize,
    taken: usize,
    conflicts: usize,
    rotations: usize,
    graces: usize,
}

impl Met {
    fn count(&mut self, history: &[Event]) {
        let overlap = |a: &Event, b: &Event| a.called < b.called && b.called < a.returned;
        self.overlaps += usize::from(history.iter().any(|a| history.iter().any(|b| overlap(a, b))));
        for event in history {
            match (&event.operation, &event.outcome) {
                (_, Outcome::Set(Err(cloakroom::SetError::Missing(cloakroom::MissingError::Expired)))) => {
                    self.expiries_reported += 1
                }
                (Operation::Take(..), Outcome::Got(Some(_))) => self.taken += 1,
                (_, Outcome::Got(Some(_))) => self.values += 1,
                (_, Outcome::SetIf(Err(cloakroom::SetIfError::Changed))) => self.conflicts += 1,
                (Operation::Rotate(_, GRACE), Outcome::Rotated(Ok(_))) => self.graces += 1,
                (_, Outcome::Rotated(Ok(_))) => self.rotations += 1,
                (Operation::Read(_), Outcome::Read(None)) => self.gone += 1,
                (Operation::Delete(_), Outcome::Was(true)) => self.deletes += 1,
                _ => {}
            }
        }
    }

    fn least(&self) -> usize {
        let told = [self.values, self.expiries_reported, self.gone, self.deletes, self.taken, self.conflicts];
        told.into_iter().chain([self.overlaps, self.rotations, self.graces]).min().unwrap_or(0)
    }
}

#[test]
fn every_history_of_a_session_is_explained_by_a_plain_map() {
    let mut met = Met::default();
    let mut threads = Threads::start();
    for round in 0..ROUNDS {
        for history in threads.round(round) {
            assert!(explained(SETTINGS, &history), "nothing explains {history:#?}");
            met.count(&history);
        }
    }
    let growths = threads.end();
    assert!(met.least() >= 5 && growths >= 5, "too little was met: {growths} growths, {met:?}");
}
