//! Snapshots of a directory, and directories made of a snapshot.

#[path = "support/forge.rs"]
mod forge;
mod support;

use cloakroom::{ManualClock, Principal, SessionId, SessionStore};
use cloakroom_persist::{Access, OpenError, Options, Persistence, Verdict, WhenDamaged, snapshot};
use snapshot::{Existing, SnapshotError};
use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Dir, FakeWall, SECOND, crash};

/// A closed directory with these sessions.
fn closed<const N: usize>(options: Options) -> (Dir, [SessionId; N]) {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), options).unwrap();
    let ids = [(); N].map(|()| {
        let builder = sessions.store().new_session().principal(Principal::new("ada"));
        builder.create_with([("user", "ada")]).unwrap()
    });
    sessions.close().unwrap();
    (dir, ids)
}

fn written(dir: &Dir) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot::write_dir(dir.path(), &mut bytes, &Options::new()).unwrap();
    bytes
}

fn restored(bytes: &[u8]) -> Dir {
    let dir = Dir::new();
    snapshot::restore(bytes, dir.path(), &Options::new(), Existing::Refuse).unwrap();
    dir
}

#[test]
fn a_directory_moves_to_another_machine() {
    let (dir, ids) = closed::<3>(Options::new());
    let bytes = written(&dir);
    let moved = restored(&bytes);
    // The same sessions, and the same place on the timeline.
    assert_eq!(written(&moved), bytes);
    let sessions = Persistence::open(moved.path(), Options::new()).unwrap();
    assert_eq!((sessions.restored().sessions, sessions.restored().clean), (3, true));
    for id in &ids {
        assert_eq!(sessions.store().get(id, "user").as_deref(), Some("ada"));
    }
    assert!(sessions.store().delete(&ids[0]));
    sessions.close().unwrap();
    assert!(!Persistence::open(moved.path(), Options::new()).unwrap().store().exists(&ids[0]));
    // The first directory is as it was.
    assert_eq!(Persistence::open(dir.path(), Options::new()).unwrap().restored().sessions, 3);
}

#[test]
fn a_snapshot_of_a_store_is_restored_into_a_directory_and_back() {
    let store = SessionStore::default();
    let id = store.create_with([("user", "ada")]).unwrap();
    let mut bytes = Vec::new();
    snapshot::write(&store, &mut bytes, &Options::new()).unwrap();
    let dir = restored(&bytes);
    let (store, _) = snapshot::open(&*written(&dir), &Options::new()).unwrap();
    assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
}

#[test]
fn a_directory_with_a_record_is_refused_unless_told_otherwise() {
    let (dir, ids) = closed::<2>(Options::new());
    let bytes = written(&dir);
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert!(sessions.store().delete(&ids[0]));
    let later = sessions.store().create().unwrap();
    let restore = |existing| snapshot::restore(&*bytes, dir.path(), &Options::new(), existing);
    for existing in [Existing::Refuse, Existing::Replace] {
        let error = restore(existing).unwrap_err();
        assert!(matches!(error, SnapshotError::Directory(OpenError::InUse)), "{error:?}");
    }
    sessions.close().unwrap();
    assert!(matches!(restore(Existing::Refuse), Err(SnapshotError::Existing)));
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert_eq!([ids[0], ids[1], later].map(|id| sessions.store().exists(&id)), [false, true, true]);
    sessions.close().unwrap();
    // What has ended since comes back, and what began since is gone.
    restore(Existing::Replace).unwrap();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert_eq!([ids[0], ids[1], later].map(|id| sessions.store().exists(&id)), [true, true, false]);
}

