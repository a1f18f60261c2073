//! Directories, clocks and crashes for the tests.
#![allow(dead_code, reason = "not every test uses everything")]

use cloakroom::{Audience, Carried, ManualClock, Principal, SessionId, SessionStore, Timeouts};
use cloakroom_persist::{Kept, Options, Persistence, Wall};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A directory that is removed in the end.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        // In memory where that is possible: the tests write thousands of batches, and none of them cuts the power.
        let memory = Path::new("/dev/shm");
        Self(if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("sessions")
    }
}

/// A machine's clocks, in seconds: the wall clock, and the time since its start if it tells that.
#[derive(Clone, Debug)]
pub(crate) struct FakeWall(Arc<Mutex<(i64, Option<i64>)>>);

impl FakeWall {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((1_000_000_000, Some(5_000)))))
    }

    pub(crate) fn without_start() -> Self {
        Self(Arc::new(Mutex::new((1_000_000_000, None))))
    }

    /// Lets time pass.
    pub(crate) fn sleep(&self, seconds: i64) {
        let mut clocks = self.0.lock().unwrap();
        clocks.0 += seconds;
        clocks.1 = clocks.1.map(|since| since + seconds);
    }

    /// Sets the wall clock ahead or back.
    pub(crate) fn set(&self, seconds: i64) {
        self.0.lock().unwrap().0 += seconds;
    }
}

impl Wall for FakeWall {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().0 as u64)
    }

    fn since_start(&self) -> Option<([u8; 16], Duration)> {
        self.0.lock().unwrap().1.map(|since| ([7; 16], Duration::from_secs(since as u64)))
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // With its mode.
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Leaves the directory as it would be if the process were killed now: what was written before stays, what the end of
/// the `Persistence` writes does not.
pub(crate) fn crash<T: Kept + ?Sized>(sessions: Persistence<T>, dir: &Dir) {
    crash_and(sessions, dir, || {});
}

/// The same, with `f` after the crash: for what the end of the `Persistence` would wait for.
pub(crate) fn crash_and<T: Kept + ?Sized>(sessions: Persistence<T>, dir: &Dir, f: impl FnOnce()) {
    let (path, aside) = (dir.path(), dir.0.path().join("aside"));
    let _ = std::fs::remove_dir_all(&aside);
    copy(&path, &aside);
    f();
    drop(sessions);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

/// Leaves two live sessions in a directory, whose attribute `user` is `ada`, and a third that has ended, by a process
/// that has ended in order or was killed. Returns the live ones, and the third.
pub(crate) fn three_sessions(dir: &Dir, clean: bool) -> ([SessionId; 2], SessionId) {
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    let live = [(); 2].map(|()| sessions.store().create_with([("user", "ada")]).unwrap());
    let ended = sessions.store().create_with([("user", "eve")]).unwrap();
    sessions.flush().unwrap();
    assert!(sessions.store().delete(&ended));
    if clean {
        sessions.close().unwrap();
    } else {
        crash(sessions, dir);
    }
    (live, ended)
}

/// Three sessions that have together all that can belong to a session.
pub(crate) struct Everything {
    ada: Principal,
    plain: SessionId,
    bound: SessionId,
    given: SessionId,
}

impl Everything {
    /// Creates the sessions. `clock` and `ttl` are the clock of the store and its idle timeout.
    pub(crate) fn create(store: &SessionStore, clock: &ManualClock, ttl: Duration) -> Self {
        let ada = Principal::new("ada");
        let plain = store.create_with([("user", "ada"), ("theme", "")]).unwrap();
        let timeouts = Timeouts::default().idle(3 * ttl).absolute(10 * ttl).cookie(Some(ttl));
        let builder = store.new_session().principal(ada).audience(Audience::new("admin")).timeouts(timeouts);
        let bound = builder.create_with([("device", "ärger 🦀")]).unwrap();
        let given = SessionId::random().unwrap();
        store.insert_with(&given, Timeouts::default(), [("a", "1")]).unwrap();
        clock.advance(ttl / 2);
        store.set(&bound, "lang", "en").unwrap();
        Self { ada, plain, bound, given }
    }

    pub(crate) fn carried(&self, store: &SessionStore) -> [Carried; 3] {
        [self.plain, self.bound, self.given].map(|id| store.export(&id, |_, carried| carried.clone()).unwrap())
    }

    /// Compares what has come back with what there was `before`. Times may differ by `slack` to the side that is wrong,
    /// and by the few seconds that the test takes to the other.
    pub(crate) fn check(&self, store: &SessionStore, before: &[Carried; 3], slack: Duration) {
        let known = |carried: &Carried| {
            let mut known = carried.clone();
            (known.idle_for, known.ends_in, known.cookie_sent) = (Duration::ZERO, None, None);
            known
        };
        for (before, after) in before.iter().zip(&self.carried(store)) {
            assert_eq!(known(after), known(before));
            assert_eq!(after.cookie_sent.is_some(), before.cookie_sent.is_some());
            // The time between the two is real time, and short.
            assert!(after.idle_for + slack >= before.idle_for && after.idle_for < before.idle_for + 5 * SECOND);
            let ends = |carried: &Carried| carried.ends_in.unwrap_or_default();
            assert!(ends(after) <= ends(before) + slack && ends(after) + 5 * SECOND > ends(before));
        }
        assert_eq!(store.sessions_of(&self.ada), [self.bound]);
        assert_eq!(store.get(&self.bound, "device").as_deref(), Some("ärger 🦀"));
        assert_eq!(store.get(&self.bound, "lang").as_deref(), Some("en"));
        assert_eq!(store.get(&self.plain, "theme").as_deref(), Some(""));
    }
}
