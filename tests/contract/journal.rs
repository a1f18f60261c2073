//! The journal, sessions that wait under a stand-in, and taking sessions to another store.

use crate::support::{TICK, TTL};
use cloakroom::{
    Attributes, Audience, Carried, ImportError, Journal, ManualClock, MissingError, Principal, RemovalCause,
    ReserveError, SessionId, SessionStore, SessionStoreBuilder, Timeouts,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Changed(SessionId),
    Ended(SessionId, RemovalCause),
    Rotated(SessionId, SessionId),
    Settle,
    Claimed(SessionId, SessionId),
}

/// Notes what it is told. The stand-in of an id has all bits of the id inverted, and the last byte 7.
#[derive(Default)]
struct Notes(Mutex<Vec<Told>>);

impl Notes {
    fn take(&self) -> Vec<Told> {
        core::mem::take(&mut self.0.lock().unwrap())
    }

    fn note(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }
}

fn stand_in(id: &SessionId) -> SessionId {
    let mut bytes = id.as_bytes().map(|byte| !byte);
    bytes[31] = 7;
    SessionId::from_bytes(bytes)
}

impl Journal for Notes {
    fn changed(&self, id: &SessionId) {
        self.note(Told::Changed(*id));
    }

    fn ended(&self, id: &SessionId, cause: RemovalCause) {
        self.note(Told::Ended(*id, cause));
    }

    fn rotated(&self, old: &SessionId, new: &SessionId) {
        self.note(Told::Rotated(*old, *new));
    }

    fn settle(&self) {
        self.note(Told::Settle);
    }

    fn stand_in(&self, id: &SessionId) -> Option<SessionId> {
        (!self.is_stand_in(id)).then(|| stand_in(id))
    }

    fn is_stand_in(&self, id: &SessionId) -> bool {
        id.as_bytes()[31] == 7
    }

    fn claimed(&self, stand_in: &SessionId, id: &SessionId) {
        self.note(Told::Claimed(*stand_in, *id));
    }
}

struct World {
    store: SessionStore,
    notes: Arc<Notes>,
    clock: ManualClock,
}

fn world_of(builder: SessionStoreBuilder) -> World {
    let (notes, clock) = (Arc::new(Notes::default()), ManualClock::new());
    let builder = builder.ttl(TTL).clock(clock.clone());
    let store = builder.build_with_journal::<Attributes>(notes.clone()).unwrap();
    World { store, notes, clock }
}

fn world() -> World {
    world_of(SessionStore::builder())
}

impl World {
    /// A session that waits under its stand-in. Its id is returned.
    fn waiting(&self, carried: &Carried) -> SessionId {
        let mut bytes = *SessionId::random().unwrap().as_bytes();
        bytes[31] = 8;
        let id = SessionId::from_bytes(bytes);
        self.store.import_with(&stand_in(&id), carried, [("user", "ada")]).unwrap();
        id
    }
}

fn of(principal: &Principal) -> Carried {
    let mut carried = Carried::default();
    carried.principal = Some(*principal);
    carried
}

#[test]
fn the_journal_is_told_of_creations_changes_rotations_and_ends_and_then_settles() {
    let World { store, notes, clock } = world();
    let id = store.create().unwrap();
    assert_eq!(notes.take(), [Told::Changed(id), Told::Settle]);
    store.set(&id, "user", "ada").unwrap();
    assert_eq!(notes.take(), [Told::Changed(id), Told::Settle]);
    store.set_timeouts(&id, Timeouts::default().idle(TTL)).unwrap();
    assert_eq!(notes.take(), [Told::Changed(id), Told::Settle]);
    let new = store.rotate_id(&id).unwrap();
    assert_eq!(notes.take(), [Told::Rotated(id, new), Told::Settle]);
    let ada = Principal::new("ada");
    let bound = store.login(&new, &ada).unwrap();
    assert_eq!(notes.take(), [Told::Rotated(new, bound), Told::Settle]);
    assert!(store.delete(&bound));
    assert_eq!(notes.take(), [Told::Ended(bound, RemovalCause::Deleted), Told::Settle]);

    let given = SessionId::random().unwrap();
    store.insert_with(&given, Timeouts::default(), [("a", "1")]).unwrap();
    assert_eq!(notes.take(), [Told::Changed(given), Told::Settle]);
    assert_eq!(store.delete_where(|_| true), 1);
    assert_eq!(notes.take(), [Told::Ended(given, RemovalCause::Deleted), Told::Settle]);

    let idle = store.create().unwrap();
    notes.take();
    clock.advance(TTL + TICK);
    assert!(!store.exists(&idle));
    assert_eq!(notes.take(), [Told::Ended(idle, RemovalCause::IdleTimeout)]);
}

