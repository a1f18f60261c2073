//! Files that are missing, older than they were, or accessible to other users, and two processes at once.
//! `every_byte.rs` has those that are cut off or altered.

mod support;

use cloakroom::SessionId;
use cloakroom_persist::{OpenError, Options, Persistence, WhenDamaged};
use std::fs;
use std::path::Path;
use support::{Dir, three_sessions};

const FILES: [&str; 2] = ["sessions.redb", "witness"];

/// A directory with [three sessions](three_sessions).
struct Sample {
    dir: Dir,
    live: [SessionId; 2],
    ended: SessionId,
}

fn sample(clean: bool) -> Sample {
    let dir = Dir::new();
    let (live, ended) = three_sessions(&dir, clean);
    Sample { dir, live, ended }
}

impl Sample {
    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.dir.path().join(file), bytes).unwrap();
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(file)).unwrap()
    }

    /// Opens the directory: it has to be right, or refused.
    fn open(&self, what: &str) -> bool {
        match Persistence::open(self.dir.path(), Options::new()) {
            Ok(sessions) => {
                assert!(!sessions.store().exists(&self.ended), "{what}: a session that has ended came back");
                for id in &self.live {
                    assert_eq!(sessions.store().get(id, "user").as_deref(), Some("ada"), "{what}");
                }
                assert_eq!(sessions.store().count(), 2, "{what}");
                true
            }
            Err(OpenError::Damaged | OpenError::Unreadable | OpenError::Version) => false,
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
}

/// Silences the panics by which the database reports some damage.
fn quietly<R>(f: impl FnOnce() -> R) -> R {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let here = info.location().is_some_and(|place| place.file().contains("damage.rs"));
        if here {
            eprintln!("{info}");
        }
    }));
    let result = f();
    std::panic::set_hook(hook);
    result
}

#[test]
fn a_record_that_is_older_than_it_was_is_refused_unless_told_otherwise() {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    let id = sessions.store().create().unwrap();
    sessions.close().unwrap();
    let older = fs::read(dir.path().join("sessions.redb")).unwrap();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(sessions.store().delete(&id));
    sessions.close().unwrap();
    fs::write(dir.path().join("sessions.redb"), older).unwrap();
    let open = |policy| Persistence::open(dir.path(), Options::new().when_damaged(policy));
    assert!(matches!(open(WhenDamaged::Refuse), Err(OpenError::Damaged)));
    let sessions = open(WhenDamaged::RestoreAnyway).unwrap();
    assert!(sessions.store().exists(&id));
    sessions.close().unwrap();
    assert!(open(WhenDamaged::Refuse).is_ok());
}

#[test]
fn a_damaged_directory_begins_anew_when_told_and_keeps_the_files() {
    let sample = sample(true);
    sample.write("sessions.redb", b"not a database");
    let open = |policy| Persistence::open(sample.dir.path(), Options::new().when_damaged(policy));
    assert!(matches!(quietly(|| open(WhenDamaged::Refuse)), Err(OpenError::Damaged)));
    let sessions = quietly(|| open(WhenDamaged::BeginAnew)).unwrap();
    assert_eq!(sessions.store().count(), 0);
    let id = sessions.store().create().unwrap();
    sessions.close().unwrap();
    assert_eq!(sample.read("sessions.redb.damaged"), b"not a database");
    assert!(open(WhenDamaged::Refuse).unwrap().store().exists(&id));
}

#[test]
fn a_missing_file_is_refused() {
    for file in FILES {
        let sample = sample(true);
        fs::remove_file(sample.dir.path().join(file)).unwrap();
        assert!(!sample.open(file), "{file}");
    }
}

#[test]
fn one_process_holds_the_directory() {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(matches!(Persistence::open(dir.path(), Options::new()), Err(OpenError::InUse)));
    sessions.close().unwrap();
    assert!(Persistence::open(dir.path(), Options::new()).is_ok());
}

#[cfg(unix)]
#[test]
fn the_directory_and_its_files_are_private_or_refused() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let sample = sample(true);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let open = || Persistence::open(sample.dir.path(), Options::new()).err();
    assert_eq!(mode(&sample.dir.path()), 0o700);
    for file in ["lock", "sessions.redb", "witness"] {
        let path = sample.dir.path().join(file);
        assert_eq!(mode(&path), 0o600, "{file}");
        for looser in [0o640, 0o604, 0o660] {
            set(&path, looser);
            assert!(matches!(open(), Some(OpenError::Mode)), "{file}");
        }
        set(&path, 0o600);
    }
    set(&sample.dir.path(), 0o750);
    assert!(matches!(open(), Some(OpenError::Mode)));
    set(&sample.dir.path(), 0o700);
    // Only root can give a file to another user.
    if chown(sample.dir.path().join("witness"), Some(12_345), None).is_ok() {
        assert!(matches!(open(), Some(OpenError::Owner)));
        chown(sample.dir.path().join("witness"), Some(0), None).unwrap();
    }
    assert!(open().is_none());
}
