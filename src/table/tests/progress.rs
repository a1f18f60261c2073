//! Defects that were found by thought, each with its schedule: every test here failed once.

use super::fixture::{Fixture, IDLE};
use crate::expiry::{Moment, Tick};
use crate::sync::on_step;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// A thread that inserts one session and stops whenever it is about to take or fill a slot.
struct Stepper {
    resume: Sender<()>,
    /// Whether it has stopped again; `false` when it has finished.
    stopped: Receiver<bool>,
    thread: JoinHandle<()>,
}

impl Stepper {
    fn insert(fixture: &Arc<Fixture>, number: usize) -> Self {
        let (resume, resumed) = channel();
        let (stops, stopped) = channel();
        let fixture = fixture.clone();
        let thread = thread::spawn(move || {
            let hook_stops = stops.clone();
            on_step(move |name| {
                if matches!(name, "counted in" | "slot reserved" | "place in the next") {
                    hook_stops.send(true).expect("the test waits");
                    resumed.recv().expect("the test resumes");
                }
            });
            assert!(fixture.insert(number));
            stops.send(false).expect("the test waits");
        });
        Self { resume, stopped, thread }
    }

    /// Lets it go on to its next stop; false if it has finished.
    fn go_on(&self) -> bool {
        self.resume.send(()).expect("it waits");
        self.stopped.recv().expect("it stops or finishes")
    }
}

/// Three inserts that were each admitted to every array anew kept taking one another's last place in the next one, and
/// then leaving that.
#[test]
fn inserts_do_not_push_one_another_from_array_to_array_without_end() {
    let fixture = Arc::new(Fixture::new(1, 0));
    assert!(fixture.insert(0));
    for number in 1..6 {
        assert!(fixture.insert(number) && fixture.remove(number));
    }
    let mut steppers: Vec<_> = (100..103).map(|number| Stepper::insert(&fixture, number)).collect();
    steppers.iter().for_each(|stepper| assert!(stepper.stopped.recv().expect("it stops")));
    for _ in 0..100 {
        let mut going = Vec::new();
        for stepper in steppers {
            if stepper.go_on() {
                going.push(stepper);
            } else {
                stepper.thread.join().expect("it has inserted");
            }
        }
        steppers = going;
    }
    assert!(steppers.is_empty(), "{} inserts have not finished after 100 turns", steppers.len());
}

/// The search for expired sessions began each time at the same shards, and never looked at the others.
#[test]
fn a_full_table_finds_all_its_expired_sessions_in_the_end() {
    for (shards, sessions) in [(1, 4_000), (16, 10_000), (64, 20_000)] {
        let fixture = Fixture::new(shards, sessions);
        (0..sessions).for_each(|number| assert!(fixture.insert(number)));
        fixture.pass(IDLE + 1);
        for number in sessions..2 * sessions {
            // One search looks at 512 at the most, so the last ones take several: no more than it takes to go round.
            let mut searches = 0;
            while !fixture.insert(number) {
                fixture.sweep_some(512);
                searches += 1;
                assert!(searches <= sessions / 512 + 2, "{} sessions of {sessions} replaced", number - sessions);
            }
        }
    }
}

/// A set judged the stamp again after its version was announced, and if the clock panicked then, the next writer
/// completed it.
#[test]
fn a_set_in_which_the_clock_panics_never_takes_effect() {
    let fixture = Fixture::new(1, 0);
    assert!(fixture.insert_with(1, 7));
    let panics = || -> Tick { panic!("the clock") };
    let moment = Moment::new(Tick::new(0), IDLE, &panics);
    let set = catch_unwind(AssertUnwindSafe(|| {
        fixture.update_at(1, moment, 8, || {
            // Meanwhile others touch the session, until it lies far ahead of this set's reading.
            for _ in 0..2 {
                fixture.pass(IDLE - 1);
                assert!(fixture.read(1).is_some());
            }
        })
    }));
    let after = fixture.append(1, 0).expect("it is live");
    assert_eq!(after, if set.is_ok() { 80 } else { 70 });
}

/// An operation with a reading from before the clock was set back took a session that was created since for long
/// expired.
#[test]
fn an_old_reading_ends_nothing_after_the_clock_was_set_back() {
    let fixture = Fixture::new(1, 0);
    assert!(fixture.insert(1));
    let present = || Tick::new(0);
    assert_eq!(fixture.table.sweep(Moment::new(Tick::new(1_000), IDLE, &present)), 0);
    assert!(fixture.has(1));
}
