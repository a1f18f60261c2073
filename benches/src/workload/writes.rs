//! The loads that write: mixed, churn, and login.

use super::order::{Measured, Order};
use super::race::{BATCH, race};
use crate::attributes::{ATTRIBUTES, READ_KEY, WRITTEN_KEY, WRITTEN_VALUES};
use crate::contender::Contender;
use crate::ids::Id;
use crate::random::Xorshift;
use std::collections::VecDeque;
use std::hint::black_box;

/// The number of sessions that each thread of the mixed load creates before it begins.
const OWN: usize = 64;

/// The number of logins between the login of a session and its logout.
const LOGGED_IN: usize = 1_000;

/// 90 % get, 5 % set and 2 % exists, of sessions picked uniformly. 1.5 % create a session, and 1.5 % delete the oldest
/// session that the thread created.
pub fn mixed<C: Contender>(order: &Order) -> Vec<Measured> {
    let sessions = order.sizes.middle;
    let store: C = order.store(sessions);
    let ids: Vec<Id> = (0..sessions).map(|_| store.create(&ATTRIBUTES)).collect();
    let measure = |&threads: &usize| {
        let ns = race(threads, order.window(), |thread| {
            let mut worker = Mixed::new(&store, &ids, thread);
            move || (0..BATCH).for_each(|_| worker.step())
        });
        Measured::new("mixed", sessions, threads, "ns", ns)
    };
    order.threads.iter().map(measure).collect()
}

struct Mixed<'a, C> {
    store: &'a C,
    ids: &'a [Id],
    random: Xorshift,
    own: VecDeque<Id>,
    turn: usize,
}

impl<'a, C: Contender> Mixed<'a, C> {
    fn new(store: &'a C, ids: &'a [Id], thread: usize) -> Self {
        let own = (0..OWN).map(|_| store.create(&ATTRIBUTES)).collect();
        Self { store, ids, random: Xorshift::new(thread as u64), own, turn: 0 }
    }

    fn step(&mut self) {
        let id = black_box(&self.ids[self.random.below(self.ids.len())]);
        match self.random.below(1_000) {
            0..900 => {
                let value = self.store.get(id, black_box(READ_KEY));
                black_box(value.expect("a session was lost"));
            }
            900..950 => {
                self.turn += 1;
                let value = WRITTEN_VALUES[self.turn % WRITTEN_VALUES.len()];
                assert!(self.store.set(id, black_box(WRITTEN_KEY), black_box(value)), "a session was lost");
            }
            950..970 => assert!(self.store.exists(id), "a session was lost"),
            970..985 => self.own.push_back(self.store.create(black_box(&ATTRIBUTES))),
            _ => match self.own.pop_front() {
                Some(oldest) => assert!(self.store.delete(&oldest), "a created session was lost"),
                None => self.own.push_back(self.store.create(black_box(&ATTRIBUTES))),
            },
        }
    }
}

/// The rows of short-lived sessions, in a store with other sessions that stay.
pub fn churn<C: Contender>(order: &Order) -> Vec<Measured> {
    let sessions = order.sizes.busy;
    let store: C = order.store(sessions);
    for _ in 0..sessions {
        store.create(&ATTRIBUTES);
    }
    let mut measured = Vec::new();
    for &threads in &order.threads {
        let ns = race(threads, order.window(), |_| || (0..BATCH).for_each(|_| come_and_go(&store)));
        measured.push(Measured::new("churn", sessions, threads, "ns", ns));
    }
    for &threads in &order.threads {
        let ns = race(threads, order.window(), |_| {
            let mut logged_in: VecDeque<Id> = (0..LOGGED_IN).map(|_| store.create(&ATTRIBUTES)).collect();
            let store = &store;
            move || (0..BATCH).for_each(|_| log_in(store, &mut logged_in))
        });
        measured.push(Measured::new("login", sessions, threads, "ns", ns));
    }
    measured
}

/// One operation of the row `churn`: creates a session without attributes, sets three, and deletes the session.
fn come_and_go<C: Contender>(store: &C) {
    let id = store.create(&[]);
    for (key, value) in black_box(ATTRIBUTES) {
        assert!(store.set(&id, key, value), "a created session was lost");
    }
    assert!(store.delete(&id), "a created session was lost");
}

/// One operation of the row `login`: creates a session with its attributes, and deletes an old one.
fn log_in<C: Contender>(store: &C, logged_in: &mut VecDeque<Id>) {
    logged_in.push_back(store.create(black_box(&ATTRIBUTES)));
    let oldest = logged_in.pop_front().expect("a session was just added");
    assert!(store.delete(&oldest), "a created session was lost");
}
