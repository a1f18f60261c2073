//! Rotation with grace takes effect at one instant. The tests stop a rotation wherever it clones the value or reads the
//! clock, and act there.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use cloakroom::{
    Clock, CreateError, InsertError, ManualClock, MissingError, Principal, RotateError, SessionId, SessionStore,
    SessionStoreBuilder, Timeouts, WhenFull, WhenPrincipalFull,
};

use crate::support::{TICK, TTL, session, store, store_with};

const HOUR: Duration = Duration::from_secs(3_600);
const GRACE: Duration = Duration::from_secs(10 * 3_600);

/// A point of a rotation at which a test can act.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Clone,
    Reading,
}

type Act = Rc<dyn Fn(Stop)>;

// Each test has a thread of its own.
thread_local! {
    static ACT: RefCell<Option<Act>> = const { RefCell::new(None) };
}

/// Calls the closure of this thread, unless the closure itself has made the stop.
fn stop(stop: Stop) {
    if let Some(act) = ACT.take() {
        let restore = Restore(Some(Rc::clone(&act)));
        act(stop);
        drop(restore);
    }
}

/// Restores the closure of this thread, also after a panic.
struct Restore(Option<Act>);

impl Drop for Restore {
    fn drop(&mut self) {
        ACT.set(self.0.take());
    }
}

/// Does `work`, and calls `act` at each of its stops.
fn acting<R>(act: impl Fn(Stop) + 'static, work: impl FnOnce() -> R) -> R {
    let _restore = Restore(None);
    ACT.set(Some(Rc::new(act)));
    work()
}

/// A number whose clones are stops.
#[derive(Debug, PartialEq)]
struct Counter(u64);

impl Clone for Counter {
    fn clone(&self) -> Self {
        stop(Stop::Clone);
        Self(self.0)
    }
}

/// A manual clock whose readings are stops.
struct Watched(ManualClock);

impl Clock for Watched {
    fn now(&self) -> Duration {
        stop(Stop::Reading);
        self.0.now()
    }
}

/// A store with one session, which is bound to a principal.
struct Scene {
    store: SessionStore<Counter>,
    clock: ManualClock,
    old: SessionId,
}

fn ada() -> Principal {
    Principal::new("ada")
}

impl Scene {
    fn new(configure: impl FnOnce(SessionStoreBuilder) -> SessionStoreBuilder) -> Rc<Self> {
        let clock = ManualClock::new();
        let builder = SessionStore::builder().ttl(TTL).clock(Watched(clock.clone()));
        let store = configure(builder).build_typed::<Counter>().expect("the settings are valid");
        let old = store.new_session().principal(ada()).create_with(Counter(0)).expect("there is room");
        Rc::new(Self { store, clock, old })
    }

    fn rotate(&self) -> Result<SessionId, RotateError> {
        self.store.rotation(&self.old).grace(GRACE).rotate()
    }

    /// Advances the clock so far that an operation in progress reads it again when it judges the session. The session
    /// stays in use.
    fn wind(&self) {
        for _ in 0..2 {
            self.clock.advance(TTL);
            assert!(self.store.touch(&self.old), "it was touched within its timeout");
        }
    }

    fn listed(&self) -> Vec<SessionId> {
        let mut ids = Vec::new();
        self.store.for_each(|view| ids.push(view.id()));
        ids
    }

    fn increment(&self, id: &SessionId) -> Result<(), MissingError> {
        self.store.update(id, |before| Counter(before.0 + 1))
    }

    fn value(&self, id: &SessionId) -> Option<u64> {
        self.store.read(id, |counter| counter.0)
    }
}

/// Rotates a session in a new scene for each stop of a rotation: `act` is called at one stop of each rotation, and
/// `check` receives both results. Once with the session as it is, and once with a session that is used so late that the
/// rotation reads the clock more often.
fn at_each_stop<A: 'static>(
    configure: fn(SessionStoreBuilder) -> SessionStoreBuilder,
    act: fn(&Scene) -> A,
    check: impl Fn(&Scene, A, Result<SessionId, RotateError>),
) {
    for winds in [false, true] {
        let stops = (1..100).find(|turn| !stopped_once(configure, winds, *turn, act, &check));
        let stops = stops.expect("a rotation has an end");
        assert!(stops > 2, "the rotation has hardly stopped anywhere: these tests show nothing");
    }
}

