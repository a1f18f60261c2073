//! Scenarios in a line: `"2; i1; s1 | d1 | G; g1"` is a table whose first array has two slots, a session 1, then three
//! threads (one sets, one deletes, one makes the table grow), and at the end a get. Every operation is recorded, and at
//! the end of every execution each session's history must be linearizable and the table in order. `"2/1; ..."` allows
//! one session at most: then the history of all sessions together must be linearizable in a store that never holds
//! more.
//!
//! | | operation | | a step, or one abandoned half-way |
//! |---|---|---|---|
//! | `i1` | insert session 1 | `N` | install the next array |
//! | `s1` | set (appends a digit to the value) | `F0` | freeze slot 0 |
//! | `g1` | get | `M0` | leave slot 0 |
//! | `x1` | exists | `c0` | copy slot 0, and stop |
//! | `d1` | delete | `k1` | kill session 1, and stop |
//! | `e` | evict (session 1 only) | `v1` | set 1's successor, and stop |
//! | `n1` | set to the value it has: a touch | `u1` | set 1's successor, supersede, and stop |
//! | `t`, `T` | 3 or 6 ms pass, of an idle limit of 5 | `G` | leave the array entirely |
//! | `b` | the clock is set back by 6 ms | | |

use crate::expiry::{Moment, Tick};
use crate::history::{Event, IDLE, Kind, linearizable, linearizable_within};
use crate::memory::{boundary, free_all};
use crate::payload::Watched;
use crate::table::{Change, Refusal, Table};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::sync::Mutex;

const KEYS: std::ops::RangeInclusive<u8> = 1..=7;

#[derive(Clone)]
struct Scenario {
    slots: usize,
    /// How many sessions there may be; 0 for any number.
    limit: usize,
    before: Vec<String>,
    threads: Vec<Vec<String>>,
    after: Vec<String>,
}

impl Scenario {
    fn parse(line: &str) -> Self {
        let words = |part: &str| part.split_whitespace().map(String::from).collect::<Vec<_>>();
        let parts: Vec<&str> = line.split(';').collect();
        let number = |part: &str| part.trim().parse().expect("a number");
        let [sizes, before, threads, after] = parts[..] else { panic!("four parts: {line}") };
        let (slots, limit) = sizes.split_once('/').unwrap_or((sizes, "0"));
        Self {
            slots: number(slots),
            limit: number(limit),
            before: words(before),
            threads: threads.split('|').map(words).collect(),
            after: words(after),
        }
    }
}

struct World {
    limit: usize,
    table: Table<Watched>,
    clock: AtomicUsize,
    events: Mutex<Vec<Event>>,
    /// Operations that may or may not have taken effect: abandoned by their threads.
    open: Mutex<Vec<Event>>,
}

impl World {
    fn now(&self) -> Tick {
        Tick::new(self.clock.load(Ordering::Acquire) as u64)
    }

    /// Does the operations one after the other; each comes with the digit that marks its effect.
    fn run(&self, operations: &[(String, usize)]) {
        let mut called = boundary();
        for (operation, digit) in operations {
            let (name, argument) = operation.split_at(1);
            let outcomes = self.perform(name, argument.parse().unwrap_or(0), *digit, called);
            let returned = boundary();
            let mut events = self.events.lock().expect("no thread panics alone");
            events.extend(outcomes.into_iter().map(|(key, kind, result)| Event {
                key,
                kind,
                result,
                called,
                returned,
            }));
            called = returned;
        }
    }

    fn perform(&self, name: &str, argument: u8, digit: usize, called: usize) -> Vec<(u8, Kind, Option<usize>)> {
        let (table, key) = (&self.table, [argument; 32]);
        let reread = || self.now();
        let moment = || Moment::new(self.now(), IDLE, &reread);
        let one = |kind, result| vec![(argument, kind, result)];
        match name {
            "i" => {
                let Some(place) = table.enter(&key) else { return one(Kind::Refused, None) };
                let moment = moment();
                let inserted = table.insert(place, Watched::entry(key, moment.now(), digit), moment);
                one(Kind::Insert(digit), inserted.is_ok().then_some(0))
            }
            "s" => one(Kind::Set(digit), self.set(key, digit, moment())),
            "g" => one(Kind::Get, table.read(&key, true, moment(), |version| version.payload().value()).ok()),
            "x" => one(Kind::Exists, table.read(&key, false, moment(), |_| 0).ok()),
            "d" => one(Kind::Delete, table.remove(&key, moment()).then_some(0)),
            "n" => {
                let mut value = None;
                let touched = table.update(&key, moment(), |version, _| {
                    value = Some(version.payload().value());
                    Ok::<_, ()>(Change::Touch)
                });
                one(Kind::Get, value.filter(|_| touched.is_ok()))
            }
            "u" => {
                let (stamp, mut value) = (self.now(), None);
                let set = table.supersede_only(&key, |version| {
                    let new = version.payload().value() * 10 + digit;
                    value = Some(new);
                    Watched::entry(key, stamp, new)
                });
                one(Kind::Set(digit), value.filter(|_| set))
            }
            "b" => {
                self.clock.fetch_sub(6, Ordering::AcqRel);
                KEYS.map(|key| (key, Kind::SetBack(6), None)).collect()
            }
            "k" => one(Kind::Delete, table.kill_only(&key).then_some(0)),
            "e" => vec![(1, Kind::Evict, (table.sweep(moment()) > 0).then_some(0))],
            "t" | "T" => {
                let span = if name == "t" { 3 } else { 6 };
                self.clock.fetch_add(span, Ordering::AcqRel);
                KEYS.map(|key| (key, Kind::Tick(span as u64), None)).collect()
            }
            _ => {
                self.step(name, argument, digit, called);
                vec![]
            }
        }
    }