#[test]
fn the_journal_is_told_of_a_login_that_is_taken_back_and_of_a_delete_in_between() {
    let World { store, notes, .. } = world();
    let visitor = store.create().unwrap();
    let log_in = || {
        let mut undo = None;
        let new = store.rotation(&visitor).undo(&mut undo).login(&Principal::new("ada")).unwrap();
        (new, undo.unwrap())
    };
    let (new, undo) = log_in();
    notes.take();
    assert!(store.take_back(&undo));
    assert_eq!(notes.take(), [Told::Rotated(new, visitor), Told::Settle]);
    let (new, _undo) = log_in();
    notes.take();
    assert!(store.delete(&visitor));
    let told = notes.take();
    for id in [visitor, new] {
        assert!(told.contains(&Told::Ended(id, RemovalCause::Deleted)), "{told:?}");
    }
    assert_eq!(told.last(), Some(&Told::Settle));
}

#[test]
fn the_journal_is_told_of_each_session_of_a_principal() {
    let World { store, notes, .. } = world();
    let ada = Principal::new("ada");
    let ids = [(); 3].map(|()| store.new_session().principal(ada).create().unwrap());
    notes.take();
    assert_eq!(store.end_other_sessions_of(&ada, &ids[0]), 2);
    let told = notes.take();
    for id in &ids[1..] {
        assert!(told.contains(&Told::Ended(*id, RemovalCause::Principal)), "{told:?}");
    }
    assert!(!told.contains(&Told::Ended(ids[0], RemovalCause::Principal)));
    assert_eq!(told.last(), Some(&Told::Settle));
}

#[test]
fn the_journal_is_not_told_of_touches_and_of_sets_of_the_present_value() {
    let World { store, notes, clock } = world();
    let id = store.create_with([("user", "ada")]).unwrap();
    notes.take();
    clock.advance(TICK);
    assert!(store.touch(&id) && store.get(&id, "user").is_some());
    store.set(&id, "user", "ada").unwrap();
    assert!(store.set(&stand_in(&id), "user", "eve").is_err());
    assert!(notes.take().into_iter().all(|told| told == Told::Settle));
}

#[test]
fn a_session_that_makes_room_is_reported_before_the_creation_settles() {
    let World { store, notes, .. } =
        world_of(SessionStore::builder().max_sessions(1).when_full(cloakroom::WhenFull::EndIdlest));
    let first = store.create().unwrap();
    notes.take();
    let second = store.create().unwrap();
    assert_eq!(notes.take(), [Told::Ended(first, RemovalCause::Capacity), Told::Changed(second), Told::Settle]);
}

/// An operation on the session of an id. True if it has found the session.
type Use = fn(&SessionStore, &SessionId) -> bool;

#[test]
fn a_waiting_session_is_found_by_every_operation_under_its_own_id() {
    let ada = Principal::new("ada");
    let uses: &[(&str, Use)] = &[
        ("get", |store, id| store.get(id, "user").as_deref() == Some("ada")),
        ("exists", |store, id| store.exists(id)),
        ("touch", |store, id| store.touch(id)),
        ("lookup", |store, id| store.lookup(id, |_| ()).is_ok()),
        ("snapshot", |store, id| store.snapshot(id).is_some()),
        ("version", |store, id| store.version(id).is_some()),
        ("serial", |store, id| store.serial(id) == Some(5)),
        ("expires_in", |store, id| store.expires_in(id).is_some()),
        ("principal", |store, id| store.principal(id) == Some(Principal::new("ada"))),
        ("set", |store, id| store.set(id, "user", "eve").is_ok() && store.get(id, "user").as_deref() == Some("eve")),
        ("update", |store, id| store.update(id, |draft| draft.set("a", "b")).is_ok()),
        ("set_timeouts", |store, id| store.set_timeouts(id, Timeouts::default().idle(TTL)).is_ok()),
        ("export", |store, id| store.export(id, |session, _| session.id() == *id) == Some(true)),
        ("rotate", |store, id| store.rotate_id(id).is_ok_and(|new| store.exists(&new)) && !store.exists(id)),
        ("grace", |store, id| {
            let rotated = store.rotation(id).grace(TTL).rotate();
            rotated.is_ok_and(|new| store.exists(&new)) && store.exists(id)
        }),
        ("login", |store, id| store.login(id, &Principal::new("ada")).is_ok()),
        ("delete", |store, id| store.delete(id) && !store.exists(id) && !store.exists(&stand_in(id))),
        ("keep", |store, id| store.end_other_sessions_of(&Principal::new("ada"), id) == 1 && store.exists(id)),
        ("insert", |store, id| store.insert_with(id, Timeouts::default(), [("a", "b")]).is_err()),
    ];
    for (name, operation) in uses {
        let world = world();
        let mut carried = of(&ada);
        carried.serial = 5;
        let id = world.waiting(&carried);
        let other = world.waiting(&of(&ada));
        assert!(operation(&world.store, &id), "{name}");
        assert!(!world.notes.take().iter().any(|told| matches!(told, Told::Claimed(_, claimed) if *claimed == other)));
    }
}