/// Returns false if the rotation has fewer stops.
fn stopped_once<A: 'static>(
    configure: fn(SessionStoreBuilder) -> SessionStoreBuilder,
    winds: bool,
    turn: usize,
    act: fn(&Scene) -> A,
    check: &impl Fn(&Scene, A, Result<SessionId, RotateError>),
) -> bool {
    let scene = Scene::new(configure);
    let (stops, wound) = (Cell::new(0), Cell::new(!winds));
    let acted = Rc::new(RefCell::new(None));
    let (inner, acts) = (Rc::clone(&scene), Rc::clone(&acted));
    let at_stop = move |stop| {
        if stop == Stop::Clone && !wound.replace(true) {
            inner.wind();
        }
        stops.set(stops.get() + 1);
        if stops.get() == turn {
            *acts.borrow_mut() = Some(act(&inner));
        }
    };
    let rotated = acting(at_stop, || scene.rotate());
    let acted = acted.borrow_mut().take();
    let stopped = acted.is_some();
    if let Some(acted) = acted {
        check(&scene, acted, rotated);
    }
    stopped
}

fn as_usual(builder: SessionStoreBuilder) -> SessionStoreBuilder {
    builder
}

/// Increments under every id that can be found. Returns the number of increments.
fn increment_all(scene: &Scene) -> u64 {
    let ids = [scene.listed(), scene.store.sessions_of(&ada())].concat();
    ids.iter().filter(|id| scene.increment(id).is_ok()).count() as u64
}

#[test]
fn no_update_in_the_middle_of_a_rotation_is_lost() {
    at_each_stop(as_usual, increment_all, |scene, increments, rotated| {
        assert!(increments > 0, "nothing could be updated");
        let id = rotated.expect("it is live");
        assert_eq!(scene.value(&id), Some(increments));
        assert_eq!(scene.value(&scene.old), Some(increments));
    });
}

#[test]
fn a_session_is_found_only_under_its_old_id_while_the_rotation_clones_it() {
    let scene = Scene::new(as_usual);
    let inner = Rc::clone(&scene);
    let look = move |stop| {
        if stop == Stop::Clone {
            assert_eq!(inner.listed(), [inner.old]);
            assert_eq!(inner.store.sessions_of(&ada()), [inner.old]);
            assert_eq!(inner.store.count(), 1);
        }
    };
    let new = acting(look, || scene.rotate()).expect("it is live");
    assert_eq!((scene.listed(), scene.store.count()), (vec![new], 1));
}

#[test]
fn a_session_is_listed_once_and_counts_once_in_the_middle_of_its_rotation() {
    let look = |scene: &Scene| (scene.listed().len(), scene.store.count(), scene.store.stats().live);
    at_each_stop(as_usual, look, |scene, seen, rotated| {
        assert_eq!(seen, (1, 1, 1), "listed, and counted");
        let id = rotated.expect("it is live");
        assert_eq!((scene.listed(), scene.store.sessions_of(&ada())), (vec![id], vec![id]));
    });
}

/// Asserts that a session that was ended during its rotation is neither found under any id, nor listed, nor counted.
fn assert_ended(scene: &Scene, rotated: Result<SessionId, RotateError>) {
    assert_eq!((scene.listed(), scene.store.sessions_of(&ada()), scene.store.count()), (vec![], vec![], 0));
    assert_eq!((scene.value(&scene.old), rotated.ok().and_then(|new| scene.value(&new))), (None, None));
}

#[test]
fn delete_where_in_the_middle_of_a_rotation_ends_one_session() {
    at_each_stop(
        as_usual,
        |scene| scene.store.delete_where(|_| true),
        |scene, ended, rotated| {
            assert_eq!(ended, 1);
            assert_ended(scene, rotated);
        },
    );
}