#[test]
fn a_damaged_record_is_replaced_when_told_and_never_written_to_a_snapshot() {
    for damage in ["sessions.redb", "witness", "no witness", "no database"] {
        let (dir, ids) = closed::<1>(Options::new());
        let bytes = written(&dir);
        match damage {
            "no witness" => fs::remove_file(dir.path().join("witness")).unwrap(),
            "no database" => fs::remove_file(dir.path().join("sessions.redb")).unwrap(),
            file => fs::write(dir.path().join(file), b"damaged beyond repair").unwrap(),
        }
        for options in [Options::new(), Options::new().when_damaged(WhenDamaged::BeginAnew)] {
            let refused = snapshot::write_dir(dir.path(), io::sink(), &options);
            assert!(matches!(refused, Err(SnapshotError::Directory(OpenError::Damaged))), "{damage}");
            assert!(snapshot::inspect_dir(dir.path(), &options, |_| ()).is_err(), "{damage}");
        }
        let restore = |existing| snapshot::restore(&*bytes, dir.path(), &Options::new(), existing);
        assert!(matches!(restore(Existing::Refuse), Err(SnapshotError::Existing)), "{damage}");
        restore(Existing::Replace).unwrap();
        let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
        assert!(sessions.store().exists(&ids[0]), "{damage}");
        // Its record is not older than its witness after further commits either.
        assert!(sessions.store().delete(&ids[0]));
        sessions.close().unwrap();
        assert_eq!(Persistence::open(dir.path(), Options::new()).unwrap().store().count(), 0, "{damage}");
    }
}

#[test]
fn a_record_that_was_replaced_does_not_come_back() {
    let (dir, _) = closed::<1>(Options::new());
    let before = fs::read(dir.path().join("sessions.redb")).unwrap();
    let bytes = written(&closed::<2>(Options::new()).0);
    snapshot::restore(&*bytes, dir.path(), &Options::new(), Existing::Replace).unwrap();
    fs::write(dir.path().join("sessions.redb"), before).unwrap();
    assert!(matches!(Persistence::open(dir.path(), Options::new()), Err(OpenError::Damaged)));
}

#[test]
fn a_directory_that_is_not_there_is_neither_made_nor_written() {
    let dir = Dir::new();
    for _ in 0..2 {
        let error = snapshot::write_dir(dir.path(), io::sink(), &Options::new()).unwrap_err();
        let SnapshotError::Directory(OpenError::Io(error)) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(snapshot::inspect_dir(dir.path(), &Options::new(), |_| ()).is_err());
        assert!(!dir.path().exists());
    }
}

#[cfg(unix)]
#[test]
fn what_others_can_use_is_refused_and_what_is_made_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, _) = closed::<1>(Options::new());
    let bytes = written(&dir);
    let moved = restored(&bytes);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(moved.path()), 0o700);
    for file in ["lock", "sessions.redb", "witness"] {
        assert_eq!(mode(moved.path().join(file)), 0o600, "{file}");
    }
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o750)).unwrap();
    let refused = snapshot::restore(&*bytes, dir.path(), &Options::new(), Existing::Replace);
    assert!(matches!(refused, Err(SnapshotError::Directory(OpenError::Mode))));
    let refused = snapshot::write_dir(dir.path(), io::sink(), &Options::new());
    assert!(matches!(refused, Err(SnapshotError::Directory(OpenError::Mode))));
}

#[test]
fn deadlines_go_on_in_a_snapshot_of_a_directory() {
    let clock = ManualClock::new();
    for (away, set) in [(700, 0), (900, 0), (700, -86_400), (900, 86_400)] {
        let wall = FakeWall::new();
        let store = SessionStore::builder().ttl(800 * SECOND).clock(clock.clone());
        let options = || Options::new().store(store.clone()).wall(wall.clone());
        let (dir, [id]) = closed::<1>(options());
        wall.sleep(away / 2);
        let mut bytes = Vec::new();
        snapshot::write_dir(dir.path(), &mut bytes, &options()).unwrap();
        wall.sleep(away / 2);
        wall.set(set);
        let summary = snapshot::inspect(&*bytes, &options(), |_| ()).unwrap();
        assert_eq!(summary.age.as_secs(), away as u64);
        let (store, _) = snapshot::open(&*bytes, &options()).unwrap();
        assert_eq!(store.exists(&id), away < 800, "away for {away} s, set by {set} s");
        let moved = restored(&bytes);
        let sessions = Persistence::open(moved.path(), options()).unwrap();
        assert_eq!(sessions.store().exists(&id), away < 800, "away for {away} s, set by {set} s");
    }
}

#[test]
fn a_directory_after_a_crash_is_still_one_on_another_machine() {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    let id = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    crash(sessions, &dir);
    let moved = restored(&written(&dir));
    let sessions = Persistence::open(moved.path(), Options::new()).unwrap();
    assert_eq!((sessions.restored().sessions, sessions.restored().clean), (1, false));
    assert!(sessions.store().exists(&id));
}

