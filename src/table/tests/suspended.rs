//! No thread holds up another, wherever it stops.
//!
//! One thread is stopped in the middle of an operation, at each of the steps that the sources name (`step("...")`).
//! While it is suspended, another thread runs all operations on the same shard and the same session. It makes the table
//! grow and shrink several times, or only until the view of the suspended thread is outdated. It has to finish, and its
//! answers must be explained by the suspended operation taking effect at one instant, or not yet. Then the suspended
//! thread continues, and at rest the table must be in order.

use super::calls::{Answer, Call, Doing, Done, MOVED, Pending, VICTIM};
use super::fixture::Fixture;
use super::scenarios::{SCENARIOS, Scenario};
use crate::sync::on_step;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// After which an operation counts as held up.
const DEADLINE: Duration = Duration::from_secs(30);

/// Sessions that the other thread creates and deletes in one wave.
const WAVE: std::ops::Range<usize> = 10_000..11_000;

/// Whether these answers, in this order, and then a value of `last` are explained by each pending operation's taking
/// effect at one instant.
fn explained(state: Option<u64>, answers: &[(Call, Answer)], pending: &[Pending], last: Option<u64>) -> bool {
    if answers.is_empty() && state == last && pending.iter().all(|operation| operation.answer.is_none()) {
        return true;
    }
    if let [(call, answer), rest @ ..] = answers {
        let (expected, after) = call.expected(state);
        if expected == *answer && explained(after, rest, pending, last) {
            return true;
        }
    }
    (0..pending.len()).any(|index| {
        let (expected, after) = pending[index].call.expected(state);
        let others = [&pending[..index], &pending[index + 1..]].concat();
        pending[index].answer.is_none_or(|answer| answer == expected) && explained(after, answers, &others, last)
    })
}

/// What the other thread does meanwhile.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Everything, again and again, with the table growing and shrinking.
    Waves,
    /// Little, of several kinds: whatever the stopped thread was about to put somewhere fits there still.
    Touches(usize),
}

/// All that the other thread was told.
#[derive(Default)]
struct Account {
    answers: Vec<(Call, Answer)>,
    swept: usize,
}

impl Account {
    fn of(work: Work, fixture: &Fixture, scenario: &Scenario) -> Self {
        let mut account = Self::default();
        match work {
            Work::Waves => account.waves(fixture, scenario),
            Work::Touches(kind) => account.touches(fixture, scenario, kind),
        }
        account
    }

    /// Everything there is to do, on the victim's session and on others.
    fn waves(&mut self, fixture: &Fixture, scenario: &Scenario) {
        self.ask(fixture, &[Call::Exists, Call::Read, Call::Append(1), Call::Read]);
        self.wave(fixture, scenario);
        self.ask(fixture, &[Call::Read, Call::Append(2), Call::Remove, Call::Read, Call::Append(3)]);
        self.ask(fixture, &[Call::Insert(4), Call::Insert(5), Call::Append(6), Call::Exists]);
        self.wave(fixture, scenario);
        self.ask(fixture, &[Call::Remove, Call::Exists, Call::Insert(7), Call::Read]);
    }

    /// Changes each session in some way, and perhaps ends a migration that is under way.
    fn touches(&mut self, fixture: &Fixture, scenario: &Scenario, kind: usize) {
        let calls: &[Call] = match kind % 3 {
            0 => &[Call::Remove, Call::Read],
            1 => &[Call::Append(1), Call::Read],
            _ => &[Call::Remove, Call::Insert(4), Call::Exists],
        };
        self.ask(fixture, calls);
        for number in scenario.living_neighbours() {
            match number % 3 {
                0 => assert!(fixture.remove(number)),
                1 => assert_eq!(fixture.update(number), Ok(())),
                _ => assert!(fixture.has(number)),
            }
        }
        if kind.is_multiple_of(2) {
            self.swept += fixture.sweep();
        }
        self.ask(fixture, &[Call::Read]);
    }

    fn ask(&mut self, fixture: &Fixture, calls: &[Call]) {
        self.answers.extend(calls.iter().map(|call| (*call, call.make(fixture))));
    }