    fn set(&self, key: [u8; 32], digit: usize, moment: Moment<'_>) -> Option<usize> {
        let mut value = None;
        let updated = self.table.update(&key, moment, |version, stamp| {
            let next = version.payload().value() * 10 + digit;
            value = Some(next);
            Ok::<_, ()>(Change::Replace(Watched::entry(key, stamp, next)))
        });
        assert!(!matches!(updated, Err(Refusal::Build(()))));
        value.filter(|_| updated.is_ok())
    }

    fn step(&self, name: &str, argument: u8, digit: usize, called: usize) {
        let (table, slot) = (&self.table, argument as usize);
        match name {
            "N" => table.begin(),
            "G" => table.migrate(),
            "F" => table.freeze(slot),
            "M" => table.leave(slot),
            "c" => table.copy_only(slot),
            "v" => {
                let (now, key) = (self.now(), [argument; 32]);
                let mut result = 0;
                let set = table.succeed_only(&key, |version| {
                    result = version.payload().value() * 10 + digit;
                    Watched::entry(key, now, result)
                });
                if set {
                    let open = Event {
                        key: argument,
                        kind: Kind::Set(digit),
                        result: Some(result),
                        called,
                        returned: usize::MAX,
                    };
                    self.open.lock().expect("no thread panics alone").push(open);
                }
            }
            other => panic!("no such operation: {other}"),
        }
    }

    fn check(self) {
        let (events, open) =
            (self.events.into_inner().expect("unpoisoned"), self.open.into_inner().expect("unpoisoned"));
        assert!(self.limit > 0 || !events.iter().any(|event| event.kind == Kind::Refused), "refused without a limit");
        // With an abandoned operation each session is looked at by itself only, as it may have happened or not.
        if self.limit > 0 && open.is_empty() {
            assert!(linearizable_within(self.limit, &events), "not within {}: {events:#?}", self.limit);
        }
        for key in KEYS {
            let of = |events: &[Event]| events.iter().filter(|event| event.key == key).copied().collect::<Vec<_>>();
            let (closed, open) = (of(&events), of(&open));
            let explained = linearizable(&closed) || linearizable(&[closed.clone(), open].concat());
            assert!(explained, "not linearizable: {closed:#?}");
        }
        drop(self.table);
        free_all();
    }
}

/// Explores a scenario with so many preemptions `less` than asked for, once with each of its threads as the one that
/// does not have to be spawned: the explorer favours it.
pub(crate) fn explore(line: &str, less: usize) {
    let scenario = Scenario::parse(line);
    for last in 0..scenario.threads.len() {
        let mut rotated = scenario.clone();
        rotated.threads.rotate_left(last);
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(model.preemption_bound.unwrap_or(2).saturating_sub(less));
        model.max_branches = 50_000;
        model.check(move || execute(&rotated));
    }
}

fn execute(scenario: &Scenario) {
    let world = Arc::new(World {
        limit: scenario.limit,
        table: Table::of_capacity(scenario.slots, scenario.limit),
        clock: AtomicUsize::new(0),
        events: Mutex::default(),
        open: Mutex::default(),
    });
    let mut digit = 0;
    let mut marked = |operations: &[String]| {
        let mark = |operation: &String| {
            digit += 1;
            (operation.clone(), digit)
        };
        operations.iter().map(mark).collect::<Vec<_>>()
    };
    let mut all = scenario.before.iter().chain(scenario.threads.iter().flatten());
    let abandons = all.any(|operation| operation.starts_with(['k', 'u', 'v']));
    world.run(&marked(&scenario.before));
    let mut threads: Vec<_> = scenario
        .threads
        .iter()
        .map(|operations| {
            let (operations, world) = (marked(operations), world.clone());
            move || world.run(&operations)
        })
        .collect();
    let here = threads.pop().expect("a thread at least");
    let spawned: Vec<_> = threads.into_iter().map(thread::spawn).collect();
    here();
    drop(here);
    spawned.into_iter().for_each(|thread| thread.join().expect("a model's thread does not panic"));
    world.run(&marked(&scenario.after));
    if !abandons {
        world.table.check_at_rest();
    }
    Arc::try_unwrap(world).ok().expect("the threads have ended").check();
}
