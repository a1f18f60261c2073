//! Models of reservations, and of ending all sessions, over the stand-in for the memory. Each model is explored with
//! each of its threads as the one that is not spawned, and some order of the operations has to explain their results.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use entry::{Head, Key, Overrides, Owned};
use expiry::{EraStart, Moment, Tick};
use explore::Exploration;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use memory::boundary;
use payload::Watched;
use std::sync::Mutex;
use table::{Change, Former, RemovalCause, Table, Taken};

const KEY: Key = [1; 32];
const NEW: Key = [2; 32];
const OTHER: Key = [3; 32];

/// The idle timeout and the time of a reservation, in milliseconds.
const IDLE: u64 = 5;

/// The payload of a reservation.
const ABSENT: usize = usize::MAX;

/// A table, a clock with eras, and the results of the operations.
struct World {
    table: Table<Watched>,
    clock: AtomicUsize,
    era: AtomicU64,
    returned: Mutex<Vec<(&'static str, bool)>>,
}

impl World {
    fn timed<R>(&self, f: impl FnOnce(Moment<'_>) -> R) -> R {
        boundary();
        // Relaxed, as in the store.
        let era = || EraStart::from_word(self.era.load(Ordering::Relaxed));
        let now = || Tick::new(self.clock.load(Ordering::Acquire) as u64).in_era(era());
        let result = f(Moment::new(now(), IDLE, &now));
        boundary();
        result
    }

    /// Records the result of an operation.
    fn note(&self, name: &'static str, result: bool) -> bool {
        self.returned.lock().expect("no thread panics alone").push((name, result));
        result
    }

    fn of(&self, name: &'static str) -> bool {
        let returned = self.returned.lock().expect("no thread panics alone");
        returned.iter().find(|(noted, _)| *noted == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn reserve(&self, number: u64) -> bool {
        let reserved = self.timed(|moment| {
            let end = moment.now().after(IDLE);
            self.table.reserve_key(&KEY, number, end, Watched::new(ABSENT), moment)
        });
        reserved.is_ok()
    }

    fn fulfil(&self, number: u64, value: usize) -> bool {
        let Some(place) = self.table.enter(&KEY) else { return false };
        self.timed(|moment| self.table.fulfil(&KEY, number, place, moment, |stamp| Watched::entry(KEY, stamp, value)))
    }

    fn abandon(&self, number: u64) -> bool {
        boundary();
        let ended = self.table.end_reservation(&KEY, |reserved| reserved == number);
        boundary();
        ended
    }

    fn bar(&self) -> bool {
        self.timed(|moment| self.table.bar(&KEY, moment.now().after(IDLE), Watched::new(ABSENT), moment))
    }

    /// Inserts as the store does.
    fn insert(&self, key: Key, value: usize) -> bool {
        self.timed(|moment| {
            let mut new = Watched::entry(key, moment.now(), value);
            loop {
                let Some(place) = self.table.enter(&key) else { return false };
                match self.table.insert(place, new, moment) {
                    Ok(()) => return true,
                    Err(back) => new = back,
                }
                if !matches!(self.table.taken(&key, moment), Some(Taken::Reservation(_) | Taken::Bar)) {
                    return false;
                }
                self.table.end_reservation(&key, |_| true);
            }
        })
    }

    fn get(&self, key: Key) -> Option<usize> {
        let value = self.timed(|moment| self.table.read(&key, true, moment, |version| version.payload().value()).ok());
        assert_ne!(value, Some(ABSENT), "no look-up finds a reservation");
        value
    }

    fn exists(&self, key: Key) -> bool {
        self.timed(|moment| self.table.read(&key, false, moment, |_| ()).is_ok())
    }

    fn set(&self, value: usize) -> bool {
        let set = self.timed(|moment| {
            self.table.update(&KEY, moment, |version, stamp| {
                let head = version.next_head(stamp, &Overrides::NONE);
                Ok::<_, ()>(Change::Replace(Owned::new(head, Watched::new(value), 0, |_| {})))
            })
        });
        set.is_ok()
    }

    fn rotate(&self) -> bool {
        let rotated = self.timed(|moment| {
            self.table.rotate(&KEY, Former::Ends(RemovalCause::Rotated), moment, None, |version, stamp| {
                Watched::entry(NEW, stamp, version.payload().value())
            })
        });
        rotated.is_ok()
    }

    fn delete(&self) -> bool {
        self.timed(|moment| self.table.remove(&KEY, moment))
    }

    fn evict(&self) -> usize {
        self.timed(|moment| self.table.sweep(moment))
    }

    fn end_all(&self) {
        boundary();
        // As in the store.
        let next = |word| EraStart::from_word(word).next().map(EraStart::to_word);
        let _ = self.era.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        boundary();
    }

    fn pass(&self, milliseconds: usize) {
        self.clock.fetch_add(milliseconds, Ordering::AcqRel);
    }

    fn grow(&self) {
        boundary();
        self.table.migrate();
        boundary();
    }
}

type Part = fn(&World);

/// Explores the threads, each of which begins after `before`, then runs `after`.
fn explore(before: Part, parts: &[Part], after: Part) {
    let begin = move || {
        let table = Table::of_capacity(2, 0);
        let (clock, era) = (AtomicUsize::new(0), AtomicU64::new(EraStart::FIRST.to_word()));
        let world = World { table, clock, era, returned: Mutex::default() };
        before(&world);
        world
    };
    Exploration::FULL.of(parts, begin, move |world| {
        after(&world);
        world.evict();
        world.table.check_at_rest();
    });
}

fn reserved(world: &World) {
    assert!(world.reserve(1));
}

fn inserted(world: &World) {
    assert!(world.insert(KEY, 1));
}

fn fulfil(world: &World) {
    world.note("fulfil", world.fulfil(1, 5));
}

fn delete(world: &World) {
    world.note("delete", world.delete());
    assert!(!world.exists(KEY), "no fill that was asked for before the delete comes back");
}

fn end_all(world: &World) {
    world.end_all();
    assert!(!world.exists(KEY), "no session from before the end of all is found");
}

/// The session of a fulfilment is deleted, or the reservation.
fn nothing_is_left(world: &World) {
    assert_eq!(world.of("fulfil"), world.of("delete"));
    assert_eq!(world.get(KEY), None);
    assert_eq!((world.table.len(), world.table.reservations()), (0, 0));
}

fn nothing_lives(world: &World) {
    assert_eq!((world.get(KEY), world.get(NEW)), (None, None));
}

#[test]
fn fulfilment_against_delete() {
    explore(reserved, &[fulfil, delete], nothing_is_left);
}

#[test]
fn fulfilment_against_delete_and_growth() {
    let grow_and_delete = |world: &World| {
        world.grow();
        delete(world);
    };
    explore(reserved, &[fulfil, grow_and_delete], nothing_is_left);
}

#[test]
fn fulfilment_against_growth() {
    explore(reserved, &[fulfil, |world| world.grow()], |world| {
        assert!(world.of("fulfil"));
        assert_eq!((world.get(KEY), world.table.reservations()), (Some(5), 0));
    });
}

/// The first reservation is deleted, and a second one made: the first owner's answer is too old for it.
#[test]
fn fulfilment_of_a_reservation_that_another_has_followed() {
    let again = |world: &World| {
        world.note("delete", world.delete());
        assert!(world.reserve(2));
        assert!(world.fulfil(2, 7), "nobody else has the second reservation");
    };
    explore(reserved, &[fulfil, again], |world| {
        assert_eq!(world.of("fulfil"), world.of("delete"));
        assert_eq!((world.get(KEY), world.table.reservations()), (Some(7), 0));
    });
}

#[test]
fn two_reservations() {
    let first = |world: &World| {
        world.note("first", world.reserve(1) && world.fulfil(1, 5));
    };
    let second = |world: &World| {
        world.note("second", world.reserve(2) && world.fulfil(2, 7));
    };
    explore(
        |_| {},
        &[first, second],
        |world| {
            assert!(world.of("first") != world.of("second"), "one has filled the key");
            assert_eq!(world.get(KEY), Some(if world.of("first") { 5 } else { 7 }));
            assert_eq!(world.table.reservations(), 0);
        },
    );
}

#[test]
fn two_owners_of_a_reservation() {
    let second = |world: &World| {
        world.note("second", world.fulfil(1, 7));
    };
    explore(reserved, &[fulfil, second], |world| {
        assert!(world.of("fulfil") != world.of("second"), "one has fulfilled it");
        assert_eq!(world.get(KEY), Some(if world.of("fulfil") { 5 } else { 7 }));
        assert_eq!((world.table.len(), world.table.reservations()), (1, 0));
    });
}

#[test]
fn fulfilment_against_insert() {
    let insert = |world: &World| {
        world.note("insert", world.insert(KEY, 7));
    };
    explore(reserved, &[fulfil, insert], |world| {
        assert!(world.of("fulfil") != world.of("insert"), "one has filled the key");
        assert_eq!(world.get(KEY), Some(if world.of("insert") { 7 } else { 5 }));
        assert_eq!(world.table.reservations(), 0);
    });
}

#[test]
fn reservation_against_insert() {
    let fill = |world: &World| {
        world.note("fill", world.reserve(1) && world.fulfil(1, 5));
    };
    let insert = |world: &World| {
        world.note("insert", world.insert(KEY, 7));
    };
    explore(
        |_| {},
        &[fill, insert],
        |world| {
            assert!(world.of("fill") != world.of("insert"), "one has filled the key");
            assert_eq!(world.get(KEY), Some(if world.of("insert") { 7 } else { 5 }));
        },
    );
}

#[test]
fn reservation_against_growth() {
    let reserve = |world: &World| {
        world.note("reserve", world.reserve(1));
    };
    explore(
        |_| {},
        &[reserve, |world| world.grow()],
        |world| {
            assert!(world.of("reserve") && !world.reserve(2));
            assert!(world.fulfil(1, 5));
            assert_eq!(world.get(KEY), Some(5));
        },
    );
}

#[test]
fn reader_against_reservation_and_fulfilment() {
    let fill = |world: &World| {
        assert!(world.reserve(1));
        assert_eq!(world.get(KEY), None);
        assert!(world.fulfil(1, 5));
        assert_eq!(world.get(KEY), Some(5));
    };
    let read = |world: &World| {
        let (first, second) = (world.get(KEY), world.get(KEY));
        assert!(matches!((first, second), (None, None | Some(5)) | (Some(5), Some(5))), "{first:?}, {second:?}");
    };
    explore(|_| {}, &[fill, read], |_| {});
}

#[test]
fn abandoned_reservation_against_another() {
    let abandon = |world: &World| {
        assert!(world.abandon(1));
    };
    let another = |world: &World| {
        world.note("another", world.reserve(2) && world.fulfil(2, 7));
    };
    explore(reserved, &[abandon, another], |world| {
        assert_eq!(world.get(KEY), world.of("another").then_some(7));
        assert_eq!(world.table.reservations(), 0);
    });
}

#[test]
fn fulfilment_against_expiry() {
    let expire = |world: &World| {
        world.pass(IDLE as usize + 1);
        let _ = world.evict();
        world.note("again", world.reserve(2) && world.fulfil(2, 7));
    };
    explore(reserved, &[fulfil, expire], |world| {
        assert!(world.of("fulfil") || world.of("again"), "nothing was in the way of the second one");
        assert_eq!(world.table.reservations(), 0);
        assert_eq!(world.get(KEY).is_some(), world.table.len() == 1);
    });
}

#[test]
fn bar_against_reservation_and_fulfilment() {
    let fill = |world: &World| {
        world.note("fill", world.reserve(1) && world.fulfil(1, 5));
    };
    let bar = |world: &World| {
        world.note("bar", world.bar());
        assert!(!world.exists(KEY) && !world.reserve(2), "barred");
    };
    explore(
        |_| {},
        &[fill, bar],
        |world| {
            assert_eq!(world.of("fill"), world.of("bar"));
            assert_eq!((world.get(KEY), world.table.len(), world.table.reservations()), (None, 0, 0));
        },
    );
}

#[test]
fn fulfilment_against_the_end_of_all() {
    explore(reserved, &[fulfil, end_all], nothing_lives);
}

#[test]
fn set_against_the_end_of_all() {
    let set = |world: &World| {
        world.set(2);
    };
    explore(inserted, &[set, end_all], nothing_lives);
}

#[test]
fn get_against_the_end_of_all() {
    let get_twice = |world: &World| {
        let (first, second) = (world.get(KEY), world.get(KEY));
        assert!(first.is_some() || second.is_none(), "a session came back");
    };
    explore(inserted, &[get_twice, end_all], nothing_lives);
}

#[test]
fn rotation_against_the_end_of_all() {
    let rotate = |world: &World| {
        world.rotate();
    };
    explore(inserted, &[rotate, end_all], nothing_lives);
}

#[test]
fn insert_against_the_end_of_all() {
    let insert = |world: &World| {
        world.note("insert", world.insert(KEY, 2));
    };
    let end_and_insert = |world: &World| {
        world.end_all();
        assert!(world.insert(OTHER, 7));
        assert!(world.exists(OTHER), "a session from after the end of all lives");
    };
    explore(inserted, &[insert, end_and_insert], |world| {
        assert_eq!(world.get(OTHER), Some(7));
        assert!(matches!(world.get(KEY), None | Some(2)));
        assert!(world.of("insert") || world.get(KEY).is_none());
    });
}