    /// Makes the table grow by the hundredfold and shrink again.
    fn wave(&mut self, fixture: &Fixture, scenario: &Scenario) {
        WAVE.for_each(|number| assert!(fixture.insert(number)));
        assert!(fixture.table.capacity() >= 1_024, "growth was held up: {} slots", fixture.table.capacity());
        let neighbours = || WAVE.step_by(7).chain(scenario.living_neighbours());
        for number in neighbours() {
            assert!(fixture.has(number) && fixture.read(number).is_some(), "{number} is not found");
            assert_eq!(fixture.update(number), Ok(()));
        }
        self.swept += fixture.sweep_some(512) + fixture.sweep();
        assert!(neighbours().all(|number| fixture.has(number)));
        WAVE.for_each(|number| assert!(fixture.remove(number)));
        assert!(!WAVE.step_by(7).any(|number| fixture.has(number)));
        self.swept += fixture.sweep();
        assert!(fixture.table.capacity() <= 256, "shrinking was held up: {} slots", fixture.table.capacity());
    }
}

/// A thread that stops at a step.
struct Victim {
    thread: JoinHandle<Done>,
    stopped: Arc<AtomicBool>,
    going_on: GoingOn,
}

/// Lets the thread go on, if only because the test has failed.
struct GoingOn(Thread, Arc<AtomicBool>);

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Release);
        self.0.unpark();
    }
}

impl Victim {
    /// Starts `doing`, to be stopped when it reaches the step `name` for the `nth` time. Returns when it has, or has
    /// ended before.
    fn start(fixture: &Arc<Fixture>, doing: Doing, name: &'static str, nth: usize) -> Self {
        let (stopped, going_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (fixture, stopped, going_on) = (fixture.clone(), stopped.clone(), going_on.clone());
            let left = std::cell::Cell::new(nth);
            move || {
                on_step(move |step| {
                    if step != name || left.replace(left.get().wrapping_sub(1)) != 1 {
                        return;
                    }
                    stopped.store(true, Ordering::Release);
                    while !going_on.load(Ordering::Acquire) {
                        thread::park();
                    }
                });
                doing.carry_out(&fixture)
            }
        });
        let going_on = GoingOn(thread.thread().clone(), going_on);
        let victim = Self { thread, stopped, going_on };
        wait("the operation to reach a step", || victim.has_stopped() || victim.thread.is_finished());
        victim
    }

    fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn go_on(self) -> Done {
        drop(self.going_on);
        wait("the stopped operation", || self.thread.is_finished());
        self.thread.join().expect("the stopped operation does not panic")
    }
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < DEADLINE, "waited for {what} in vain");
        thread::yield_now();
    }
}

/// Runs the scenario with its thread stopped at the step `name` for the `nth` time. False if it did not get there.
fn run(scenario: &Scenario, name: &'static str, nth: usize, work: Work) -> bool {
    let at = format!("{}, stopped at {name:?} ({nth}), and {work:?}", scenario.name);
    let fixture = Arc::new(scenario.fixture());
    let victim = Victim::start(&fixture, scenario.doing, name, nth);
    let stopped = victim.has_stopped();
    let mut account = Account::default();
    if stopped {
        let (report, reported) = mpsc::channel();
        let (scenario, shared) = (*scenario, fixture.clone());
        let worker = thread::spawn(move || {
            let account = Account::of(work, &shared, &scenario);
            drop(shared);
            report.send(account).expect("the test waits for it");
        });
        account = reported.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("held up by a thread in {at}"));
        worker.join().expect("it has reported");
    }
    let done = victim.go_on();
    let mut pending = scenario.pending.to_vec();
    match (done, scenario.doing) {
        (Done::Answered(answer), Doing::Call(call)) => {
            if let Call::Rotate | Call::Forward = call {
                assert_eq!(fixture.read(MOVED), answer, "{at}: what was moved");
            }
            pending.push(Pending { call, answer: Some(answer) });
        }
        // A reservation that was fulfilled is like an insert, and one that had ended has changed nothing.
        (Done::Answered(Some(answer)), Doing::Fulfil(value)) => {
            pending.push(Pending { call: Call::Insert(value), answer: Some(Some(answer)) });
        }
        (Done::Answered(None), Doing::Fulfil(_)) => assert!(stopped, "{at}: nothing has ended the reservation"),
        (Done::Answered(_), _) => unreachable!("sweeps do not answer"),
        (Done::Swept(swept), _) => account.swept += swept,
    }
    let last = fixture.read(VICTIM);
    for number in scenario.living_neighbours().filter(|_| stopped) {
        let removed = matches!(work, Work::Touches(_)) && number % 3 == 0;
        assert_eq!(fixture.has(number), !removed, "{at}: {number}");
    }
    account.swept += fixture.sweep();
    let Account { answers, swept } = account;
    assert!(
        explained(scenario.state, &answers, &pending, last),
        "{at}: nothing explains {answers:?} and then {last:?} with {pending:?}"
    );
    // The victim's session may have been found expired by another operation.
    let expired = scenario.expired();
    assert!((expired.saturating_sub(1)..=expired).contains(&swept), "{at}: {swept} of {expired} swept");
    fixture.assert_at_rest();
    Arc::into_inner(fixture).expect("the threads have ended").assert_all_freed();
    stopped
}

