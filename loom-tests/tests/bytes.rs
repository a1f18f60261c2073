//! Models of a table whose sessions may take a number of bytes together: sessions become larger and smaller, end, and
//! are ended for others, over the stand-in for the memory. Each model is explored with each of its threads as the one
//! that is not spawned.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use entry::{Entry, EntryRef, Head, Key, Overrides, Owned};
use expiry::{Moment, Tick};
use explore::Exploration;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use memory::boundary;
use payload::Watched;
use std::sync::Mutex;
use table::{Change, Former, Refusal, RemovalCause, Room, Table, Whose};

const FIRST: Key = [1; 32];
const SECOND: Key = [2; 32];
const NEW: Key = [4; 32];

/// The step from one size of a session to the next, in bytes.
const UNIT: usize = 64;

/// The bytes of a session without text.
fn smallest() -> usize {
    Entry::<Watched>::charge_of_first(false, false, 0)
}

fn version(head: Head<'_>, units: usize) -> Owned<Watched> {
    Owned::new(head, Watched::new(units), u32::try_from(units * UNIT).expect("a small text"), |_| {})
}

struct World {
    table: Table<Watched>,
    limit: usize,
    /// The session that an operation may end for the bytes that it needs.
    whose: Option<Whose>,
    returned: Mutex<Vec<(&'static str, bool)>>,
}

impl World {
    fn timed<R>(&self, f: impl FnOnce(Moment<'_>) -> R) -> R {
        boundary();
        let result = f(Moment::new(Tick::new(0), u64::MAX, &|| Tick::new(0)));
        boundary();
        assert!(self.table.bytes_taken() <= self.limit, "more bytes than allowed");
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

    fn create(&self, key: Key, units: usize) -> bool {
        self.timed(|moment| {
            let mut place = self.table.enter(&key).expect("any number of sessions");
            while !place.resize(smallest() + units * UNIT) {
                let Some(whose) = self.whose else { return false };
                match self.table.make_room(&key, whose, usize::MAX, moment) {
                    Room::Place(freed) => place.absorb(freed),
                    Room::Again => {}
                    Room::None => return false,
                }
            }
            let new = version(Head::first(key, moment.now(), &Overrides::NONE), units);
            self.table.insert(place, new, moment).is_ok()
        })
    }

    /// An operation that needs bytes, as the store carries it out.
    fn with_room(
        &self,
        key: &Key,
        moment: Moment<'_>,
        mut operation: impl FnMut(Option<&mut table::Reservation<'_>>) -> Result<(), Refusal<()>>,
    ) -> bool {
        let mut reserved = self.table.reservation();
        loop {
            match operation(reserved.as_mut()) {
                Err(Refusal::Full) => {
                    let reserved = reserved.as_mut().expect("there is a limit");
                    let shortage = reserved.shortage().expect("it was refused");
                    while !reserved.resize(shortage.more) {
                        let Some(whose) = self.whose else { return false };
                        match self.table.make_room(key, whose, usize::MAX, moment) {
                            Room::Place(freed) => reserved.absorb(freed.into_bytes()),
                            Room::Again => {}
                            Room::None => return false,
                        }
                    }
                }
                result => return result.is_ok(),
            }
        }
    }

    fn set(&self, key: Key, units: usize) -> bool {
        self.timed(|moment| {
            self.with_room(&key, moment, |reserved| {
                self.table.update_within(&key, moment, reserved.expect("there is a limit"), |old, stamp| {
                    let overrides = old.overrides();
                    Ok(Change::Replace(version(old.next_head(stamp, &overrides), units)))
                })
            })
        })
    }

    /// Moves the first session to another key, with a text of its own.
    fn rotate(&self, units: usize, forwards: bool) -> bool {
        let former = if forwards {
            Former::Forwards { end: Tick::new(9), absent: || Watched::new(0), touch: true }
        } else {
            Former::Ends(RemovalCause::Rotated)
        };
        self.timed(|moment| {
            self.with_room(&FIRST, moment, |reserved| {
                self.table.rotate(&FIRST, former, moment, reserved, |old, stamp| {
                    let overrides = Overrides { former: forwards.then_some(FIRST), ..Overrides::NONE };
                    version(Head { key: NEW, ..old.next_head(stamp, &overrides) }, units)
                })
            })
        })
    }

    fn delete(&self, key: Key) -> bool {
        self.timed(|moment| self.table.remove(&key, moment))
    }

    fn touch(&self, key: Key) -> bool {
        self.timed(|moment| self.table.read(&key, true, moment, |_| ()).is_ok())
    }

    /// The units of a session.
    fn units(&self, key: Key) -> Option<usize> {
        self.timed(|moment| self.table.read(&key, false, moment, |version| version.payload().value()).ok())
    }
}

type Part = fn(&World);

/// Explores the threads at work on a table that `before` has filled and whose sessions may take `units` more units than
/// that, then runs `after`.
fn explore(units: usize, whose: Option<Whose>, before: Part, parts: &[Part], after: Part) {
    explore_with(2, units, whose, before, parts, after);
}

/// The same with fewer preemptions than two, the usual number.
fn explore_with(bound: usize, units: usize, whose: Option<Whose>, before: Part, parts: &[Part], after: Part) {
    let begin = move || {
        // Counts what `before` takes.
        let measure = World {
            table: Table::of_capacity(4, 0).within_bytes(0, usize::MAX),
            limit: usize::MAX,
            whose: None,
            returned: Mutex::default(),
        };
        before(&measure);
        let limit = measure.table.bytes_taken() + units * UNIT;
        drop(measure.table);
        let table = Table::of_capacity(4, 0).within_bytes(0, limit);
        let world = World { table, limit, whose, returned: Mutex::default() };
        before(&world);
        world
    };
    Exploration { less: 2 - bound, ..Exploration::FULL }.of(parts, begin, move |world| {
        // Compares the bytes that are counted with those of the live versions.
        world.table.check_at_rest();
        after(&world);
        world.table.check_at_rest();
    });
}

fn one(world: &World) {
    assert!(world.create(FIRST, 0));
}

fn two(world: &World) {
    assert!(world.create(FIRST, 0) && world.create(SECOND, 0));
}

fn a_large_one_and_a_small_one(world: &World) {
    assert!(world.create(FIRST, 1) && world.create(SECOND, 0));
}

fn grow(world: &World) {
    world.note("grow", world.set(FIRST, 1));
}

fn grow_second(world: &World) {
    world.note("second", world.set(SECOND, 1));
}

fn delete(world: &World) {
    world.note("delete", world.delete(FIRST));
}

#[test]
fn two_growing_sets_for_the_last_bytes() {
    explore(1, None, two, &[grow, grow_second], |world| {
        assert!(world.of("grow") != world.of("second"), "one of them fits");
        assert_eq!(world.units(FIRST) == Some(1), world.of("grow"));
        assert_eq!(world.units(SECOND) == Some(1), world.of("second"));
    });
}

#[test]
fn a_growing_set_against_a_delete_of_its_session() {
    explore(1, None, one, &[grow, delete], |world| {
        assert!(world.of("delete") && world.units(FIRST).is_none());
        assert_eq!(world.table.bytes_taken(), 0);
    });
}

/// While the second session is large, the first one must not be there.
#[test]
fn a_growing_set_against_a_delete_that_makes_room() {
    let take_its_room = |world: &World| {
        if world.set(SECOND, 1) {
            assert_eq!(world.units(FIRST), None, "both at one instant");
        }
    };
    explore(0, None, a_large_one_and_a_small_one, &[take_its_room, delete], |world| {
        assert!(world.of("delete") && world.set(SECOND, 1), "its room is free");
    });
}

#[test]
fn a_growing_set_against_a_shrinking_set() {
    let take_its_room = |world: &World| {
        if world.set(SECOND, 1) {
            assert_eq!(world.units(FIRST), Some(0), "both large at one instant");
        }
    };
    let shrink = |world: &World| assert!(world.set(FIRST, 0), "a shrinking set never fails");
    explore(0, None, a_large_one_and_a_small_one, &[take_its_room, shrink], |world| {
        assert!(world.set(SECOND, 1), "its room is free");
    });
}

/// The one that comes second may be refused for what the first one has reserved.
#[test]
fn two_growing_sets_of_one_session() {
    let again = |world: &World| world.note("again", world.set(FIRST, 1));
    explore(1, None, one, &[grow, again], |world| {
        assert!(world.of("grow") || world.of("again"));
        assert_eq!(world.units(FIRST), Some(1));
    });
}

#[test]
fn a_growing_set_against_a_shrinking_set_of_one_session() {
    let before = |world: &World| assert!(world.create(FIRST, 1));
    let shrink = |world: &World| assert!(world.set(FIRST, 0));
    let grow = |world: &World| assert!(world.set(FIRST, 2), "there is room for it alone");
    explore(2, None, before, &[grow, shrink], |world| {
        assert!(world.set(FIRST, 3), "all else is given back");
    });
}

/// A creation that has to end both.
#[test]
fn a_creation_that_ends_two_against_a_touch() {
    let create = |world: &World| world.note("create", world.create(NEW, 1));
    let touch = |world: &World| world.note("touch", world.touch(FIRST));
    explore(0, Some(Whose::Any), two, &[create, touch], |world| {
        assert!(world.of("create") && world.units(NEW) == Some(1));
        assert!(world.units(FIRST).is_none() && world.units(SECOND).is_none());
    });
}

#[test]
fn a_creation_that_ends_another_against_a_growing_set() {
    let create = |world: &World| world.note("create", world.create(NEW, 0));
    explore_with(1, 0, Some(Whose::Any), two, &[create, grow], |world| {
        assert!(!world.of("grow") || world.units(FIRST).is_none_or(|units| units == 1));
        let there = [FIRST, SECOND, NEW].into_iter().filter(|key| world.units(*key).is_some()).count();
        assert!((1..=2).contains(&there), "{there}");
    });
}

/// Each may end the other's session, and then neither is there.
#[test]
fn two_growing_sets_that_end_others() {
    explore_with(1, 0, Some(Whose::Any), two, &[grow, grow_second], |world| {
        assert_eq!(
            world.units(FIRST).is_some_and(|units| units == 1),
            world.of("grow") && world.units(FIRST).is_some()
        );
        assert!(world.units(FIRST) != Some(1) || world.units(SECOND) != Some(1), "both do not fit");
    });
}

fn rotate(world: &World) {
    world.note("rotate", world.rotate(1, false));
}

#[test]
fn a_rotation_that_takes_more_against_a_delete() {
    explore(1, None, one, &[rotate, delete], |world| {
        assert!(world.of("rotate") != world.of("delete"));
        assert_eq!(world.units(NEW).is_some(), world.of("rotate"));
    });
}

#[test]
fn a_rotation_that_takes_less_against_a_growing_set() {
    let before = |world: &World| assert!(world.create(FIRST, 1));
    let rotate = |world: &World| assert!(world.rotate(0, false), "it takes no more");
    let grow = |world: &World| world.note("grow", world.set(FIRST, 2));
    explore(1, None, before, &[rotate, grow], |world| {
        assert_eq!((world.units(FIRST), world.units(NEW)), (None, Some(0)));
        assert!(world.set(NEW, 2), "the difference is given back");
    });
}

/// The forward counts with the session, which any thread may end by its old key.
#[test]
fn a_rotation_with_a_forward_against_a_delete() {
    let rotate = |world: &World| world.note("rotate", world.rotate(0, true));
    explore(8, None, one, &[rotate, delete], |world| {
        assert!(world.of("delete"));
        world.delete(NEW);
        assert_eq!(world.table.bytes_taken(), 0);
    });
}

/// The cell stands for a version that ends before its bytes are given back.
#[test]
fn bytes_are_taken_after_all_that_preceded_their_return() {
    loom::model(|| {
        let shared = Arc::new((table::Population::new(0, 1), UnsafeCell::new(())));
        assert!({
            let mut reserved = shared.0.budget().reservation().expect("there is a limit");
            let fits = reserved.resize(1);
            core::mem::forget(reserved);
            fits
        });
        let leaver = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.with_mut(|_| ());
                shared.0.budget().give_back(1);
            })
        };
        let mut reserved = shared.0.budget().reservation().expect("there is a limit");
        if reserved.resize(1) {
            shared.1.with(|_| ());
        }
        drop(reserved);
        leaver.join().expect("a model's thread does not panic");
    });
}