#[test]
fn the_end_of_a_principals_sessions_in_the_middle_of_a_rotation_ends_one_session() {
    at_each_stop(
        as_usual,
        |scene| scene.store.end_sessions_of(&ada()),
        |scene, ended, rotated| {
            assert_eq!(ended, 1);
            assert_ended(scene, rotated);
        },
    );
}

#[test]
fn one_of_the_deletes_of_all_ids_listed_during_a_rotation_ends_the_session() {
    let delete_all = |scene: &Scene| scene.listed().iter().filter(|id| scene.store.delete(id)).count();
    at_each_stop(as_usual, delete_all, |scene, ended, rotated| {
        assert_eq!(ended, 1);
        assert_ended(scene, rotated);
    });
}

#[test]
fn after_the_delete_of_each_listed_id_no_session_lives_on() {
    let delete_last = |scene: &Scene| {
        let last = *scene.listed().last().expect("it is live");
        assert!(scene.store.delete(&last));
        assert_eq!((scene.listed(), scene.store.count()), (vec![], 0), "deleted, in the middle of the rotation");
    };
    at_each_stop(as_usual, delete_last, |scene, (), rotated| assert_ended(scene, rotated));
}

/// A scene in which the `n`th clone, if there is one, has panicked and so aborted the rotation. If `meddles`, the
/// session was changed before.
fn broken_off(n: usize, meddles: bool) -> Rc<Scene> {
    let scene = Scene::new(|builder| builder.absolute_timeout(HOUR));
    let (inner, clones) = (Rc::clone(&scene), Cell::new(0));
    let fail = move |stop| {
        if stop == Stop::Clone {
            clones.set(clones.get() + 1);
            if clones.get() == n {
                resume_unwind(Box::new("the caller's own"));
            }
            if meddles && clones.get() == 1 {
                inner.increment(&inner.old).expect("it is live");
            }
        }
    };
    _ = catch_unwind(AssertUnwindSafe(|| acting(fail, || scene.rotate())));
    scene
}

fn each_broken_off(check: impl Fn(&Scene, &str)) {
    for meddles in [false, true] {
        for n in 1..=3 {
            check(&broken_off(n, meddles), &format!("clone {n} has panicked, changed before: {meddles}"));
        }
    }
}

#[test]
fn after_a_panic_of_a_clone_the_session_is_listed_and_can_be_ended() {
    each_broken_off(|scene, what| {
        let listed = scene.listed();
        assert_eq!((listed.len(), scene.store.count()), (1, 1), "{what}");
        assert_eq!(scene.store.sessions_of(&ada()), listed, "{what}");
        assert!(scene.value(&scene.old).is_some(), "{what}");
        assert_eq!(scene.store.end_sessions_of(&ada()), 1, "{what}");
        assert_eq!((scene.value(&scene.old), scene.store.count()), (None, 0), "{what}");
    });
}

#[test]
fn after_a_panic_of_a_clone_the_session_expires() {
    each_broken_off(|scene, what| {
        scene.clock.advance(2 * GRACE);
        assert_eq!(scene.value(&scene.old), None, "{what}");
        scene.store.evict_expired();
        assert_eq!((scene.listed(), scene.store.count()), (vec![], 0), "{what}");
        assert_eq!(scene.store.stats().slots_taken, 0, "{what}");
    });
}

#[test]
fn after_a_panic_of_a_clone_the_session_keeps_its_idle_timeout() {
    each_broken_off(|scene, what| {
        scene.clock.advance(TTL + TICK);
        assert_eq!((scene.listed(), scene.store.sessions_of(&ada())), (vec![], vec![]), "{what}");
        assert_eq!(scene.store.count(), 0, "{what}");
    });
}

#[test]
fn after_a_panic_of_a_clone_the_session_can_be_rotated() {
    each_broken_off(|scene, what| {
        let id = scene.listed()[0];
        let new = scene.store.rotation(&id).grace(GRACE).rotate().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(scene.value(&new).is_some(), "{what}");
        assert_eq!(scene.store.sessions_of(&ada()), [new], "{what}");
    });
}