/// How often the scenario's thread reaches each step if no thread stops it.
fn steps(scenario: &Scenario) -> BTreeMap<&'static str, usize> {
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    // Dropped on this thread, for that takes steps as well.
    let fixture = Arc::new(scenario.fixture());
    let (shared, doing, counted) = (fixture.clone(), scenario.doing, seen.clone());
    let thread = thread::spawn(move || {
        on_step(move |name| {
            // Whether an operation comes to a step of the heap's depends on what others did before; the heap's own test
            // stops there.
            if !name.starts_with("heap: ") {
                *counted.lock().expect("no thread panics").entry(name).or_default() += 1;
            }
        });
        doing.carry_out(&shared);
    });
    wait("an operation that is not stopped", || thread.is_finished());
    thread.join().expect("nothing panics");
    Arc::into_inner(seen).expect("the hook is gone").into_inner().expect("no thread panics")
}

/// Stops the scenarios of this kind each time that they reach a step; for the longer work, the first, the last and a
/// middle one.
fn stop_everywhere(kind: &str) {
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.starts_with(kind)) {
        for (name, times) in steps(scenario) {
            for nth in BTreeSet::from([1, times / 2 + 1, times]) {
                // Where keys lie is left to chance, so it may not get there each time.
                let stopped = (0..1_000).any(|_| run(scenario, name, nth, Work::Waves)) || nth > 1;
                assert!(stopped, "{} never stopped at {name:?}", scenario.name);
            }
            // A slot makes for two or three steps: whichever it is, each kind of work comes to it.
            for (nth, kind) in (1..=times).flat_map(|nth| [(nth, nth), (nth, nth / 3)]) {
                run(scenario, name, nth, Work::Touches(kind));
            }
        }
    }
}

#[test]
fn an_insert_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("insert");
}

#[test]
fn an_update_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("update");
}

#[test]
fn a_read_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("read");
}

#[test]
fn a_remove_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("remove");
}

#[test]
fn a_rotation_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("rotation");
}

#[test]
fn a_reservation_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("reservation");
}

#[test]
fn a_fulfilment_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("fulfilment");
}

#[test]
fn a_sweep_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("sweep");
}

#[test]
fn an_enumeration_stopped_anywhere_blocks_no_other_thread() {
    stop_everywhere("enumeration");
}

/// The files of a folder, without tests.
fn read_all(folder: &Path, sources: &mut Vec<String>) {
    for file in std::fs::read_dir(folder).expect("the sources are there") {
        let path = file.expect("readable").path();
        if path.is_file() {
            sources.push(std::fs::read_to_string(path).expect("readable"));
        } else if !path.ends_with("tests") {
            read_all(&path, sources);
        }
    }
}

#[test]
fn there_is_a_scenario_for_each_step_of_the_sources() {
    let mut sources = Vec::new();
    read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/table")), &mut sources);
    let named = |source: String| {
        let steps = source.split("step(\"").skip(1).map(|rest| rest.split('"').next().expect("a name").to_owned());
        steps.collect::<Vec<_>>()
    };
    let mut missing: BTreeSet<String> = sources.into_iter().flat_map(named).collect();
    assert!(missing.len() > 40, "these are not all: {missing:?}");
    // Where keys lie is left to chance, so one look may not be enough.
    for scenario in (0..100).flat_map(|_| SCENARIOS) {
        if !missing.is_empty() {
            let reached = steps(scenario);
            missing.retain(|name| !reached.contains_key(name.as_str()));
        }
    }
    assert!(missing.is_empty(), "no scenario reaches {missing:?}");
}

#[test]
fn an_operation_explains_no_more_than_one_change() {
    let append = Pending { call: Call::Append(1), answer: Some(Some(21)) };
    assert!(explained(Some(2), &[(Call::Read, Some(2)), (Call::Read, Some(21))], &[append], Some(21)));
    assert!(!explained(Some(2), &[(Call::Read, Some(21)), (Call::Read, Some(2))], &[append], Some(21)));
    assert!(!explained(Some(2), &[(Call::Remove, Some(0)), (Call::Read, Some(21))], &[append], None));
    let abandoned = Pending { answer: None, ..append };
    assert!(explained(Some(2), &[(Call::Read, Some(2))], &[abandoned], Some(2)));
}
