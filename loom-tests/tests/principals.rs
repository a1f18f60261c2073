//! Models of the store itself, over the stand-in for the memory: sessions of one principal come, go, change their ids
//! and are ended all at once. Each model is explored with each of its threads as the one that is not spawned. At the
//! end both tables are in order, and the index lists the principal's live sessions and nothing else.
#![cfg(loom)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unreachable_pub, unused_imports)]

include!("support/over_memory.rs");
#[path = "support/explore.rs"]
mod explore;

use attributes::Attributes;
use clock::ManualClock;
use config::SessionConfig;
use explore::Exploration;
use id::SessionId;
use memory::boundary;
use principal::{Principal, WhenPrincipalFull};
use std::sync::Mutex;
use std::time::Duration;
use store::SessionStore;

const TTL: Duration = Duration::from_millis(5);

struct World {
    store: SessionStore,
    clock: ManualClock,
    ada: Principal,
    /// A session of hers from before the threads began.
    first: SessionId,
    returned: Mutex<Vec<(&'static str, Option<SessionId>)>>,
}

impl World {
    fn new(limit: usize, policy: WhenPrincipalFull) -> Self {
        let (clock, ada) = (ManualClock::new(), Principal::new("ada"));
        let builder = SessionStore::builder().ttl(TTL).shards(1).remember_replaced(Duration::ZERO).clock(clock.clone());
        let store = builder.max_sessions_per_principal(limit).when_principal_full(policy).build().expect("valid");
        boundary();
        let first = store.new_session().principal(ada).create().expect("room for one");
        Self { store, clock, ada, first, returned: Mutex::default() }
    }

    fn note(&self, name: &'static str, id: Option<SessionId>) {
        boundary();
        self.returned.lock().expect("no thread panics alone").push((name, id));
    }