fn an_hour_at_most(builder: SessionStoreBuilder) -> SessionStoreBuilder {
    builder.ttl(100 * HOUR).absolute_timeout(HOUR)
}

fn assert_over(scene: &Scene, id: &SessionId) {
    assert_eq!(scene.value(id), None, "it is read after its absolute timeout");
    assert!(scene.increment(id).is_err(), "it is updated after its absolute timeout");
    assert!(!scene.store.exists(id));
}

#[test]
fn an_absolute_timeout_that_passes_during_a_rotation_holds_after_it() {
    at_each_stop(
        an_hour_at_most,
        |scene| scene.clock.advance(2 * HOUR),
        |scene, (), rotated| {
            assert_over(scene, &scene.old);
            rotated.iter().for_each(|new| assert_over(scene, new));
            scene.store.evict_expired();
            assert_eq!(scene.store.count(), 0);
        },
    );
}

#[test]
fn an_absolute_timeout_that_passes_during_a_rotation_holds_during_it() {
    let look = |scene: &Scene| {
        let before = scene.listed();
        scene.clock.advance(2 * HOUR);
        assert_over(scene, &scene.old);
        before.iter().for_each(|id| assert_over(scene, id));
        assert_eq!(scene.listed(), []);
    };
    at_each_stop(an_hour_at_most, look, |scene, (), rotated| {
        rotated.iter().for_each(|new| assert_over(scene, new));
        assert_eq!((scene.listed(), scene.store.sessions_of(&ada())), (vec![], vec![]));
    });
}

/// When the listener receives the rotation, the session's timeouts hold under both ids.
#[test]
fn a_listener_finds_no_expired_session_when_it_receives_a_rotation() {
    thread_local! {
        static SCENE: RefCell<Option<Rc<Scene>>> = const { RefCell::new(None) };
    }
    let scene = Scene::new(|builder| {
        an_hour_at_most(builder).on_removal(|_| {
            if let Some(scene) = SCENE.take() {
                scene.clock.advance(2 * HOUR);
                assert_over(&scene, &scene.old);
                assert_eq!(scene.listed(), []);
            }
        })
    });
    SCENE.set(Some(Rc::clone(&scene)));
    let new = scene.rotate();
    assert!(SCENE.take().is_none(), "the listener was not told");
    assert_over(&scene, &scene.old);
    new.iter().for_each(|new| assert_over(&scene, new));
}

/// Rotates a session `times` times with a grace of an hour. Returns its first id, the last but one and the last.
fn rotated_often(store: &SessionStore, times: usize) -> [SessionId; 3] {
    let first = session(store);
    let (mut before, mut id) = (first, first);
    for _ in 0..times {
        before = id;
        id = store.rotation(&id).grace(HOUR).rotate().expect("it is live");
    }
    [first, before, id]
}

#[test]
fn a_session_that_is_rotated_often_takes_few_slots_and_bytes() {
    let (store, _) = store_with(|builder| builder.max_sessions(2));
    rotated_often(&store, 10_000);
    let stats = store.stats();
    assert_eq!(store.count(), 1);
    assert!(stats.slots_taken <= 8, "{} slots are taken", stats.slots_taken);
    assert!(stats.bytes <= 1_024, "{} bytes are taken", stats.bytes);
}

#[test]
fn only_the_latest_former_id_forwards() {
    let (store, _) = store();
    let [first, before, id] = rotated_often(&store, 3);
    assert_eq!(store.get(&first, "user"), None);
    assert_eq!(store.get(&before, "user").as_deref(), Some("ada"));
    store.rotate_id(&id).expect("it is live");
    assert_eq!((store.get(&before, "user"), store.get(&id, "user")), (None, None));
    assert!(!store.exists(&before) && !store.touch(&before) && !store.delete(&before));
    assert_eq!(store.count(), 1);
}

