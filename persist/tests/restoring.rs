//! Serving while sessions are restored: what is found, what ends, and what a crash or an end in the midst leaves.

mod support;

use cloakroom::{BindError, CreateError, Principal, SessionId, SessionStore, WhenPrincipalFull};
use cloakroom_persist::{Access, Options, Persistence, Verdict, Waiting};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{Dir, FakeWall, crash, crash_and};

/// Holds the restoring thread up before the session of a number, until it is opened.
#[derive(Clone)]
struct Gate {
    open: Arc<(Mutex<bool>, Condvar)>,
    at: u64,
}

impl Gate {
    fn at(at: u64) -> Self {
        Self { open: Arc::default(), at }
    }

    fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }

    fn options(&self) -> Options {
        let gate = self.clone();
        Options::new().restore_first(0).before_each(move |number| {
            if number == gate.at {
                let mut open = gate.open.0.lock().unwrap();
                // Opens by itself after a while, so that a test that fails ends.
                let end = Instant::now() + Duration::from_secs(20);
                while !*open && Instant::now() < end {
                    open = gate.open.1.wait_timeout(open, Duration::from_secs(20)).unwrap().0;
                }
            }
        })
    }
}

/// A directory with so many sessions, those of even numbers with a principal.
fn filled(sessions: usize, principal: &Principal) -> (Dir, Vec<SessionId>) {
    let dir = Dir::new();
    let kept = Persistence::open(dir.path(), Options::new()).unwrap();
    let create = |number: usize| {
        let new = kept.store().new_session();
        let new = if number.is_multiple_of(2) { new.principal(*principal) } else { new };
        new.create_with([("number", number.to_string())]).unwrap()
    };
    let ids = (0..sessions).map(create).collect();
    kept.close().unwrap();
    (dir, ids)
}

fn waiting(sessions: &Persistence) -> u64 {
    let restored = sessions.restored();
    restored.total - restored.sessions - restored.expired - restored.refused
}

#[test]
fn every_session_is_found_before_it_is_restored_in_turn() {
    let (dir, ids) = filled(40, &Principal::new("ada"));
    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    assert_eq!((waiting(&sessions), sessions.restored().total, sessions.restored().done), (40, 40, false));
    assert!(!sessions.store().exists(&SessionId::random().unwrap()));
    assert_eq!(waiting(&sessions), 40);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(sessions.store().get(id, "number"), Some(number.to_string()));
        assert_eq!(waiting(&sessions), 39 - number as u64);
    }
    // All are there, so nobody has to wait for the thread.
    assert!(sessions.restoration().wait().done);
    gate.open();
    sessions.close().unwrap();
}

#[test]
fn what_ends_before_it_is_restored_in_turn_stays_ended() {
    let (dir, ids) = filled(60, &Principal::new("ada"));
    let gate = Gate::at(20);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    let store = sessions.store();
    let mut live = HashSet::new();
    for (number, id) in ids.iter().enumerate() {
        match number % 4 {
            0 => assert!(store.delete(id)),
            1 => _ = live.insert(store.rotate_id(id).unwrap()),
            2 => store.set(id, "number", "changed").unwrap(),
            _ => {}
        }
    }
    gate.open();
    let restored = sessions.restoration().wait();
    assert_eq!((restored.sessions, restored.done), (60, true));
    let check = |store: &SessionStore| {
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(store.exists(id), number % 4 > 1, "{number}");
            assert!(number % 4 != 2 || store.get(id, "number").as_deref() == Some("changed"));
        }
        assert!(live.iter().all(|id| store.exists(id)));
        assert_eq!(store.count(), 45);
    };
    check(store);
    sessions.flush().unwrap();
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    check(sessions.store());
}

#[test]
fn a_crash_in_the_midst_loses_nothing() {
    let (dir, ids) = filled(60, &Principal::new("ada"));
    for _ in 0..3 {
        let gate = Gate::at(20);
        let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
        assert!(sessions.store().exists(&ids[7]));
        crash_and(sessions, &dir, || gate.open());
    }
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(ids.iter().all(|id| sessions.store().exists(id)));
    assert_eq!(sessions.restored().sessions, 60);
}

#[test]
fn an_end_in_the_midst_loses_nothing() {
    let (dir, ids) = filled(100, &Principal::new("ada"));
    let slow = Options::new().restore_first(0).before_each(|_| thread::sleep(Duration::from_millis(1)));
    let sessions = Persistence::open(dir.path(), slow).unwrap();
    let new = sessions.store().create().unwrap();
    assert!(sessions.store().delete(&ids[0]));
    assert!(!sessions.restored().done);
    sessions.close().unwrap();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert_eq!((sessions.restored().sessions, sessions.restored().clean), (100, true));
    assert!(!sessions.store().exists(&ids[0]));
    assert!(ids[1..].iter().chain([&new]).all(|id| sessions.store().exists(id)));
}