#[cfg(feature = "encrypt")]
#[test]
fn encrypted_records_are_copied_without_their_key() {
    let keyed = || Options::new().key([1; 32]);
    let (dir, [id]) = closed::<1>(keyed());
    let summary = snapshot::inspect_dir(dir.path(), &Options::new(), |outline| assert!(outline.times.is_none()));
    assert_eq!(summary.unwrap().encrypted, 1);
    assert!(snapshot::inspect_dir(dir.path(), &keyed(), |outline| assert!(outline.times.is_some())).is_ok());
    let wrong = snapshot::inspect_dir(dir.path(), &Options::new().key([2; 32]), |_| ());
    assert!(matches!(wrong, Err(SnapshotError::Key)));
    // Not sealed without the key, and then refused by those that have it.
    let unsealed = written(&dir);
    let moved = restored(&unsealed);
    assert!(Persistence::open(moved.path(), keyed()).unwrap().store().exists(&id));
    assert!(matches!(snapshot::open(&*unsealed, &keyed()), Err(SnapshotError::Key)));
    let mut sealed = Vec::new();
    assert!(snapshot::write_dir(dir.path(), &mut sealed, &keyed()).unwrap().sealed);
    assert!(snapshot::open(&*sealed, &keyed()).unwrap().0.exists(&id));
    let refused = snapshot::restore(&*sealed, Dir::new().path(), &Options::new().key([2; 32]), Existing::Refuse);
    assert!(matches!(refused, Err(SnapshotError::Key)));
}

#[test]
fn a_record_that_nobody_can_read_replaces_nothing() {
    let (dir, [id]) = closed::<1>(Options::new());
    let mut snapshot = forge::Snapshot::of(&written(&dir));
    snapshot.sessions[0].record = vec![9; 40];
    let refused = snapshot::restore(&*snapshot.bytes(), dir.path(), &Options::new(), Existing::Replace);
    assert!(matches!(refused, Err(SnapshotError::Content)));
    assert!(Persistence::open(dir.path(), Options::new()).unwrap().store().exists(&id));
}

#[test]
fn whatever_access_fails_the_directory_is_as_before_or_restored() {
    let bytes = written(&closed::<2>(Options::new()).0);
    let mut accesses = usize::MAX;
    let mut at = 0;
    // How often it has failed after the rename, and before it.
    let mut failed = [0, 0];
    while at <= accesses {
        for verdict in [Verdict::Fail(ErrorKind::StorageFull), Verdict::Short(ErrorKind::Other)] {
            let (dir, [old]) = closed::<1>(Options::new());
            let seen = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&seen);
            let faulty = Options::new().faults(move |_: Access| {
                if counted.fetch_add(1, Ordering::Relaxed) == at { verdict } else { Verdict::Pass }
            });
            let result = snapshot::restore(&*bytes, dir.path(), &faulty, Existing::Replace);
            let happened = seen.load(Ordering::Relaxed);
            if happened <= at {
                accesses = at;
            }
            let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
            let found = (sessions.store().exists(&old), sessions.store().count());
            match result {
                Ok(_) => assert_eq!(found, (false, 2), "access {at}"),
                // Before the rename, or after it.
                Err(SnapshotError::Directory(OpenError::Io(_))) => {
                    assert!(found == (true, 1) || found == (false, 2), "access {at}: {found:?}");
                    failed[usize::from(found.0)] += 1;
                }
                Err(other) => panic!("access {at}: {other:?}"),
            }
            if accesses == at {
                assert!(at > 5, "{at} accesses");
                assert_eq!(found, (false, 2));
            }
        }
        at += 1;
    }
    assert!(failed[1] > failed[0] && failed[0] > 0, "after and before the rename: {failed:?}");
}

#[test]
fn many_sessions_are_restored() {
    let store = SessionStore::builder().ttl(Duration::MAX).build().unwrap();
    let text = "x".repeat(2_000);
    let ids: Vec<_> = (0..5_000).map(|_| store.create_with([("text", &text)]).unwrap()).collect();
    let mut bytes = Vec::new();
    snapshot::write(&store, &mut bytes, &Options::new()).unwrap();
    let dir = restored(&bytes);
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    assert_eq!(sessions.restored().sessions, 5_000);
    assert!(ids.iter().all(|id| sessions.store().exists(id)));
}
