//! Models of requests that overtake each other, over the stand-in for the memory: an id is replaced and looked up, a
//! rotation is taken back while the session is ended, and a hold begins or ends while the session would expire. Each
//! model is explored with each of its threads as the one that is not spawned.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use attributes::Attributes;
use clock::ManualClock;
use error::MissingError;
use explore::Exploration;
use id::SessionId;
use memory::boundary;
use principal::Principal;
use std::sync::Mutex;
use std::time::Duration;
use store::{Hold, SessionStore, Undo};

const TTL: Duration = Duration::from_millis(5);

struct World {
    store: SessionStore,
    clock: ManualClock,
    ada: Principal,
    /// The id with which the client came.
    old: SessionId,
    /// A rotation of it that is tentative when the threads begin.
    rotated: Option<(SessionId, Undo<Attributes>)>,
    returned: Mutex<Vec<(&'static str, bool)>>,
}

/// What has happened before the threads begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A visitor has a session.
    Visitor,
    /// A visitor's session is held, and would have expired otherwise.
    Held,
    /// The visitor's login is tentative.
    Login,
    /// A rotation of a session of ada's is tentative.
    Rotation,
}

impl World {
    fn new(before: Before) -> Self {
        let (clock, ada) = (ManualClock::new(), Principal::new("ada"));
        let remembered = if before == Before::Visitor { TTL } else { Duration::ZERO };
        let builder = SessionStore::builder().ttl(TTL).shards(1).remember_replaced(remembered).clock(clock.clone());
        let store = builder.build().expect("valid");
        boundary();
        let new = store.new_session();
        let new = if before == Before::Rotation { new.principal(ada) } else { new };
        let old = new.create().expect("room for one");
        let mut undo = None;
        let rotation = store.rotation(&old).undo(&mut undo);
        let new = match before {
            Before::Visitor | Before::Held => None,
            Before::Login => Some(rotation.login(&ada).expect("it is live")),
            Before::Rotation => Some(rotation.rotate().expect("it is live")),
        };
        if before == Before::Held {
            core::mem::forget(Hold::new(&store, &old).expect("it is live"));
            clock.advance(TTL + TTL);
        }
        boundary();
        Self { store, clock, ada, old, rotated: new.zip(undo), returned: Mutex::default() }
    }

    fn new_id(&self) -> &SessionId {
        &self.rotated.as_ref().expect("a tentative rotation").0
    }

    fn note(&self, name: &'static str, result: bool) {
        boundary();
        self.returned.lock().expect("no thread panics alone").push((name, result));
    }

