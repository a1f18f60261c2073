//! Directories, clocks and crashes for the tests.
#![allow(dead_code, reason = "not every test uses everything")]

use cloakroom_persist::{Kept, Persistence, Wall};
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