#[test]
fn a_session_that_is_rotated_often_leaves_nothing_when_it_ends() {
    let (store, _) = store_with(|builder| builder.max_sessions(2));
    let [first, before, id] = rotated_often(&store, 10_000);
    assert!(store.delete(&id));
    assert_eq!((store.get(&first, "user"), store.get(&before, "user")), (None, None));
    assert_eq!(store.evict_expired(), 0);
    let stats = store.stats();
    assert_eq!((stats.live, stats.slots_taken, stats.bytes), (0, 0, 0));
}

#[test]
fn a_session_within_its_grace_takes_one_place() {
    let (store, _) = store_with(|builder| builder.max_sessions(2));
    let [_, before, id] = rotated_often(&store, 100);
    let other = session(&store);
    assert_eq!(store.create(), Err(CreateError::Full));
    let new = store.rotation(&id).grace(HOUR).rotate().expect("it is live");
    assert_eq!((store.get(&id, "user").as_deref(), store.get(&before, "user")), (Some("ada"), None));
    assert!(store.delete(&new) && store.exists(&other));
    session(&store);
    assert_eq!(store.count(), 2);
}

#[test]
fn a_rotation_with_grace_works_in_a_store_of_one_session() {
    let (store, _) = store_with(|builder| builder.max_sessions(1));
    let [_, before, id] = rotated_often(&store, 2);
    assert_eq!(store.get(&before, "user").as_deref(), Some("ada"));
    assert_eq!((store.create(), store.count()), (Err(CreateError::Full), 1));
    assert!(store.delete(&before));
    assert!(!store.exists(&id));
    session(&store);
}

#[test]
fn the_old_id_reads_while_the_session_is_used_under_the_new_id() {
    let (store, clock) = store();
    let [old, _, new] = rotated_often(&store, 1);
    for _ in 0..10 {
        clock.advance(TTL);
        assert!(store.touch(&new), "it was touched within its timeout");
    }
    clock.advance(TTL);
    assert_eq!(store.get(&old, "user").as_deref(), Some("ada"));
    clock.advance(TTL);
    assert!(store.exists(&new), "it was touched by its old id");
}

/// An id within its grace, and the id that it forwards to, in a store of at most two sessions.
fn in_grace(clock: &ManualClock) -> (SessionStore, SessionId, SessionId) {
    let builder = SessionStore::builder().ttl(100 * HOUR).absolute_timeout(HOUR).clock(clock.clone());
    let builder = builder.max_sessions(2).when_full(WhenFull::EndIdlest);
    let builder = builder.max_sessions_per_principal(1).when_principal_full(WhenPrincipalFull::EndIdlest);
    let store = builder.build().expect("the settings are valid");
    let old = store.new_session().principal(ada()).create_with([("user", "ada")]).expect("there is room");
    let new = store.rotation(&old).grace(GRACE).rotate().expect("it is live");
    (store, old, new)
}

fn assert_given_again(end: impl FnOnce(&SessionStore, &ManualClock, &SessionId, &SessionId)) {
    let clock = ManualClock::new();
    let (store, old, new) = in_grace(&clock);
    let insert = || store.insert_with(&old, Timeouts::default(), [("user", "eve")]);
    assert_eq!(insert(), Err(InsertError::Occupied));
    clock.advance(TICK);
    end(&store, &clock, &old, &new);
    assert_eq!(insert(), Ok(()));
    assert_eq!(store.get(&old, "user").as_deref(), Some("eve"));
    assert!(!store.delete(&new), "it is the id of the former session");
    assert!(store.delete(&old));
}

#[test]
fn an_old_id_is_free_after_a_delete_of_the_new_id() {
    assert_given_again(|store, _, _, new| assert!(store.delete(new)));
}

#[test]
fn an_old_id_is_free_after_a_delete_of_the_old_id() {
    assert_given_again(|store, _, old, _| assert!(store.delete(old)));
}