#[test]
fn a_session_that_comes_home_is_listed_under_its_own_id_and_nobody_is_told_that_it_rotated() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let World { store, notes, clock } =
        world_of(SessionStore::builder().on_removal(move |removal| listener.lock().unwrap().push(removal.cause)));
    let world = World { store, notes, clock };
    let ada = Principal::new("ada");
    let id = world.waiting(&of(&ada));
    let store = &world.store;
    assert_eq!(store.sessions_of(&ada), [stand_in(&id)]);
    assert!(store.exists(&id));
    assert_eq!(store.sessions_of(&ada), [id]);
    assert_eq!((store.count(), world.notes.take()), (1, vec![Told::Claimed(stand_in(&id), id)]));
    assert!(told.lock().unwrap().is_empty());
    assert_eq!(store.end_sessions_of(&ada), 1);
    assert!(!store.exists(&id) && !store.exists(&stand_in(&id)));
    assert_eq!(*told.lock().unwrap(), [RemovalCause::Principal]);
}

#[test]
fn the_end_of_a_principals_sessions_ends_those_that_wait() {
    let world = world();
    let ada = Principal::new("ada");
    let id = world.waiting(&of(&ada));
    assert_eq!(world.store.end_sessions_of(&ada), 1);
    assert!(!world.store.exists(&id));
}

#[test]
fn coming_home_is_no_use_of_the_session_and_changes_no_version() {
    let world = world();
    let mut carried = Carried::default();
    carried.idle_for = TTL / 2;
    carried.version = 9;
    let id = world.waiting(&carried);
    assert_eq!(world.store.expires_in(&id), Some(TTL - TTL / 2));
    assert_eq!(world.store.export(&id, |_, carried| carried.version), Some(9));
    world.clock.advance(TTL - TTL / 2);
    assert!(world.store.exists(&id));
    world.clock.advance(TICK);
    assert!(!world.store.exists(&id));
}

#[test]
fn a_session_may_have_been_used_before_the_clock_began() {
    let world = world();
    let mut carried = Carried::default();
    carried.idle_for = TTL;
    let id = world.waiting(&carried);
    assert!(world.store.exists(&id));
    world.clock.advance(TICK);
    assert!(!world.store.exists(&id));
}

#[test]
fn everything_that_belongs_to_a_session_is_carried_to_another_store() {
    let (here, there) = (world(), world());
    let (ada, day) = (Principal::new("ada"), Duration::from_secs(86_400));
    let timeouts = Timeouts::default().idle(TTL * 3).absolute(day).cookie(Some(TTL * 2));
    let builder = here.store.new_session().principal(ada).audience(Audience::new("site")).timeouts(timeouts);
    let id = builder.create_with([("theme", "dark")]).unwrap();
    here.store.set(&id, "lang", "en").unwrap();
    here.clock.advance(TTL);
    there.clock.advance(TTL * 7);
    let exported = here.store.export(&id, |session, carried| {
        let attributes: Vec<_> = session.content().iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        (attributes, carried.clone())
    });
    let (attributes, carried) = exported.unwrap();
    there.store.import_with(&id, &carried, attributes).unwrap();
    let ticket = here.store.ticket(&id);
    for world in [&here, &there] {
        assert_eq!(world.store.export(&id, |_, carried| carried.clone()), Some(carried.clone()));
        assert_eq!(world.store.expires_in(&id), Some(TTL * 2));
        assert_eq!(world.store.sessions_of(&ada), [id]);
        assert_eq!(world.store.ticket(&id), ticket);
        assert_eq!(world.store.get(&id, "lang").as_deref(), Some("en"));
    }
    assert_eq!((carried.version, carried.idle_for, carried.ends_in), (1, TTL, Some(day - TTL)));
}

#[test]
fn an_import_is_refused_over_a_live_session_beyond_a_limit_and_after_its_time() {
    let World { store, .. } = world_of(SessionStore::builder().max_sessions(2).max_sessions_per_principal(1));
    let (ada, eve) = (Principal::new("ada"), Principal::new("eve"));
    let import = |id: &SessionId, carried: &Carried| store.import_with(id, carried, [("a", "1")]);
    let [one, two, three] = [(); 3].map(|()| SessionId::random().unwrap());
    let mut late = Carried::default();
    late.idle_for = TTL + TICK;
    assert_eq!(import(&one, &late), Err(ImportError::Expired));
    assert_eq!(import(&one, &of(&ada)), Ok(()));
    assert_eq!(import(&one, &of(&eve)), Err(ImportError::Occupied));
    assert_eq!(import(&two, &of(&ada)), Err(ImportError::PrincipalFull));
    assert_eq!(import(&two, &of(&eve)), Ok(()));
    assert_eq!(import(&three, &Carried::default()), Err(ImportError::Full));
    assert_eq!((store.count(), store.sessions_of(&eve)), (2, vec![two]));
}