#[test]
fn what_a_lower_limit_ends_has_ended_for_good_though_the_end_comes_in_the_midst() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let sessions = Persistence::open(dir.path(), Options::new().wall(wall.clone())).unwrap();
    (0..100).for_each(|_| _ = sessions.store().create().unwrap());
    sessions.close().unwrap();
    // So long that their last uses need not be written again.
    wall.sleep(600);
    let slow = Options::new().restore_first(0).before_each(|_| thread::sleep(Duration::from_millis(1)));
    let slow = slow.store(SessionStore::builder().max_sessions(50)).wall(wall.clone());
    let sessions = Persistence::open(dir.path(), slow).unwrap();
    assert!(!sessions.restored().done);
    sessions.close().unwrap();
    let sessions = Persistence::open(dir.path(), Options::new().wall(wall)).unwrap();
    assert_eq!(sessions.store().count(), 50);
}

#[test]
fn the_sessions_of_a_principal_are_listed_and_ended_in_the_midst() {
    let ada = Principal::new("ada");
    let (dir, ids) = filled(20, &ada);
    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    assert_eq!(sessions.store().sessions_of(&ada).len(), 10);
    assert_eq!(waiting(&sessions), 10);
    gate.open();
    sessions.close().unwrap();

    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    let kept = ids[4];
    assert_eq!(sessions.store().end_other_sessions_of(&ada, &kept), 9);
    assert_eq!(sessions.store().sessions_of(&ada), [kept]);
    crash_and(sessions, &dir, || gate.open());

    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    assert_eq!(sessions.store().end_sessions_of(&ada), 1);
    gate.open();
    sessions.restoration().wait();
    let even = |store: &SessionStore| ids.iter().step_by(2).filter(|id| store.exists(id)).count();
    assert_eq!((even(sessions.store()), sessions.store().count()), (0, 10));
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert_eq!((even(sessions.store()), sessions.store().count()), (0, 10));
}

#[test]
fn the_end_of_all_ends_sessions_that_are_not_restored_yet() {
    let (dir, ids) = filled(20, &Principal::new("ada"));
    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    sessions.store().end_all();
    gate.open();
    sessions.restoration().wait();
    assert!(!ids.iter().any(|id| sessions.store().exists(id)));
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(!ids.iter().any(|id| sessions.store().exists(id)));
}

#[test]
fn a_principals_limit_counts_sessions_that_are_not_restored_yet() {
    let ada = Principal::new("ada");
    let (dir, ids) = filled(6, &ada);
    for policy in [WhenPrincipalFull::Refuse, WhenPrincipalFull::EndIdlest] {
        let gate = Gate::at(0);
        let limited = SessionStore::builder().max_sessions_per_principal(3).when_principal_full(policy);
        let sessions = Persistence::open(dir.path(), gate.options().store(limited)).unwrap();
        let store = sessions.store();
        let created = store.new_session().principal(ada).create();
        let login = store.login(&ids[1], &ada);
        if policy == WhenPrincipalFull::Refuse {
            assert_eq!((created, login), (Err(CreateError::PrincipalFull), Err(BindError::PrincipalFull)));
        } else {
            assert!(created.is_ok() && login.is_ok());
        }
        assert_eq!(store.sessions_of(&ada).len(), 3);
        gate.open();
        sessions.restoration().wait();
        assert_eq!(store.sessions_of(&ada).len(), 3);
        sessions.close().unwrap();
    }
}

#[test]
fn an_operation_on_all_sessions_has_all_of_them() {
    let (dir, _) = filled(20, &Principal::new("ada"));
    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    let mut seen = 0;
    sessions.store().for_each(|_| seen += 1);
    assert_eq!((seen, waiting(&sessions)), (20, 0));
    gate.open();
    sessions.close().unwrap();
    let gate = Gate::at(0);
    let sessions = Persistence::open(dir.path(), gate.options()).unwrap();
    assert_eq!(sessions.store().delete_where(|_| true), 20);
    gate.open();
    sessions.restoration().wait();
    assert_eq!(sessions.store().count(), 0);
}

#[test]
fn a_session_that_a_new_one_leaves_no_room_has_ended_for_good() {
    let (dir, ids) = filled(3, &Principal::new("ada"));
    let gate = Gate::at(0);
    let limited = SessionStore::builder().max_sessions(3);
    let sessions = Persistence::open(dir.path(), gate.options().store(limited)).unwrap();
    let [new, second] = [(); 2].map(|()| sessions.store().create().unwrap());
    sessions.flush().unwrap();
    assert!(sessions.store().exists(&ids[0]));
    // No place is left. Its end is on disk when the look-up returns.
    assert!(!sessions.store().exists(&ids[1]));
    crash_and(sessions, &dir, || gate.open());
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    let exist = [ids[0], ids[1], ids[2], new, second].map(|id| sessions.store().exists(&id));
    assert_eq!(exist, [true, false, true, true, true]);
    sessions.close().unwrap();

    let gate = Gate::at(0);
    let limited = SessionStore::builder().max_sessions(3);
    let sessions = Persistence::open(dir.path(), gate.options().store(limited)).unwrap();
    gate.open();
    let restored = sessions.restoration().wait();
    assert_eq!((restored.sessions, restored.refused, sessions.store().count()), (3, 1, 3));
    sessions.settle().unwrap();
    crash(sessions, &dir);
    assert_eq!(Persistence::open(dir.path(), Options::new()).unwrap().store().count(), 3);
}

