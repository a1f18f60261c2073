//! A disk that is full or fails, at each write, resize and sync in turn.

mod support;

use cloakroom::{BindError, Principal, RotateError, SessionId};
use cloakroom_persist::{Access, Changes, OpenError, Options, Persistence, Verdict, Waiting, WhenFailing};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Dir, crash};

/// Lets the access of this number fail, or that one and all later ones.
#[derive(Clone)]
struct Fault {
    seen: Arc<AtomicUsize>,
    at: usize,
    verdict: Verdict,
    for_good: bool,
    /// Whether the process ends in order, and does not crash.
    closes: bool,
    repaired: Arc<AtomicBool>,
}

impl Fault {
    fn new(at: usize, verdict: Verdict, for_good: bool) -> Self {
        Self { seen: Arc::default(), at, verdict, for_good, closes: false, repaired: Arc::default() }
    }

    fn options(&self) -> Options {
        self.inject(Options::new().changes(Changes::Within(Duration::from_secs(60))))
    }

    fn inject(&self, options: Options) -> Options {
        let fault = self.clone();
        let decide = move |_: Access| {
            let number = fault.seen.fetch_add(1, Ordering::Relaxed);
            let hit = number == fault.at || fault.for_good && number > fault.at;
            if hit && !fault.repaired.load(Ordering::Relaxed) { fault.verdict } else { Verdict::Pass }
        };
        options.faults(decide)
    }
}

/// Creates two sessions, ends one, and compares what comes back with what was promised. Returns the number of accesses.
fn play(fault: &Fault) -> usize {
    let dir = Dir::new();
    let (mut flushed, mut ended, mut closed, mut live, mut gone) = (false, false, false, None, None);
    match Persistence::open(dir.path(), fault.options()) {
        Err(OpenError::Io(_)) => {}
        Err(other) => panic!("access {}: {other:?}", fault.at),
        Ok(sessions) => {
            let store = sessions.store();
            let ids = [(); 2].map(|()| store.create_with([("user", "ada")]).unwrap());
            flushed = sessions.flush().is_ok();
            ended = sessions.deferred(|store| assert!(store.delete(&ids[1]))).wait().is_ok();
            // Whatever the disk does, the sessions are what they are.
            assert!(store.exists(&ids[0]) && !store.exists(&ids[1]));
            (live, gone) = (Some(ids[0]), Some(ids[1]));
            if fault.closes {
                closed = sessions.close().is_ok();
            } else {
                crash(sessions, &dir);
            }
        }
    }
    let accesses = fault.seen.load(Ordering::Relaxed);
    let sessions = Persistence::open(dir.path(), Options::new());
    let sessions = sessions.unwrap_or_else(|error| panic!("access {}, {:?}: {error:?}", fault.at, fault.verdict));
    if let (Some(live), Some(gone)) = (live, gone) {
        if closed {
            assert!(sessions.restored().clean, "access {}", fault.at);
            (flushed, ended) = (true, true);
        }
        assert!(!flushed || sessions.store().exists(&live), "access {}: a flushed session is lost", fault.at);
        assert!(!ended || !sessions.store().exists(&gone), "access {}: an ended session came back", fault.at);
    }
    accesses
}

#[test]
fn whatever_access_fails_what_was_answered_holds() {
    let verdicts = [
        Verdict::Fail(ErrorKind::StorageFull),
        Verdict::Fail(ErrorKind::Other),
        Verdict::Short(ErrorKind::StorageFull),
        Verdict::Short(ErrorKind::Other),
    ];
    // All of them at each access if this is set, otherwise one of them.
    let all = std::env::var_os("CLOAKROOM_EVERY_FAULT").is_some();
    for closes in [false, true] {
        let fault = |at, verdict, for_good| Fault { closes, ..Fault::new(at, verdict, for_good) };
        let accesses = play(&fault(usize::MAX, Verdict::Pass, false));
        assert!(accesses > 20, "{accesses}");
        for at in 0..accesses {
            for (number, verdict) in verdicts.into_iter().enumerate() {
                if all || number == at % verdicts.len() {
                    [false, true].iter().for_each(|for_good| _ = play(&fault(at, verdict, *for_good)));
                }
            }
        }
    }
}

