//! Models of a full table over the stand-in for the memory: sessions are ended to make room for newcomers while other
//! threads use them. Each model is explored with each of its threads as the one that is not spawned.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use entry::account::{Account, Binding};
use entry::{Head, Key, Overrides, Owned};
use expiry::{Moment, Tick};
use explore::Exploration;
use loom::sync::atomic::{AtomicUsize, Ordering};
use memory::boundary;
use payload::Watched;
use std::sync::Mutex;
use table::{Change, Room, Table, Whose};

const FIRST: Key = [1; 32];
const SECOND: Key = [2; 32];
const NEWCOMER: Key = [4; 32];
const OTHER_NEWCOMER: Key = [5; 32];

struct World {
    table: Table<Watched>,
    /// Holds the account that bound sessions are bound to.
    accounts: Table<Account>,
    binding: Binding,
    limit: usize,
    clock: AtomicUsize,
    returned: Mutex<Vec<(&'static str, bool)>>,
}

impl World {
    fn timed<R>(&self, f: impl FnOnce(Moment<'_>) -> R) -> R {
        boundary();
        let now = || Tick::new(self.clock.load(Ordering::Acquire) as u64);
        let result = f(Moment::new(now(), u64::MAX, &now));
        boundary();
        result
    }

    /// Records the result of an operation.
    fn note(&self, name: &'static str, result: bool) {
        self.returned.lock().expect("no thread panics alone").push((name, result));
    }

    fn of(&self, name: &'static str) -> bool {
        let returned = self.returned.lock().expect("no thread panics alone");
        returned.iter().find(|(noted, _)| *noted == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// Creates a session as the store does, and ends another one if the table is full.
    fn create(&self, key: Key, bound: bool, whose: Whose) -> bool {
        let overrides = Overrides { binding: bound.then_some(self.binding), ..Overrides::NONE };
        let created = self.timed(|moment| {
            let place = loop {
                if let Some(place) = self.table.enter(&key) {
                    break place;
                }
                match self.table.make_room(&key, whose, usize::MAX, moment) {
                    Room::Place(place) => break place,
                    Room::Again => {}
                    Room::None => return false,
                }
            };
            assert!(self.table.len() <= self.limit, "more sessions than allowed");
            let new = Owned::new(Head::first(key, moment.now(), &overrides), Watched::new(1), 0, |_| {});
            assert!(self.table.insert(place, new, moment).is_ok());
            true
        });
        assert!(self.table.len() <= self.limit, "more sessions than allowed");
        created
    }

    fn touch(&self, key: Key) -> bool {
        self.timed(|moment| self.table.read(&key, true, moment, |_| ()).is_ok())
    }

    fn exists(&self, key: Key) -> bool {
        self.timed(|moment| self.table.read(&key, false, moment, |_| ()).is_ok())
    }

    fn set(&self, key: Key) -> bool {
        let updated = self.timed(|moment| {
            self.table.update(&key, moment, |version, stamp| {
                let (number, overrides) = (version.version().wrapping_add(1), version.overrides());
                let head = Head { key, stamp, version: number, overrides: &overrides };
                Ok::<_, ()>(Change::Replace(Owned::new(head, Watched::new(2), 0, |_| {})))
            })
        });
        updated.is_ok()
    }

    fn delete(&self, key: Key) -> bool {
        self.timed(|moment| self.table.remove(&key, moment))
    }

    fn pass(&self, milliseconds: usize) {
        self.clock.fetch_add(milliseconds, Ordering::AcqRel);
    }

    fn there(&self) -> usize {
        [FIRST, SECOND, NEWCOMER, OTHER_NEWCOMER].into_iter().filter(|key| self.exists(*key)).count()
    }
}

/// A principal's account, and the binding of a session to it.
fn account() -> (Table<Account>, Binding) {
    let accounts = Table::of_capacity(2, 0);
    let new = Owned::new(Head::first([9; 32], Tick::new(0), &Overrides::NONE), Account::new(0), 0, |_| {});
    let binding = Binding::new(new.pointer(), 0, 1, 0);
    let place = accounts.enter(&[9; 32]).expect("any number");
    assert!(accounts.insert(place, new, Moment::new(Tick::new(0), u64::MAX, &|| Tick::new(0))).is_ok());
    (accounts, binding)
}

type Part = fn(&World);

/// Explores the threads at work on a table that `before` has filled, then runs `after`.
fn explore(limit: usize, before: Part, parts: &[Part], after: Part) {
    let begin = move || {
        let table = Table::of_capacity(4, limit);
        let (accounts, binding) = account();
        let world = World { table, accounts, binding, limit, clock: AtomicUsize::new(0), returned: Mutex::default() };
        before(&world);
        assert_eq!(world.table.len(), limit);
        world
    };
    Exploration::FULL.of(parts, begin, move |world| {
        world.table.check_at_rest();
        after(&world);
    });
}

fn one(world: &World) {
    assert!(world.create(FIRST, false, Whose::Any));
}

fn two(world: &World) {
    one(world);
    assert!(world.create(SECOND, false, Whose::Any));
}

fn two_bound(world: &World) {
    assert!(world.create(FIRST, true, Whose::Any));
    assert!(world.create(SECOND, true, Whose::Any));
}

fn create(world: &World) {
    world.note("create", world.create(NEWCOMER, false, Whose::Any));
}

fn create_other(world: &World) {
    world.note("other", world.create(OTHER_NEWCOMER, false, Whose::Any));
}

fn touch(world: &World) {
    world.pass(3);
    world.note("touch", world.touch(FIRST));
}

/// At least one newcomer gets in. The other one does too, unless it found no session to end while the first was on its
/// way.
#[test]
fn creation_against_creation_at_the_limit() {
    explore(1, one, &[create, create_other], |world| {
        assert!(world.of("create") || world.of("other"));
        assert!(!world.exists(FIRST));
        assert_eq!((world.there(), world.table.len()), (1, 1));
    });
}

#[test]
fn creation_against_creation_with_two_to_choose_from() {
    explore(2, two, &[create, create_other], |world| {
        assert!(world.of("create") || world.of("other"));
        assert_eq!((world.there(), world.table.len()), (2, 2));
    });
}

/// A session that is touched in time stays, and the other one is ended.
#[test]
fn creation_against_a_touch_of_the_idlest() {
    explore(2, two, &[create, touch], |world| {
        let touched = world.of("touch");
        assert!(world.of("create") && world.exists(NEWCOMER));
        assert!(!touched || world.exists(FIRST), "it was used before it could be ended");
        assert_eq!((world.there(), world.table.len()), (2, 2));
    });
}

#[test]
fn creation_against_a_set_of_the_idlest() {
    let set = |world: &World| {
        world.pass(3);
        world.note("set", world.set(FIRST));
    };
    explore(2, two, &[create, set], |world| {
        assert!(world.of("create") && world.exists(NEWCOMER));
        assert_eq!(world.of("set"), world.exists(FIRST), "a set of an ended session fails, one in time saves it");
        assert_eq!((world.there(), world.table.len()), (2, 2));
    });
}

/// The newcomer takes the place that the delete gives back, or ends a session.
#[test]
fn creation_against_a_delete_of_the_idlest() {
    let delete = |world: &World| world.note("delete", world.delete(FIRST));
    explore(2, two, &[create, delete], |world| {
        assert!(world.of("create") && world.exists(NEWCOMER) && !world.exists(FIRST));
        assert_eq!(world.there(), world.table.len());
        assert!(world.of("delete") || world.exists(SECOND), "no more than one was ended");
    });
}

/// The victim is chosen in one array and ended in the next.
#[test]
fn creation_against_growth() {
    let grow = |world: &World| {
        boundary();
        world.table.migrate();
        boundary();
    };
    explore(1, one, &[create, grow], |world| {
        assert!(world.of("create") && world.exists(NEWCOMER));
        assert_eq!((world.there(), world.table.len()), (1, 1));
    });
}

/// No bound session is ended for an unbound newcomer.
#[test]
fn an_unbound_newcomer_against_bound_sessions() {
    let intrude = |world: &World| {
        world.note("create", world.create(NEWCOMER, false, Whose::Unbound));
    };
    let delete = |world: &World| world.note("delete", world.delete(FIRST));
    explore(2, two_bound, &[intrude, delete], |world| {
        assert!(world.of("delete") && world.exists(SECOND));
        assert_eq!(world.of("create"), world.exists(NEWCOMER));
        assert_eq!(world.there(), world.table.len());
    });
}