#[test]
fn a_disk_that_fails_in_the_midst_loses_nothing() {
    let (dir, ids) = filled(50, &Principal::new("ada"));
    let (gate, fails) = (Gate::at(10), Arc::new(AtomicBool::new(false)));
    let faults = Arc::clone(&fails);
    let decide = move |_: Access| match faults.load(Ordering::Relaxed) {
        true => Verdict::Fail(ErrorKind::StorageFull),
        false => Verdict::Pass,
    };
    let sessions = Persistence::open(dir.path(), gate.options().faults(decide)).unwrap();
    fails.store(true, Ordering::Relaxed);
    assert!(sessions.deferred(|store| store.delete(&ids[0])).wait().is_err());
    assert!(ids[1..].iter().take(5).all(|id| sessions.store().exists(id)));
    fails.store(false, Ordering::Relaxed);
    while sessions.flush().is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    crash_and(sessions, &dir, || gate.open());
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(!sessions.store().exists(&ids[0]));
    assert!(ids[1..].iter().all(|id| sessions.store().exists(id)));
}

#[test]
fn progress_is_told_and_the_end_can_be_awaited() {
    let (dir, _) = filled(10_001, &Principal::new("ada"));
    let (told, gate) = (Arc::new(AtomicU64::new(0)), Gate::at(9_000));
    let tell = Arc::clone(&told);
    let options = gate.options().progress(move |sessions| assert_eq!(tell.fetch_add(sessions, Ordering::Relaxed), 0));
    let sessions = Persistence::open(dir.path(), options).unwrap();
    while sessions.restored().sessions < 9_000 {
        thread::yield_now();
    }
    assert_eq!((told.load(Ordering::Relaxed), sessions.restored().done), (0, false));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let restored = runtime.block_on(async {
        let restoration = sessions.restoration();
        let opening = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            gate.open();
        });
        let restored = restoration.await;
        opening.join().unwrap();
        restored
    });
    assert_eq!((restored.sessions, restored.total, restored.done), (10_001, 10_001, true));
    // The thread tells it once it goes on, and has ended then.
    sessions.close().unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 10_000);
}

#[test]
fn few_sessions_are_restored_before_the_directory_is_open() {
    let (dir, _) = filled(20, &Principal::new("ada"));
    for most in [20, 19] {
        let gate = Gate::at(19);
        if most == 20 {
            gate.open();
        }
        let sessions = Persistence::open(dir.path(), gate.options().restore_first(most)).unwrap();
        assert_eq!(sessions.restored().done, most == 20);
        gate.open();
        sessions.close().unwrap();
    }
}

#[cfg(feature = "encrypt")]
#[test]
fn once_it_is_flushed_a_former_key_is_not_needed_though_sessions_were_being_restored() {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), Options::new().key([1; 32])).unwrap();
    let ids: Vec<_> = (0..50).map(|_| sessions.store().create().unwrap()).collect();
    sessions.close().unwrap();
    let wrong = Options::new().key([2; 32]).restore_first(0);
    assert!(matches!(Persistence::open(dir.path(), wrong), Err(cloakroom_persist::OpenError::Unreadable)));
    let slow = Options::new().restore_first(0).before_each(|_| thread::sleep(Duration::from_millis(1)));
    let sessions = Persistence::open(dir.path(), slow.key([2; 32]).former_key([1; 32])).unwrap();
    assert!(!sessions.restored().done);
    sessions.flush().unwrap();
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), Options::new().key([2; 32])).unwrap();
    assert!(ids.iter().all(|id| sessions.store().exists(id)));
}

/// Threads look up, end and rotate sessions while these are restored. No session is missing, and none comes back.
#[test]
fn threads_find_every_session_and_no_ended_one_while_all_are_restored() {
    let (dir, ids) = filled(3_000, &Principal::new("ada"));
    for round in 0..5 {
        let options = Options::new().restore_first(0).waiting(Waiting::WhereAsked);
        let sessions = Persistence::open(dir.path(), options).unwrap();
        let store = sessions.store();
        let first = round * 600;
        thread::scope(|scope| {
            for part in 0..3 {
                let ids = &ids;
                scope.spawn(move || {
                    // By the key on disk, the order is another one than that of the restoring thread.
                    for number in (first + part..first + 600).step_by(3) {
                        assert!(store.exists(&ids[number]) && store.delete(&ids[number]), "{number}");
                        assert!(!store.exists(&ids[number]), "{number}");
                        let other = first + 600 + number % 600;
                        assert!(ids.get(other).is_none_or(|id| store.exists(id)), "{other}");
                    }
                });
            }
        });
        sessions.restoration().wait();
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(store.exists(id), number >= first + 600, "{number}");
        }
        sessions.close().unwrap();
    }
}
