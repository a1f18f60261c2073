//! Models of restored sessions, over the stand-in for the memory: a session waits under another id, and threads come
//! with its own id. In some models its record is put there while they come, as `cloakroom-persist` does it. Each model
//! is explored with each of its threads as the one that is not spawned, for a session that is bound to a principal and
//! for one that is not.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use attributes::Attributes;
use clock::ManualClock;
use events::{Journal, RemovalCause};
use explore::Exploration;
use id::SessionId;
use memory::boundary;
use principal::Principal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, Weak};
use std::time::Duration;
use store::{Carried, SessionStore};

const OWN: [u8; 32] = [100; 32];
const STAND_IN: [u8; 32] = [200; 32];

/// Whether the session is in the store from the beginning, or how its record is put there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loading {
    Before,
    /// By the first thread that needs it. Others wait, as with `std::sync::Once`.
    Once,
    /// By each thread that finds that no other one has done it, which is wrong.
    Unguarded,
}

struct Restored {
    loading: Loading,
    brought: loom::sync::Mutex<bool>,
    carried: Carried,
    store: OnceLock<Weak<SessionStore>>,
}

impl Restored {
    fn import(&self, store: &SessionStore) {
        let imported = store.import_with(&SessionId::from_bytes(STAND_IN), &self.carried, [("a", "1")]);
        assert!(imported.is_ok() || self.loading == Loading::Unguarded);
    }

    /// Puts the record into the store, unless it was.
    fn bring(&self) {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return };
        let mut brought = self.brought.lock().expect("no thread panics alone");
        if !*brought {
            if self.loading == Loading::Unguarded {
                drop(brought);
                self.import(&store);
                brought = self.brought.lock().expect("no thread panics alone");
            } else {
                self.import(&store);
            }
        }
        *brought = true;
    }
}

impl Journal for Restored {
    fn changed(&self, _: &SessionId) {}

    fn ended(&self, _: &SessionId, _: RemovalCause) {}

    fn settle(&self) {}

    fn stand_in(&self, id: &SessionId) -> Option<SessionId> {
        (*id.as_bytes() == OWN).then(|| {
            self.bring();
            SessionId::from_bytes(STAND_IN)
        })
    }

    fn restore_of(&self, _: &Principal) {
        self.bring();
    }

    fn is_stand_in(&self, id: &SessionId) -> bool {
        *id.as_bytes() == STAND_IN
    }
}

struct World {
    store: std::sync::Arc<SessionStore>,
    journal: std::sync::Arc<Restored>,
    bound: bool,
    ada: Principal,
    own: SessionId,
    returned: Mutex<Vec<(&'static str, bool)>>,
}

impl World {
    fn new(bound: bool, loading: Loading) -> Self {
        let ada = Principal::new("ada");
        let carried = Carried { principal: bound.then_some(ada), ..Carried::default() };
        let brought = loom::sync::Mutex::new(loading == Loading::Before);
        let journal = std::sync::Arc::new(Restored { loading, brought, carried, store: OnceLock::new() });
        let builder = SessionStore::builder().ttl(Duration::from_millis(5)).shards(1).clock(ManualClock::new());
        let store = builder.build_with_journal::<Attributes>(std::sync::Arc::<Restored>::clone(&journal));
        let store = std::sync::Arc::new(store.expect("valid"));
        boundary();
        if loading == Loading::Before {
            journal.import(&store);
        }
        let _ = journal.store.set(std::sync::Arc::downgrade(&store));
        Self { store, journal, bound, ada, own: SessionId::from_bytes(OWN), returned: Mutex::default() }
    }

    fn note(&self, name: &'static str, result: bool) {
        boundary();
        self.returned.lock().expect("no thread panics alone").push((name, result));
    }

    fn all(&self, name: &str) -> Vec<bool> {
        let returned = self.returned.lock().expect("no thread panics alone");
        returned.iter().filter(|(noted, _)| *noted == name).map(|(_, result)| *result).collect()
    }