#[test]
fn a_failure_is_reported_and_what_was_not_written_is_written_once_the_disk_works_again() {
    let dir = Dir::new();
    let opening = Fault::new(usize::MAX, Verdict::Pass, false);
    drop(Persistence::open(dir.path(), opening.options()).unwrap());
    let fault = Fault::new(opening.seen.load(Ordering::Relaxed) + 100, Verdict::Fail(ErrorKind::StorageFull), true);
    let sessions = Persistence::open(dir.path(), fault.options()).unwrap();
    assert_eq!(sessions.health().failing, None);
    let ids: Vec<_> = (0..100).map(|_| sessions.store().create().unwrap()).collect();
    // Until the accesses fail.
    let mut ended = Vec::new();
    let failed = ids.iter().find(|id| {
        ended.push(**id);
        sessions.deferred(|store| store.delete(id)).wait().is_err()
    });
    assert!(failed.is_some());
    let (_, kind) = sessions.health().failing.unwrap();
    assert_eq!(kind, ErrorKind::StorageFull);
    assert!(sessions.flush().is_err() && sessions.health().unwritten > 0);
    // A blocking call returns too.
    let last = sessions.store().create().unwrap();
    assert!(sessions.store().delete(&last));

    fault.repaired.store(true, Ordering::Relaxed);
    await_recovery(&sessions);
    assert_eq!((sessions.health().failing, sessions.health().unwritten), (None, 0));
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    for id in &ids {
        assert_eq!(sessions.store().exists(id), !ended.contains(id));
    }
}

#[test]
fn closing_tells_that_not_everything_is_on_disk() {
    let dir = Dir::new();
    let fault = Fault::new(0, Verdict::Fail(ErrorKind::Other), true);
    fault.repaired.store(true, Ordering::Relaxed);
    let sessions = Persistence::open(dir.path(), fault.options()).unwrap();
    sessions.store().create().unwrap();
    fault.repaired.store(false, Ordering::Relaxed);
    assert!(sessions.close().is_err());
}

/// A directory with one session, on a disk that fails when the switch is off.
fn failing(options: Options) -> (Dir, Persistence, SessionId, Fault) {
    let dir = Dir::new();
    let fault = Fault::new(0, Verdict::Fail(ErrorKind::StorageFull), true);
    fault.repaired.store(true, Ordering::Relaxed);
    let sessions = Persistence::open(dir.path(), fault.inject(options)).unwrap();
    let id = sessions.store().create_with([("user", "ada")]).unwrap();
    sessions.flush().unwrap();
    fault.repaired.store(false, Ordering::Relaxed);
    (dir, sessions, id, fault)
}

