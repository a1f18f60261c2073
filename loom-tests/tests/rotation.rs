//! Models of rotation over the stand-in for the memory: a session gets another key while other threads use it under its
//! old one. Each model is explored with each of its threads as the one that is not spawned, and some order of the
//! operations has to explain their results.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use entry::{EntryRef, Head, Key, Overrides, Owned};
use expiry::{Moment, Tick};
use explore::Exploration;
use loom::sync::atomic::{AtomicUsize, Ordering};
use memory::boundary;
use payload::Watched;
use std::sync::Mutex;
use table::RemovalCause;
use table::{Change, Former, Table};

const OLD: Key = [1; 32];
const NEW: Key = [2; 32];
const NEWER: Key = [3; 32];
const OTHER: Key = [4; 32];

/// The idle timeout in milliseconds, and the grace.
const IDLE: u64 = 5;

/// A table with one session of value 1, a clock, and the results of the operations.
struct World {
    table: Table<Watched>,
    clock: AtomicUsize,
    returned: Mutex<Vec<(&'static str, Option<usize>)>>,
}

impl World {
    fn timed<R>(&self, f: impl FnOnce(Moment<'_>) -> R) -> R {
        boundary();
        let now = || Tick::new(self.clock.load(Ordering::Acquire) as u64);
        let result = f(Moment::new(now(), IDLE, &now));
        boundary();
        result
    }

    /// Records the result of an operation.
    fn note(&self, name: &'static str, result: Option<usize>) -> Option<usize> {
        self.returned.lock().expect("no thread panics alone").push((name, result));
        result
    }

    fn of(&self, name: &'static str) -> Option<usize> {
        let returned = self.returned.lock().expect("no thread panics alone");
        returned.iter().find(|(noted, _)| *noted == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn insert(&self, key: Key, value: usize) -> bool {
        let Some(place) = self.table.enter(&key) else { return false };
        self.timed(|moment| self.table.insert(place, Watched::entry(key, moment.now(), value), moment).is_ok())
    }

    fn get(&self, key: Key) -> Option<usize> {
        self.timed(|moment| self.table.read(&key, true, moment, |version| version.payload().value()).ok())
    }

    fn exists(&self, key: Key) -> bool {
        self.timed(|moment| self.table.read(&key, false, moment, |_| ()).is_ok())
    }

    /// Appends a digit, and returns what that makes.
    fn set(&self, key: Key, digit: usize) -> Option<usize> {
        let mut value = None;
        let updated = self.timed(|moment| {
            self.table.update(&key, moment, |version, stamp| {
                let next = version.payload().value() * 10 + digit;
                value = Some(next);
                Ok::<_, ()>(Change::Replace(version_of(version, key, stamp, next)))
            })
        });
        value.filter(|_| updated.is_ok())
    }

    fn delete(&self, key: Key) -> bool {
        self.timed(|moment| self.table.remove(&key, moment))
    }

    fn evict(&self) -> usize {
        self.timed(|moment| self.table.sweep(moment))
    }

    fn pass(&self, milliseconds: usize) {
        self.clock.fetch_add(milliseconds, Ordering::AcqRel);
    }

    /// Rotates at once, and returns the value that went with it.
    fn rotate(&self, old: Key, new: Key) -> Option<usize> {
        self.move_to(old, new, None)
    }

    /// The same; the old key forwards to the session for as long as the idle timeout.
    fn rotate_with_grace(&self, old: Key, new: Key) -> Option<usize> {
        self.move_to(old, new, Some(IDLE))
    }

    fn move_to(&self, old: Key, new: Key, grace: Option<u64>) -> Option<usize> {
        let mut value = None;
        let rotated = self.timed(|moment| {
            let forwards = |grace| Former::Forwards {
                end: moment.now().after(grace),
                absent: || Watched::new(usize::MAX),
                touch: true,
            };
            let former = grace.map_or(Former::Ends(RemovalCause::Rotated), forwards);
            self.table.rotate(&old, former, moment, self.table.reservation().as_mut(), |version, stamp| {
                value = Some(version.payload().value());
                let overrides = Overrides { former: grace.map(|_| old), ..version.overrides() };
                let head = Head { key: new, ..version.next_head(stamp, &overrides) };
                Owned::new(head, Watched::new(version.payload().value()), 0, |_| {})
            })
        });
        value.filter(|_| rotated.is_ok())
    }

    /// The keys of all sessions.
    fn keys(&self) -> Vec<Key> {
        boundary();
        let mut keys = Vec::new();
        self.table.keys(0, &mut keys);
        boundary();
        keys
    }
}

fn version_of(version: EntryRef<'_, Watched>, key: Key, stamp: Tick, value: usize) -> Owned<Watched> {
    let (version, overrides) = (version.version().wrapping_add(1), version.overrides());
    Owned::new(Head { key, stamp, version, overrides: &overrides }, Watched::new(value), 0, |_| {})
}

type Part = fn(&World);

/// Explores the threads at work on a session of value 1, with at most `limit` sessions (0: any number), then runs
/// `after`.
fn explore(limit: usize, parts: &[Part], after: Part) {
    let begin = move || {
        let table = Table::of_capacity(2, limit);
        let world = World { table, clock: AtomicUsize::new(0), returned: Mutex::default() };
        assert!(world.insert(OLD, 1));
        world
    };
    Exploration::FULL.of(parts, begin, move |world| {
        world.table.check_at_rest();
        after(&world);
    });
}

fn rotate(world: &World) {
    let value = world.rotate(OLD, NEW);
    assert!(!world.exists(OLD), "the old key is dead when the rotation has returned");
    world.note("rotate", value);
}

fn rotate_with_grace(world: &World) {
    let value = world.rotate_with_grace(OLD, NEW);
    world.note("rotate", value);
}

fn set(world: &World) {
    world.note("set", world.set(OLD, 2));
}

fn delete(world: &World) {
    world.note("delete", world.delete(OLD).then_some(0));
    assert!(!world.exists(OLD), "a deleted session does not come back");
}

fn grow(world: &World) {
    boundary();
    world.table.migrate();
    boundary();
}

/// The value of a set before the rotation moves along, and a set after it fails.
fn nothing_is_lost(world: &World) {
    let (moved, set) = (world.of("rotate"), world.of("set"));
    assert_eq!(moved, Some(set.unwrap_or(1)));
    assert_eq!(world.get(NEW), moved);
    assert_eq!(world.table.len(), 1);
}

/// Either the delete has ended the session or the rotation has moved it.
fn one_has_won(world: &World) {
    let (moved, deleted) = (world.of("rotate"), world.of("delete").is_some());
    assert_eq!(moved.is_some(), !deleted);
    assert_eq!(world.get(NEW), moved);
    assert_eq!(world.table.len(), usize::from(!deleted));
}

#[test]
fn rotation_against_set() {
    explore(0, &[rotate, set], nothing_is_lost);
}

#[test]
fn rotation_against_set_during_growth() {
    explore(
        0,
        &[rotate, |world| {
            world.note("set", world.set(OLD, 2));
            grow(world);
        }],
        nothing_is_lost,
    );
}

#[test]
fn rotation_against_delete() {
    explore(0, &[rotate, delete], one_has_won);
}

#[test]
fn rotation_against_delete_and_growth() {
    explore(
        0,
        &[rotate, |world| {
            grow(world);
            delete(world);
        }],
        one_has_won,
    );
}

#[test]
fn rotation_against_rotation() {
    let second = |world: &World| {
        world.note("second", world.rotate(OLD, NEWER));
    };
    explore(0, &[rotate, second], |world| {
        let moved = (world.of("rotate"), world.of("second"));
        assert!(matches!(moved, (Some(1), None) | (None, Some(1))), "{moved:?}");
        assert_eq!((world.get(NEW), world.get(NEWER)), moved);
        assert_eq!(world.table.len(), 1);
    });
}

/// The new version's stamp is not older than the last touch under the old key.
#[test]
fn rotation_against_touch_and_time() {
    let touch = |world: &World| {
        world.pass(3);
        let touched = world.get(OLD);
        world.pass(3);
        world.note("get", touched);
    };
    explore(0, &[rotate, touch], |world| {
        assert_eq!(world.of("rotate"), Some(1), "no other thread ends it, and it is touched in time");
        assert!(world.of("get").is_none() || world.exists(NEW), "touched 3 ms ago");
    });
}

#[test]
fn rotation_against_eviction() {
    let evict = |world: &World| {
        world.pass(6);
        world.note("evict", (world.evict() > 0).then_some(0));
    };
    explore(0, &[rotate, evict], |world| {
        let (moved, evicted, there) = (world.of("rotate"), world.of("evict").is_some(), world.exists(NEW));
        assert!(!(evicted && there), "a session is evicted under one key or the other, and gone");
        assert!(!there || moved == Some(1));
        assert_eq!(world.table.len(), usize::from(there));
    });
}

/// The session keeps its place: at the limit no other session gets in meanwhile, and the place is free afterwards.
#[test]
fn rotation_in_a_full_store() {
    let intrude = |world: &World| {
        world.note("insert", world.insert(OTHER, 7).then_some(0));
        assert!(world.table.len() <= 1);
    };
    explore(1, &[rotate, intrude], |world| {
        assert_eq!((world.of("rotate"), world.of("insert")), (Some(1), None));
        assert_eq!(world.table.len(), 1);
        assert!(world.delete(NEW) && world.insert(OTHER, 7));
    });
}

#[test]
fn rotation_with_grace_against_set() {
    explore(0, &[rotate_with_grace, set], |world| {
        nothing_is_lost(world);
        assert_eq!(world.get(OLD), world.get(NEW));
        assert_eq!(world.set(OLD, 9), None);
    });
}

/// A reader with the old key finds the session at every instant.
#[test]
fn rotation_with_grace_against_reads() {
    let read = |world: &World| {
        assert_eq!(world.get(OLD), Some(1));
        assert!(world.exists(OLD));
    };
    explore(0, &[rotate_with_grace, read], |world| {
        assert_eq!((world.get(OLD), world.get(NEW), world.table.len()), (Some(1), Some(1), 1));
        world.pass(3);
        assert_eq!(world.get(NEW), Some(1));
        world.pass(3);
        assert_eq!((world.get(OLD), world.get(NEW)), (None, Some(1)));
    });
}

#[test]
fn rotation_with_grace_against_reads_during_growth() {
    explore(0, &[rotate_with_grace, |world| assert_eq!(world.get(OLD), Some(1)), grow], |world| {
        assert_eq!((world.get(OLD), world.get(NEW), world.table.len()), (Some(1), Some(1), 1));
    });
}

/// A delete with the old key ends the session under either key.
#[test]
fn rotation_with_grace_against_delete() {
    explore(0, &[rotate_with_grace, delete], |world| {
        assert_eq!(world.of("delete"), Some(0), "the session was there all the time");
        assert_eq!((world.get(OLD), world.get(NEW), world.table.len()), (None, None, 0));
    });
}

/// The session takes one place throughout, and its former key takes none.
#[test]
fn rotation_with_grace_in_a_full_store() {
    let set_and_count = |world: &World| {
        set(world);
        assert_eq!(world.table.len(), 1);
    };
    explore(1, &[rotate_with_grace, set_and_count], |world| {
        nothing_is_lost(world);
        assert_eq!(world.get(OLD), world.get(NEW));
        assert!(!world.insert(OTHER, 7));
        assert!(world.delete(NEW) && world.insert(OTHER, 7));
        assert_eq!(world.get(OLD), None);
        assert!(!world.table.holds_entry(&OLD), "the forward is gone with its session");
    });
}

/// A listed session can be updated and ended, and the change lasts.
#[test]
fn rotation_with_grace_against_an_update_of_each_listed_session() {
    let update_all = |world: &World| {
        let updated = world.keys().into_iter().filter_map(|key| world.set(key, 2)).count();
        world.note("updates", Some(updated));
    };
    explore(0, &[rotate_with_grace, update_all], |world| {
        let updates = world.of("updates").expect("a number");
        assert!(updates <= 1, "one session is listed once");
        assert_eq!(world.of("rotate").map(|_| world.get(NEW)), Some(Some([1, 12][updates])));
    });
}

#[test]
fn rotation_with_grace_against_a_delete_of_each_listed_session() {
    let delete_all = |world: &World| {
        let deleted: Vec<Key> = world.keys().into_iter().filter(|key| world.delete(*key)).collect();
        assert!(deleted.len() <= 1, "one session is ended once");
        assert!(!deleted.iter().any(|key| world.exists(*key)), "a deleted session does not come back");
        world.note("deletes", Some(deleted.len()));
    };
    explore(0, &[rotate_with_grace, delete_all], |world| {
        let there = world.exists(NEW);
        assert_eq!(there, world.of("deletes") == Some(0));
        assert!(there || !world.exists(OLD));
        assert_eq!(world.table.len(), usize::from(there));
    });
}

/// A forward is followed for one hop only. The next rotation ends the forward at the instant at which it takes effect.
#[test]
fn rotation_with_grace_of_a_forwarded_session_against_reads() {
    let again = |world: &World| {
        assert_eq!(world.rotate_with_grace(OLD, NEW), Some(1));
        assert_eq!(world.rotate_with_grace(NEW, NEWER), Some(1));
        assert!(world.get(OLD).is_none(), "its session has been rotated once more");
    };
    let read = |world: &World| {
        let (first, second) = (world.get(OLD), world.get(OLD));
        assert!(first.is_some() || second.is_none(), "a forward that has ended stays ended");
    };
    explore(0, &[again, read], |world| {
        assert_eq!((world.get(NEW), world.get(NEWER), world.table.len()), (Some(1), Some(1), 1));
        assert!(!world.table.holds_entry(&OLD), "no session has more than one forward");
    });
}

/// The delete may follow the forward before the thread that rotates has activated the session.
#[test]
fn rotation_with_grace_against_delete_and_insert_again() {
    let delete_and_insert = |world: &World| {
        assert!(world.delete(OLD), "the session was there all the time");
        assert!(world.insert(OLD, 7), "nothing lives under the key any more");
    };
    explore(0, &[rotate_with_grace, delete_and_insert], |world| {
        // A rotation that comes last rotates the other session.
        let moved = world.of("rotate").filter(|value| *value == 7);
        assert_eq!((world.get(OLD), world.get(NEW), world.table.len()), (Some(7), moved, 1));
    });
}

/// The thread that ends the session is suspended before it ends the forward.
#[test]
fn a_forward_that_a_suspended_thread_has_left_is_in_no_inserts_way() {
    let die = |world: &World| {
        boundary();
        assert!(world.table.die_only(&OLD), "the session was there all the time");
        boundary();
        assert!(world.insert(OLD, 7), "nothing lives under the key any more");
    };
    explore(0, &[|world| assert!(!world.exists(OTHER)), die], |world| {
        assert_eq!(world.rotate_with_grace(OLD, NEW), Some(7));
        assert!(!world.insert(OLD, 8), "the session is live");
        assert!(world.table.die_only(&NEW) && world.insert(OLD, 9));
        assert_eq!((world.get(OLD), world.get(NEW), world.table.len()), (Some(9), None, 1));
    });
}

/// The session expires when it should, however late the thread that rotates is: its idle time does not begin at the
/// end of the rotation.
#[test]
fn rotation_with_grace_against_time() {
    let pass = |world: &World| {
        world.pass(3);
        let touched = world.get(OLD);
        world.pass(6);
        let late = (world.get(OLD), world.get(NEW));
        assert!(touched.is_none() || late == (None, None), "{touched:?}, then {late:?}");
    };
    explore(0, &[rotate_with_grace, pass], |world| assert_eq!(world.get(OLD), None));
}

#[test]
fn rotation_with_grace_against_rotation() {
    let second = |world: &World| {
        world.note("second", world.rotate(OLD, NEWER));
    };
    explore(0, &[rotate_with_grace, second], |world| {
        let moved = (world.of("rotate"), world.of("second"));
        assert!(matches!(moved, (Some(1), None) | (None, Some(1))), "{moved:?}");
        assert_eq!((world.get(NEW), world.get(NEWER)), moved);
        assert_eq!(world.table.len(), 1);
    });
}

/// The new version is in the table before the rotation takes effect, and does not expire in the meantime.
#[test]
fn rotation_with_grace_against_touch_and_eviction() {
    let use_and_evict = |world: &World| {
        world.pass(3);
        let touched = world.get(OLD);
        world.pass(3);
        assert_eq!(world.evict(), 0, "it was touched 3 ms ago, or is new");
        world.note("get", touched);
    };
    explore(0, &[rotate_with_grace, use_and_evict], |world| {
        assert_eq!((world.of("rotate"), world.of("get")), (Some(1), Some(1)));
        assert_eq!(world.get(NEW), Some(1));
    });
}