#[test]
fn a_deleted_session_does_not_come_home_whatever_threads_do() {
    const ROUNDS: usize = 300;
    for round in 0..ROUNDS {
        let world = world();
        let ada = Principal::new("ada");
        let id = world.waiting(&of(&ada));
        let (start, deleted) = (Barrier::new(4), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    while !deleted.load(Ordering::Acquire) {
                        world.store.touch(&id);
                    }
                    assert!(!world.store.exists(&id));
                });
            }
            scope.spawn(|| {
                start.wait();
                let set = world.store.set(&id, "theme", "dark");
                assert!(set.is_ok() || set == Err(MissingError::NotFound.into()), "{set:?}");
            });
            scope.spawn(|| {
                start.wait();
                assert!(world.store.delete(&id), "round {round}: a live session was not found");
                deleted.store(true, Ordering::Release);
            });
        });
        assert_eq!((world.store.count(), world.store.sessions_of(&ada)), (0, vec![]));
    }
}

#[test]
fn a_waiting_session_is_never_missing_while_threads_bring_it_home() {
    for _ in 0..300 {
        let world = world();
        let ada = Principal::new("ada");
        let id = world.waiting(&of(&ada));
        let start = Barrier::new(3);
        let new = thread::scope(|scope| {
            let readers = [(); 2].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    world.store.get(&id, "user").is_some() && world.store.set(&id, "theme", "dark").is_ok()
                })
            });
            start.wait();
            readers.into_iter().for_each(|reader| assert!(reader.join().unwrap()));
            world.store.rotate_id(&id).unwrap()
        });
        assert_eq!((world.store.sessions_of(&ada), world.store.count()), (vec![new], 1));
        assert_eq!(world.store.get(&new, "theme").as_deref(), Some("dark"));
    }
}

#[test]
fn the_journal_is_not_told_of_reservations_but_of_the_sessions_that_come_of_them() {
    let World { store, notes, clock } = world();
    let id = SessionId::from_bytes([9; 32]);
    let wait = Duration::from_secs(10);
    let changes = || notes.take().into_iter().filter(|told| *told != Told::Settle).collect::<Vec<_>>();

    drop(store.reserve(&id, wait).unwrap());
    store.reserve(&id, wait).unwrap().detach();
    assert!(!store.delete(&id) && !store.delete_and_bar(&id, wait));
    clock.advance(wait + TICK);
    assert_eq!((store.evict_expired(), changes()), (0, vec![]));

    let reservation = store.reserve(&id, wait).unwrap();
    assert!(store.export(&id, |_, _| ()).is_none());
    store.for_each(|_| panic!("a reservation is no session"));
    reservation.fulfil_with(Timeouts::default(), [("user", "ada")]).unwrap();
    assert_eq!(notes.take(), [Told::Changed(id), Told::Settle]);
    assert!(store.delete_and_bar(&id, wait));
    assert_eq!(changes(), [Told::Ended(id, RemovalCause::Deleted)]);
}

#[test]
fn an_id_whose_restored_session_waits_is_not_reserved() {
    let world = world();
    let wait = Duration::from_secs(10);
    let id = world.waiting(&Carried::default());
    assert_eq!(world.store.reserve(&id, wait).err(), Some(ReserveError::Occupied));
    assert_eq!(world.store.get(&id, "user").as_deref(), Some("ada"));

    let other = world.waiting(&Carried::default());
    assert!(world.store.delete_and_bar(&other, wait), "it ends under its stand-in");
    assert!(!world.store.exists(&other) && !world.store.exists(&stand_in(&other)));
    assert_eq!(world.store.reserve(&other, wait).err(), Some(ReserveError::Barred));
}

/// So that none of them is there again after a restart.
#[test]
fn the_journal_is_told_of_each_session_that_ends_with_all_others() {
    let world = world();
    let waiting = world.waiting(&Carried::default());
    let live = world.store.create().unwrap();
    world.notes.take();
    world.store.end_all();
    let mut told = world.notes.take();
    assert_eq!(told.pop(), Some(Told::Settle));
    let ended = |id| Told::Ended(id, RemovalCause::EndAll);
    assert!(told.len() == 2 && told.contains(&ended(live)) && told.contains(&ended(stand_in(&waiting))), "{told:?}");
    assert!(!world.store.exists(&waiting));
    assert_eq!(world.store.count(), 0);
}