#[test]
fn an_old_id_is_free_after_its_session_has_expired_and_was_evicted() {
    assert_given_again(|store, clock, _, _| {
        clock.advance(HOUR);
        assert_eq!(store.evict_expired(), 1);
    });
}

#[test]
fn an_old_id_is_free_after_its_session_has_expired_unseen() {
    assert_given_again(|_, clock, _, _| clock.advance(HOUR));
}

#[test]
fn an_old_id_is_free_after_the_sessions_of_its_principal_were_ended() {
    assert_given_again(|store, _, _, _| assert_eq!(store.end_sessions_of(&ada()), 1));
}

#[test]
fn an_old_id_is_free_after_delete_where_has_ended_its_session() {
    assert_given_again(|store, _, _, _| assert_eq!(store.delete_where(|_| true), 1));
}

#[test]
fn an_old_id_is_free_after_its_session_has_made_room_in_the_store() {
    assert_given_again(|store, _, _, new| {
        (0..2).for_each(|_| _ = session(store));
        assert!(!store.exists(new));
    });
}

#[test]
fn an_old_id_is_free_after_its_session_has_made_room_for_its_principal() {
    assert_given_again(|store, _, _, new| {
        store.new_session().principal(ada()).create().expect("there is room");
        assert!(!store.exists(new));
    });
}

#[test]
fn an_old_id_is_free_after_its_session_was_rotated_again() {
    for grace in [Duration::ZERO, GRACE] {
        let clock = ManualClock::new();
        let (store, old, new) = in_grace(&clock);
        let newest = store.rotation(&new).grace(grace).rotate().expect("it is live");
        assert_eq!(store.insert_with(&old, Timeouts::default(), [("user", "eve")]), Ok(()));
        assert!(store.delete(&old));
        assert_eq!(store.get(&newest, "user").as_deref(), Some("ada"));
    }
}

/// The rotation's grace does not apply to a session that is inserted under the id.
#[test]
fn a_session_inserted_under_an_old_id_outlives_the_grace() {
    let (store, clock) = store();
    let [old, _, new] = rotated_often(&store, 1);
    assert!(store.delete(&new));
    store.insert_with(&old, Timeouts::default().idle(GRACE), [("user", "eve")]).expect("the id is free");
    clock.advance(2 * HOUR);
    assert_eq!(store.get(&old, "user").as_deref(), Some("eve"));
}

#[test]
fn end_other_sessions_of_accepts_the_old_id_of_the_kept_session_during_the_grace() {
    let (store, clock) = store();
    let login = || store.new_session().principal(ada()).create_with([("user", "ada")]).expect("there is room");
    let (other, old) = (login(), login());
    let new = store.rotation(&old).grace(TTL).rotate().expect("it is live");
    assert_eq!(store.end_other_sessions_of(&ada(), &old), 1);
    assert_eq!((store.sessions_of(&ada()), store.exists(&other)), (vec![new], false));
    assert_eq!(store.get(&old, "user").as_deref(), Some("ada"));
    clock.advance(TTL);
    assert!(store.touch(&new));
    clock.advance(TICK);
    assert_eq!(store.end_other_sessions_of(&ada(), &old), 1, "its grace is over");
}

/// The other rotation was suspended for longer than its grace before it took effect.
#[test]
fn rotating_a_forwarding_id_after_its_grace_returns_not_found_and_not_expired() {
    let scene = Scene::new(as_usual);
    scene.clock.advance(100 * TICK);
    let (inner, new) = (Rc::clone(&scene), Rc::new(Cell::new(None)));
    let rotated = Rc::clone(&new);
    let at_stop = move |stop| {
        if stop == Stop::Clone {
            inner.clock.set(Duration::ZERO);
            rotated.set(inner.store.rotation(&inner.old).grace(TICK).rotate().ok());
            inner.clock.set(100 * TICK);
        }
    };
    let found = acting(at_stop, || scene.store.rotate_id(&scene.old));
    assert!(new.take().is_some_and(|new| scene.store.exists(&new)));
    assert!(matches!(found, Err(RotateError::Missing(MissingError::NotFound))), "{found:?}");
}
