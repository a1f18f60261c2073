//! A disk that is full or fails, at each write, resize and sync in turn.

mod support;

use cloakroom_persist::{Access, Changes, OpenError, Options, Persistence, Verdict};
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
    repaired: Arc<AtomicBool>,
}

impl Fault {
    fn new(at: usize, verdict: Verdict, for_good: bool) -> Self {
        Self { seen: Arc::default(), at, verdict, for_good, repaired: Arc::default() }
    }

    fn options(&self) -> Options {
        let fault = self.clone();
        let decide = move |_: Access| {
            let number = fault.seen.fetch_add(1, Ordering::Relaxed);
            let hit = number == fault.at || fault.for_good && number > fault.at;
            if hit && !fault.repaired.load(Ordering::Relaxed) { fault.verdict } else { Verdict::Pass }
        };
        Options::new().changes(Changes::Within(Duration::from_secs(60))).faults(decide)
    }
}

/// Creates two sessions, ends one, and compares what comes back with what was promised. Returns the number of accesses.
fn play(fault: &Fault) -> usize {
    let dir = Dir::new();
    let (mut flushed, mut ended, mut live, mut gone) = (false, false, None, None);
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
            crash(sessions, &dir);
        }
    }
    let accesses = fault.seen.load(Ordering::Relaxed);
    let sessions = Persistence::open(dir.path(), Options::new());
    let sessions = sessions.unwrap_or_else(|error| panic!("access {}, {:?}: {error:?}", fault.at, fault.verdict));
    if let (Some(live), Some(gone)) = (live, gone) {
        assert!(!flushed || sessions.store().exists(&live), "access {}: a flushed session is lost", fault.at);
        assert!(!ended || !sessions.store().exists(&gone), "access {}: an ended session came back", fault.at);
    }
    accesses
}

#[test]
fn whatever_access_fails_what_was_answered_holds() {
    let accesses = play(&Fault::new(usize::MAX, Verdict::Pass, false));
    assert!(accesses > 10, "{accesses}");
    let verdicts = [
        Verdict::Fail(ErrorKind::StorageFull),
        Verdict::Fail(ErrorKind::Other),
        Verdict::Short(ErrorKind::StorageFull),
    ];
    // All of them at each access if this is set, otherwise one of them.
    let all = std::env::var_os("CLOAKROOM_EVERY_FAULT").is_some();
    for at in 0..accesses {
        for (number, verdict) in verdicts.into_iter().enumerate() {
            if all || number == at % verdicts.len() {
                [false, true].iter().for_each(|for_good| _ = play(&Fault::new(at, verdict, *for_good)));
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
    let end = Instant::now() + Duration::from_secs(60);
    while sessions.flush().is_err() {
        assert!(Instant::now() < end, "it does not recover");
        std::thread::sleep(Duration::from_millis(20));
    }
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