fn await_recovery(sessions: &Persistence) {
    let end = Instant::now() + Duration::from_secs(60);
    while sessions.flush().is_err() {
        assert!(Instant::now() < end, "it does not recover");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn while_the_disk_fails_changes_since_the_failure_are_lost_at_a_crash_or_a_failed_close() {
    for closes in [false, true] {
        let (dir, sessions, before, _) = failing(Options::new());
        let since = sessions.store().create().unwrap();
        assert!(sessions.flush().is_err() && sessions.store().exists(&since));
        if closes {
            assert!(sessions.close().is_err());
        } else {
            crash(sessions, &dir);
        }
        let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
        assert!(sessions.store().exists(&before) && !sessions.store().exists(&since));
    }
}

#[test]
fn an_end_that_was_not_awaited_is_lost_at_a_crash_at_worst_and_holds_after_an_orderly_end() {
    for waits in [false, true] {
        for closes in [false, true] {
            // The disk takes nothing any more, so the end cannot be on it when the process crashes.
            let (dir, sessions, id, fault) = failing(Options::new().waiting(Waiting::WhereAsked));
            if waits {
                assert!(sessions.store().delete(&id));
            } else {
                drop(sessions.deferred(|store| assert!(store.delete(&id))));
            }
            if closes {
                fault.repaired.store(true, Ordering::Relaxed);
                await_recovery(&sessions);
                sessions.close().unwrap();
            } else {
                crash(sessions, &dir);
            }
            let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
            assert_eq!(sessions.store().exists(&id), !closes);
        }
    }
}

#[test]
fn with_either_policy_an_end_holds_in_memory_and_says_that_it_is_not_on_disk() {
    for policy in [WhenFailing::KeepInMemory, WhenFailing::RefuseRotations] {
        let (dir, sessions, id, fault) = failing(Options::new().when_failing(policy));
        let ada = Principal::new("ada");
        let others = [(); 2].map(|()| sessions.store().new_session().principal(ada).create().unwrap());
        assert!(sessions.delete(&id).is_err());
        assert!(sessions.end_sessions_of(&ada).is_err());
        let store = sessions.store();
        assert!(!store.exists(&id) && others.iter().all(|id| !store.exists(id)));
        assert!(sessions.settle().is_err());

        fault.repaired.store(true, Ordering::Relaxed);
        await_recovery(&sessions);
        assert_eq!((sessions.delete(&id), sessions.end_sessions_of(&ada)), (Ok(false), Ok(0)));
        crash(sessions, &dir);
        let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
        assert_eq!((sessions.restored().sessions, sessions.store().exists(&id)), (0, false));
    }
}

#[test]
fn rotations_and_logins_are_refused_while_the_disk_fails_if_so_set() {
    let ada = Principal::new("ada");
    for policy in [WhenFailing::KeepInMemory, WhenFailing::RefuseRotations] {
        let (_dir, sessions, id, fault) = failing(Options::new().when_failing(policy));
        let store = sessions.store();
        // Nobody knows yet that the disk fails.
        let id = store.rotate_id(&id).unwrap();
        assert!(sessions.settle().is_err() && sessions.health().failing.is_some());
        let id = if policy == WhenFailing::KeepInMemory {
            let id = store.rotate_id(&id).unwrap();
            store.login(&id, &ada).unwrap()
        } else {
            assert_eq!(store.rotate_id(&id), Err(RotateError::NotDurable));
            assert_eq!(store.login(&id, &ada), Err(BindError::NotDurable));
            assert_eq!(store.bind(&id, &ada), Err(BindError::NotDurable));
            assert_eq!((store.get(&id, "user").as_deref(), store.principal(&id)), (Some("ada"), None));
            id
        };
        fault.repaired.store(true, Ordering::Relaxed);
        await_recovery(&sessions);
        assert!(store.rotate_id(&id).is_ok());
    }
}

#[test]
fn closing_without_room_for_a_second_file_changes_the_present_one() {
    let dir = Dir::new();
    let closing = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closing);
    // The first access after the switch is to the new file.
    let decide = move |_: Access| match seen.swap(false, Ordering::Relaxed) {
        true => Verdict::Fail(ErrorKind::StorageFull),
        false => Verdict::Pass,
    };
    let options = Options::new().changes(Changes::Within(Duration::from_secs(60))).faults(decide);
    let sessions = Persistence::open(dir.path(), options).unwrap();
    let ids: Vec<_> = (0..100).map(|_| sessions.store().create().unwrap()).collect();
    closing.store(true, Ordering::Relaxed);
    sessions.close().unwrap();
    assert!(!closing.load(Ordering::Relaxed));
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(sessions.restored().clean && ids.iter().all(|id| sessions.store().exists(id)));
    assert!(!dir.path().join("sessions.redb.new").exists());
}