    fn of(&self, name: &'static str) -> bool {
        let returned = self.returned.lock().expect("no thread panics alone");
        returned.iter().find(|(noted, _)| *noted == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn live(&self) -> Vec<SessionId> {
        self.store.sessions_of(&self.ada)
    }
}

type Part = fn(&World);

fn explore(before: Before, parts: &[Part], after: Part) {
    // One fewer than asked for: with two, the models take ten minutes.
    let exploration = Exploration { less: 1, ..Exploration::FULL };
    exploration.of(
        parts,
        move || World::new(before),
        move |world| {
            boundary();
            world.store.check_at_rest(&world.ada);
            after(&world);
        },
    );
}

fn take_back(world: &World) {
    boundary();
    let (_, undo) = world.rotated.as_ref().expect("a tentative rotation");
    let taken_back = world.store.take_back(undo);
    world.note("take back", taken_back);
}

fn delete_old(world: &World) {
    boundary();
    let deleted = world.store.delete(&world.old);
    boundary();
    assert!(!world.store.exists(&world.old), "a deleted session does not come back");
    world.note("delete", deleted);
}

fn delete_new(world: &World) {
    boundary();
    let deleted = world.store.delete(world.new_id());
    boundary();
    assert!(!world.store.exists(world.new_id()));
    world.note("delete", deleted);
}

fn end_all(world: &World) {
    boundary();
    world.store.end_sessions_of(&world.ada);
    boundary();
    assert!(!world.store.exists(world.new_id()) || world.store.principal(world.new_id()).is_none());
    world.note("end all", true);
}

fn evict(world: &World) {
    boundary();
    world.store.evict_expired();
    boundary();
}

/// At each instant the old id names the session, or is known to be replaced.
#[test]
fn rotation_against_a_lookup_of_the_old_id() {
    let rotate = |world: &World| {
        boundary();
        world.note("rotate", world.store.rotate_id(&world.old).is_ok());
    };
    let look = |world: &World| {
        boundary();
        let found = world.store.lookup(&world.old, |_| ());
        assert!(matches!(found, Ok(()) | Err(MissingError::Replaced)), "{found:?}");
        boundary();
    };
    explore(Before::Visitor, &[rotate, look], |world| {
        assert!(world.of("rotate"));
        assert_eq!(world.store.lookup(&world.old, |_| ()), Err(MissingError::Replaced));
    });
}

#[test]
fn taking_back_against_a_delete_of_the_old_id() {
    explore(Before::Login, &[take_back, delete_old], |world| {
        assert!(world.of("delete"), "the session was there all the time");
        assert_eq!((world.store.count(), world.live()), (0, vec![]));
    });
}

#[test]
fn taking_back_against_a_delete_of_the_new_id() {
    explore(Before::Login, &[take_back, delete_new], |world| {
        assert!(world.of("delete"), "the forward of this tick leads to the session");
        assert_eq!((world.store.count(), world.live()), (0, vec![]));
    });
}

/// The visitor is back, or the user's session has ended, and never both.
#[test]
fn taking_a_login_back_against_the_end_of_all() {
    explore(Before::Login, &[take_back, end_all], |world| {
        assert_eq!(world.live(), []);
        assert_eq!(world.store.exists(&world.old), world.of("take back"));
        assert_eq!(world.store.count(), usize::from(world.of("take back")));
    });
}

#[test]
fn taking_a_rotation_back_against_the_end_of_all() {
    explore(Before::Rotation, &[take_back, end_all], |world| {
        assert_eq!((world.live(), world.store.count()), (vec![], 0));
        assert!(!world.store.exists(&world.old));
    });
}

#[test]
fn a_tentative_rotation_against_a_delete_of_the_old_id() {
    let rotate = |world: &World| {
        boundary();
        let mut undo = None;
        let rotated = world.store.rotation(&world.old).undo(&mut undo).rotate();
        boundary();
        if let Some(undo) = &undo {
            world.store.take_back(undo);
        }
        drop(undo);
        world.note("rotate", rotated.is_ok());
    };
    explore(Before::Visitor, &[rotate, delete_old], |world| {
        assert!(world.of("delete"), "the session was there all the time");
        assert_eq!(world.store.count(), 0);
    });
}

/// A hold that ends touches the session first, so there is no instant at which the session is idle and not held.
#[test]
fn the_end_of_a_hold_against_eviction() {
    let hold = |world: &World| {
        boundary();
        let held = Hold::new(&world.store, &world.old);
        boundary();
        assert!(held.is_some(), "no time has passed");
        world.clock.advance(TTL + TTL);
        drop(held);
        boundary();
    };
    explore(Before::Visitor, &[hold, evict], |world| assert!(world.store.exists(&world.old)));
}

/// A hold does not revive a session whose time is over.
#[test]
fn the_begin_of_a_hold_against_expiry() {
    let hold = |world: &World| {
        world.clock.advance(TTL + TTL);
        boundary();
        assert!(Hold::new(&world.store, &world.old).is_none());
        boundary();
    };
    explore(Before::Visitor, &[hold, evict], |world| assert_eq!(world.store.count(), 0));
}

/// A look-up that finds a held session idle touches it, and does not take it across the end of all sessions.
#[test]
fn a_lookup_of_a_held_session_against_the_end_of_all() {
    let look_up = |world: &World| {
        let _ = world.store.exists(&world.old);
        boundary();
    };
    let end_all = |world: &World| {
        boundary();
        world.store.end_all();
        assert!(!world.store.exists(&world.old), "no session from before the end of all is found");
        boundary();
    };
    explore(Before::Held, &[look_up, end_all], |world| assert!(!world.store.exists(&world.old)));
}