    fn of(&self, name: &'static str) -> Option<SessionId> {
        let returned = self.returned.lock().expect("no thread panics alone");
        returned.iter().find(|(noted, _)| *noted == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn live(&self) -> Vec<SessionId> {
        self.store.sessions_of(&self.ada)
    }
}

type Part = fn(&World);

/// The bound on schedules of the two models in which a login ends another session: all schedules would take hours.
const LONG: Option<usize> = Some(20_000);

/// Explores with `less` preemptions fewer than asked for, because some models would take minutes.
fn explore(less: usize, limit: usize, policy: WhenPrincipalFull, parts: &[Part], after: Part) {
    explore_within(None, less, limit, policy, parts, after);
}

/// Does the same, for at most `schedules` schedules if there is such a bound.
fn explore_within(
    schedules: Option<usize>,
    less: usize,
    limit: usize,
    policy: WhenPrincipalFull,
    parts: &[Part],
    after: Part,
) {
    Exploration { less, schedules }.of(
        parts,
        move || World::new(limit, policy),
        move |world| {
            boundary();
            world.store.check_at_rest(&world.ada);
            after(&world);
        },
    );
}

fn free(parts: &[Part], after: Part) {
    explore(0, 0, WhenPrincipalFull::Refuse, parts, after);
}

fn login(world: &World) {
    boundary();
    let id = world.store.new_session().principal(world.ada).create().ok();
    world.note("login", id);
}

fn rotate(world: &World) {
    boundary();
    let id = world.store.rotate_id(&world.first).ok();
    world.note("rotate", id);
}

fn rotate_with_grace(world: &World) {
    boundary();
    let id = world.store.rotation(&world.first).grace(TTL).rotate().ok();
    world.note("rotate", id);
}

/// Logs out, and keeps a session that is nobody's.
fn unbind(world: &World) {
    boundary();
    let id = world.store.unbind(&world.first, |_| true).ok();
    world.note("unbind", id);
}

/// Whether the session that the logout has begun is there, and the only one, and nobody's.
fn is_nobodys(world: &World, unbound: Option<SessionId>) -> bool {
    let alone = world.live().is_empty() && world.store.count() == usize::from(unbound.is_some());
    alone && unbound.is_none_or(|id| world.store.exists(&id) && world.store.principal(&id).is_none())
}

fn delete(world: &World) {
    boundary();
    let deleted = world.store.delete(&world.first);
    world.note("delete", deleted.then_some(world.first));
}

/// Ends all of her sessions. A session from before has ended when this has returned.
fn end_all(world: &World) {
    boundary();
    world.store.end_sessions_of(&world.ada);
    boundary();
    assert!(!world.store.exists(&world.first));
    world.note("end all", None);
}

fn end_others(world: &World) {
    boundary();
    world.store.end_other_sessions_of(&world.ada, &world.first);
    world.note("end others", None);
}

#[test]
fn login_against_login() {
    let second = |world: &World| {
        boundary();
        world.note("second", world.store.new_session().principal(world.ada).create().ok());
    };
    explore(1, 0, WhenPrincipalFull::Refuse, &[login, second], |world| assert_eq!(world.live().len(), 3));
}

#[test]
fn login_against_the_end_of_all() {
    free(&[login, end_all], |world| {
        let id = world.of("login").expect("there is room");
        // The login came before or after: its session is live or not, and no other one is.
        assert!(world.live().iter().all(|live| *live == id));
    });
}

/// The session exists from before, under one id or the other, so it must be ended under one of them.
#[test]
fn rotation_against_the_end_of_all() {
    free(&[rotate, end_all], |world| {
        assert_eq!(world.live(), []);
        assert_eq!(world.store.count(), 0);
    });
}

#[test]
fn rotation_with_grace_against_the_end_of_all() {
    free(&[rotate_with_grace, end_all], |world| {
        assert_eq!(world.live(), []);
        assert_eq!(world.store.count(), 0);
        assert!(!world.store.exists(&world.first));
    });
}

#[test]
fn rotation_of_the_one_that_is_kept() {
    free(&[rotate, end_others], |world| {
        let kept = world.of("rotate");
        assert!(kept.is_some_and(|kept| world.live() == [kept]) || kept.is_some() && world.live().is_empty());
    });
}

#[test]
fn binding_against_the_end_of_all() {
    let bind = |world: &World| {
        boundary();
        let visitor = world.store.create().expect("room");
        boundary();
        let bound = world.store.bind(&visitor, &world.ada).ok();
        assert!(!world.store.exists(&visitor));
        world.note("bind", bound);
    };
    explore(1, 0, WhenPrincipalFull::Refuse, &[bind, end_all], |world| {
        let id = world.of("bind").expect("there is room");
        assert!(world.live().iter().all(|live| *live == id));
    });
}

#[test]
fn the_end_of_all_against_the_end_of_all() {
    let again = |world: &World| {
        boundary();
        world.store.end_sessions_of(&world.ada);
        boundary();
        assert_eq!(world.live(), []);
    };
    free(&[end_all, again], |world| assert_eq!(world.store.count(), 0));
}

#[test]
fn delete_against_rotation_of_a_bound_session() {
    free(&[delete, rotate], |world| {
        let (deleted, rotated) = (world.of("delete").is_some(), world.of("rotate"));
        assert_eq!(deleted, rotated.is_none());
        assert_eq!(world.live(), rotated.into_iter().collect::<Vec<_>>());
    });
}

/// The old session ends once: by the logout, which begins another one that is nobody's, or with all of hers.
#[test]
fn unbinding_against_the_end_of_all() {
    free(&[unbind, end_all], |world| {
        assert!(!world.store.exists(&world.first));
        assert!(is_nobodys(world, world.of("unbind")));
    });
}

#[test]
fn unbinding_against_delete() {
    free(&[unbind, delete], |world| {
        let (unbound, deleted) = (world.of("unbind"), world.of("delete").is_some());
        assert_eq!(unbound.is_none(), deleted);
        assert!(is_nobodys(world, unbound));
    });
}

/// What was set is there under the new id, or nowhere.
#[test]
fn unbinding_against_set() {
    let set = |world: &World| {
        boundary();
        let set = world.store.set(&world.first, "basket", "apple").is_ok();
        world.note("set", set.then_some(world.first));
    };
    free(&[unbind, set], |world| {
        let unbound = world.of("unbind").expect("no other thread ends it");
        let basket = world.store.get(&unbound, "basket");
        assert_eq!(basket.as_deref(), world.of("set").map(|_| "apple"));
        assert!(is_nobodys(world, Some(unbound)));
    });
}

#[test]
fn unbinding_against_rotation() {
    explore(1, 0, WhenPrincipalFull::Refuse, &[unbind, rotate], |world| {
        let (unbound, rotated) = (world.of("unbind"), world.of("rotate"));
        assert!(unbound.is_some() != rotated.is_some());
        assert_eq!(world.live(), rotated.into_iter().collect::<Vec<_>>());
        assert_eq!(world.store.count(), 1);
    });
}

/// Her only place is free when the logout has returned.
#[test]
fn unbinding_against_the_login_that_needs_the_place() {
    explore(0, 1, WhenPrincipalFull::Refuse, &[login, unbind], |world| {
        let unbound = world.of("unbind").expect("no other thread ends it");
        assert_eq!(world.live(), world.of("login").into_iter().collect::<Vec<_>>());
        assert!(world.store.exists(&unbound));
        assert!(world.store.new_session().principal(world.ada).create().is_ok() == world.of("login").is_none());
    });
}

#[test]
fn eviction_against_login() {
    let evict = |world: &World| {
        world.clock.advance(TTL + TTL);
        boundary();
        world.store.evict_expired();
        boundary();
    };
    free(&[evict, login], |world| assert!(world.live().len() <= 1));
}

#[test]
fn two_logins_for_one_place() {
    let second = |world: &World| {
        boundary();
        world.note("second", world.store.new_session().principal(world.ada).create().ok());
        assert!(world.live().len() <= 2, "never more than allowed");
    };
    explore(1, 2, WhenPrincipalFull::Refuse, &[login, second], |world| {
        assert!(world.of("login").is_some() != world.of("second").is_some());
        assert_eq!(world.live().len(), 2);
    });
}

#[test]
fn login_against_the_delete_that_makes_room() {
    explore(0, 1, WhenPrincipalFull::Refuse, &[login, delete], |world| {
        assert!(world.of("delete").is_some());
        assert_eq!(world.live(), world.of("login").into_iter().collect::<Vec<_>>());
        assert!(world.store.new_session().principal(world.ada).create().is_ok() == world.of("login").is_none());
    });
}

#[test]
fn rotation_takes_no_second_place() {
    explore(1, 1, WhenPrincipalFull::Refuse, &[rotate, login], |world| {
        assert_eq!(world.of("login"), None);
        assert_eq!(world.live(), [world.of("rotate").expect("it needs no place")]);
    });
}

#[test]
fn the_idlest_makes_room_for_a_login() {
    explore_within(LONG, 1, 1, WhenPrincipalFull::EndIdlest, &[login, login_again], |world| {
        let (live, logins) = (world.live(), [world.of("login"), world.of("again")]);
        assert!(live.len() == 1 && logins.contains(&Some(live[0])), "{live:?} of {logins:?}");
        assert_eq!(world.store.count(), 1);
    });
}

fn login_again(world: &World) {
    boundary();
    let id = world.store.new_session().principal(world.ada).create().ok();
    world.note("again", id);
}

#[test]
fn the_idlest_makes_room_while_it_is_rotated() {
    explore_within(LONG, 1, 1, WhenPrincipalFull::EndIdlest, &[login, rotate], |world| {
        assert!(world.live().len() <= 1);
        let login = world.of("login");
        assert!(login.is_some() || world.of("rotate").is_some());
    });
}