    fn is_live(&self) -> bool {
        self.store.exists(&self.own)
    }
}

type Part = fn(&World);

/// The bound on schedules of each model: all schedules would take minutes.
const SCHEDULES: usize = 10_000;

fn explore(parts: &[Part], after: Part) {
    explore_loading(Loading::Before, parts, after);
}

fn explore_loading(loading: Loading, parts: &[Part], after: Part) {
    // One fewer than asked for, because an operation on a restored session has many steps.
    let exploration = Exploration { less: 1, schedules: Some(SCHEDULES) };
    for bound in [false, true] {
        exploration.of(
            parts,
            move || World::new(bound, loading),
            move |world| {
                boundary();
                after(&world);
                world.store.check_at_rest(&world.ada);
            },
        );
    }
}

fn exists(world: &World) {
    boundary();
    world.note("exists", world.is_live());
}

fn set(world: &World) {
    boundary();
    world.note("set", world.store.set(&world.own, "a", "2").is_ok());
}

/// No look-up finds the session once this has returned.
fn delete(world: &World) {
    boundary();
    let deleted = world.store.delete(&world.own);
    assert!(!world.is_live());
    world.note("delete", deleted);
}

fn rotate(world: &World) {
    boundary();
    let rotated = world.store.rotate_id(&world.own);
    assert!(!world.is_live());
    world.note("rotate", rotated.is_ok());
}

fn end_all(world: &World) {
    boundary();
    world.store.end_sessions_of(&world.ada);
    world.note("end_all", world.store.sessions_of(&world.ada).is_empty());
}

/// Puts the record into the store in turn.
fn load(world: &World) {
    boundary();
    world.journal.bring();
}

/// Deletes the session, and does not look whether it is gone.
fn delete_blindly(world: &World) {
    boundary();
    world.note("delete", world.store.delete(&world.own));
}

#[test]
fn a_restored_session_is_found_by_two_look_ups() {
    explore(&[exists, exists], |world| {
        assert_eq!(world.all("exists"), [true, true]);
        assert!(world.is_live() && world.store.count() == 1);
    });
}

#[test]
fn a_restored_session_is_found_by_a_look_up_and_an_update() {
    explore(&[exists, set], |world| {
        assert_eq!((world.all("exists"), world.all("set")), (vec![true], vec![true]));
        assert_eq!(world.store.get(&world.own, "a").as_deref(), Some("2"));
    });
}

#[test]
fn a_restored_session_that_is_deleted_does_not_come_home() {
    explore(&[exists, delete], |world| {
        assert_eq!(world.all("delete"), [true]);
        assert!(!world.is_live() && world.store.count() == 0);
    });
}

#[test]
fn an_update_does_not_bring_a_deleted_restored_session_home() {
    explore(&[set, delete], |world| {
        assert_eq!(world.all("delete"), [true]);
        assert!(!world.is_live() && world.store.count() == 0);
    });
}

#[test]
fn a_restored_session_is_deleted_once() {
    explore(&[delete, delete], |world| {
        let mut deleted = world.all("delete");
        deleted.sort_unstable();
        assert_eq!(deleted, [false, true]);
    });
}

#[test]
fn a_restored_session_is_rotated_while_it_comes_home() {
    explore(&[exists, rotate], |world| {
        assert_eq!(world.all("rotate"), [true]);
        assert!(!world.is_live() && world.store.count() == 1);
    });
}

#[test]
fn the_end_of_all_ends_a_restored_session_that_comes_home() {
    explore(&[exists, end_all], |world| {
        assert_eq!(world.all("end_all"), [true]);
        assert!(world.is_live() == (world.store.count() == 1));
    });
}

#[test]
fn a_session_is_found_while_its_record_is_restored() {
    explore_loading(Loading::Once, &[load, exists], |world| {
        assert_eq!(world.all("exists"), [true]);
        assert!(world.is_live() && world.store.count() == 1);
    });
}

#[test]
fn a_session_that_is_deleted_while_its_record_is_restored_does_not_come_back() {
    explore_loading(Loading::Once, &[load, delete], |world| {
        assert_eq!(world.all("delete"), [true]);
        assert!(!world.is_live() && world.store.count() == 0);
    });
}

#[test]
fn the_end_of_all_ends_a_session_whose_record_is_being_restored() {
    explore_loading(Loading::Once, &[load, end_all], |world| {
        assert_eq!(world.all("end_all"), [true]);
        assert_eq!(world.is_live(), !world.bound);
    });
}

/// The models above can fail: some schedule of theirs brings the session back.
#[test]
fn a_record_that_is_not_guarded_brings_a_deleted_session_back() {
    static CAME_BACK: AtomicBool = AtomicBool::new(false);
    explore_loading(Loading::Unguarded, &[load, delete_blindly], |world| {
        CAME_BACK.fetch_or(world.all("delete") == [true] && world.is_live(), Ordering::Relaxed);
    });
    assert!(CAME_BACK.load(Ordering::Relaxed));
}
