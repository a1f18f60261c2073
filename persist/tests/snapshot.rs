//! Snapshots: what is in them, what comes back, and what is refused.

#[path = "support/forge.rs"]
mod forge;
mod support;

use cloakroom::{Attributes, Journal, ManualClock, Principal, RemovalCause, SessionId, SessionStore, Timeouts};
use cloakroom_persist::{Options, Persistence, snapshot};
use forge::Snapshot;
use snapshot::SnapshotError;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Dir, Everything, FakeWall, SECOND, crash};

const TTL: Duration = Duration::from_secs(800);

/// Settings with a clock of the store that stands still, and a wall clock.
fn options(clock: &ManualClock, wall: &FakeWall) -> Options {
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone());
    Options::new().store(store).wall(wall.clone())
}

fn still(wall: &FakeWall) -> Options {
    options(&ManualClock::new(), wall)
}

fn written(store: &SessionStore, options: &Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    let summary = snapshot::write(store, &mut bytes, options).unwrap();
    assert_eq!(summary.sessions, Snapshot::of(&bytes).count);
    bytes
}

fn store(clock: &ManualClock) -> SessionStore {
    SessionStore::builder().ttl(TTL).clock(clock.clone()).build().unwrap()
}

fn opened(bytes: &[u8], options: &Options) -> Arc<SessionStore> {
    snapshot::open(bytes, options).unwrap().0
}

#[test]
fn everything_that_belongs_to_a_session_is_in_a_snapshot() {
    let (clock, wall) = (ManualClock::new(), FakeWall::new());
    let store = store(&clock);
    let everything = Everything::create(&store, &clock, TTL);
    let before = everything.carried(&store);

    let (store, restored) = snapshot::open(&*written(&store, &still(&wall)), &still(&wall)).unwrap();
    assert_eq!((restored.sessions, restored.expired, restored.refused, restored.clean), (3, 0, 0, true));
    assert_eq!(store.count(), 3);
    everything.check(&store, &before, SECOND / 500);
}

#[test]
fn no_id_is_in_a_snapshot_and_with_a_key_nothing_of_a_session_is() {
    let store = SessionStore::default();
    let ada = Principal::new("ada lovelace");
    let id = store.new_session().principal(ada).create_with([("user", "lovelace")]).unwrap();
    let holds = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let bytes = written(&store, &Options::new());
    assert!(!holds(&bytes, &id.as_bytes()[..8]) && !holds(&bytes, &id.hex().as_str().as_bytes()[..16]));
    assert!(holds(&bytes, b"lovelace"));
    #[cfg(feature = "encrypt")]
    {
        let bytes = written(&store, &Options::new().key([1; 32]));
        assert!(!holds(&bytes, &id.as_bytes()[..8]) && !holds(&bytes, b"lovelace"));
        assert!(!holds(&bytes, &ada.to_bytes()[..8]));
    }
}

#[test]
fn a_snapshot_of_a_store_whose_sessions_wait_has_their_own_keys() {
    let dir = Dir::new();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    let ids = [(); 3].map(|()| sessions.store().create_with([("user", "ada")]).unwrap());
    sessions.close().unwrap();
    let sessions = Persistence::open(dir.path(), Options::new()).unwrap();
    // One has come home, two wait.
    assert!(sessions.store().exists(&ids[0]));
    let first = opened(&written(sessions.store(), &Options::new()), &Options::new());
    assert!(first.exists(&ids[1]));
    // And a snapshot of what was made of a snapshot.
    let second = opened(&written(&first, &Options::new()), &Options::new());
    for id in &ids {
        assert_eq!(second.get(id, "user").as_deref(), Some("ada"));
    }
    assert_eq!(second.count(), 3);
}

#[test]
fn a_session_that_waits_in_a_store_that_was_opened_can_be_used_and_ended() {
    let store = SessionStore::default();
    let ada = Principal::new("ada");
    let ids = [(); 4].map(|()| store.new_session().principal(ada).create_with([("a", "1")]).unwrap());
    let store = opened(&written(&store, &Options::new()), &Options::new());
    assert!(store.delete(&ids[0]));
    store.set(&ids[1], "a", "2").unwrap();
    let rotated = store.rotate_id(&ids[2]).unwrap();
    assert_eq!(ids.map(|id| store.exists(&id)), [false, true, false, true]);
    assert_eq!(store.get(&ids[1], "a").as_deref(), Some("2"));
    assert_eq!(store.get(&rotated, "a").as_deref(), Some("1"));
    assert_eq!(store.end_sessions_of(&ada), 3);
    assert!(!store.exists(&ids[3]) && !store.exists(&SessionId::random().unwrap()));
}

#[cfg(feature = "serde")]
#[test]
fn values_are_in_a_snapshot_and_another_type_is_refused() {
    let store = SessionStore::builder().build_typed::<Vec<u32>>().unwrap();
    let id = store.create_with(vec![7]).unwrap();
    let mut bytes = Vec::new();
    snapshot::write(&store, &mut bytes, &Options::new()).unwrap();
    let (store, _) = snapshot::open_typed::<Vec<u32>>(&*bytes, &Options::new()).unwrap();
    assert_eq!(store.read(&id, Clone::clone), Some(vec![7]));
    let other = snapshot::open_typed::<String>(&*bytes, &Options::new());
    assert!(matches!(other, Err(SnapshotError::Content)));
    assert!(matches!(snapshot::open(&*bytes, &Options::new()), Err(SnapshotError::Content)));
}

#[test]
fn deadlines_go_on_while_a_session_is_in_a_snapshot() {
    for (away, set) in [(0, 0), (700, 0), (900, 0), (700, -86_400), (700, 86_400), (900, -86_400), (900, 86_400)] {
        let (clock, wall) = (ManualClock::new(), FakeWall::new());
        let store = store(&clock);
        let idle = store.create().unwrap();
        let forever = store.new_session().idle_timeout(Duration::MAX);
        let ends = forever.absolute_timeout(TTL).create().unwrap();
        let bytes = written(&store, &still(&wall));
        wall.sleep(away);
        wall.set(set);
        let (store, restored) = snapshot::open(&*bytes, &still(&wall)).unwrap();
        let alive = away < 800;
        assert_eq!((store.exists(&idle), store.exists(&ends)), (alive, alive), "away for {away} s, set by {set} s");
        assert_eq!((restored.sessions, restored.expired), if alive { (2, 0) } else { (0, 2) });
    }
}

#[test]
fn a_wall_clock_that_was_set_back_gives_a_session_no_more_than_was_left_when_it_was_read() {
    let (clock, wall) = (ManualClock::new(), FakeWall::without_start());
    let store = store(&clock);
    let idle = store.create().unwrap();
    let ends = store.new_session().idle_timeout(Duration::MAX).absolute_timeout(TTL).create().unwrap();
    clock.advance(TTL / 2);
    let mut snapshot = Snapshot::of(&written(&store, &still(&wall)));
    // As if both sessions had been read 100 s after the snapshot was begun, with the same time left.
    for session in &mut snapshot.sessions {
        let [kind, flags, rest @ ..] = &mut session.record[..] else { unreachable!() };
        assert_eq!(*kind, 1);
        let end = (*flags & 2 != 0).then_some(20 + if *flags & 1 != 0 { 8 } else { 0 });
        for at in [Some(0), end].into_iter().flatten() {
            let time = u64::from_le_bytes(rest[at..at + 8].try_into().unwrap());
            rest[at..at + 8].copy_from_slice(&(time + 100_000).to_le_bytes());
        }
        session.at += 100_000;
    }
    wall.set(-86_400);
    let store = opened(&snapshot.bytes(), &still(&wall));
    for id in [idle, ends] {
        let left = store.expires_in(&id).unwrap();
        assert!(left <= TTL / 2 + SECOND / 500 && left > TTL / 2 - 5 * SECOND, "{left:?}");
    }
}

#[test]
fn limits_of_the_store_leave_sessions_out() {
    let (store, ada) = (SessionStore::default(), Principal::new("ada"));
    (0..3).for_each(|_| _ = store.new_session().principal(ada).create().unwrap());
    let bytes = written(&store, &Options::new());
    for limited in [SessionStore::builder().max_sessions(2), SessionStore::builder().max_sessions_per_principal(2)] {
        let (store, restored) = snapshot::open(&*bytes, &Options::new().store(limited)).unwrap();
        assert_eq!((store.count(), restored.sessions, restored.refused), (2, 2, 1));
    }
}

#[test]
fn progress_is_told() {
    let store = SessionStore::default();
    (0..10_001).for_each(|_| _ = store.create().unwrap());
    let told = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&told);
    let options = Options::new().progress(move |sessions| seen.store(sessions == 10_000, Ordering::Relaxed));
    assert_eq!(opened(&written(&store, &Options::new()), &options).count(), 10_001);
    assert!(told.load(Ordering::Relaxed));
}

#[test]
fn each_session_is_consistent_while_others_change_it() {
    let store = SessionStore::default();
    let kept: Vec<_> = (0..50).map(|_| store.create_with([("a", "0"), ("b", "0")]).unwrap()).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let number = number.to_string();
                kept.iter().for_each(|id| store.set_each(id, [("a", &number), ("b", &number)]).unwrap());
                let short = store.create().unwrap();
                assert!(store.delete(&short));
            }
        });
        for _ in 0..30 {
            let opened = opened(&written(&store, &Options::new()), &Options::new());
            for id in &kept {
                let both = opened.get_each(id, ["a", "b"]).expect("it exists throughout");
                assert!(both[0].is_some() && both[0] == both[1]);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// A journal of another crate.
struct Foreign;

impl Journal for Foreign {
    fn changed(&self, _: &SessionId) {}
    fn ended(&self, _: &SessionId, _: RemovalCause) {}
    fn settle(&self) {}
    fn is_stand_in(&self, id: &SessionId) -> bool {
        id.as_bytes()[0] == 7
    }
}

#[test]
fn a_session_under_a_stand_in_of_another_crate_is_not_written_under_a_wrong_key() {
    let store = SessionStore::builder().build_with_journal::<Attributes>(Arc::new(Foreign)).unwrap();
    let own = SessionId::from_bytes([8; 32]);
    store.insert_with(&own, Timeouts::default(), [("a", "1")]).unwrap();
    assert!(opened(&written(&store, &Options::new()), &Options::new()).exists(&own));
    store.insert_with(&SessionId::from_bytes([7; 32]), Timeouts::default(), [("a", "1")]).unwrap();
    let refused = snapshot::write(&store, io::sink(), &Options::new());
    assert!(matches!(refused, Err(SnapshotError::Journal)));
}

/// Fails after so many bytes.
struct Failing<R>(R, usize);

impl<R: Read> Read for Failing<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(to.len());
        if most == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let read = self.0.read(&mut to[..most])?;
        self.1 -= read;
        Ok(read)
    }
}

impl<W: Write> Write for Failing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.1.min(bytes.len());
        if most == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.0.write(&bytes[..most])?;
        self.1 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn an_error_of_the_reader_or_the_writer_is_told_wherever_it_comes() {
    let store = SessionStore::default();
    (0..3).for_each(|_| _ = store.create_with([("user", "ada")]).unwrap());
    let bytes = written(&store, &Options::new());
    for at in 0..bytes.len() {
        let read = snapshot::open(Failing(&*bytes, at), &Options::new());
        let Err(SnapshotError::Io(error)) = read else { panic!("byte {at}") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let wrote = snapshot::write(&store, Failing(Vec::new(), at), &Options::new());
        let Err(SnapshotError::Io(error)) = wrote else { panic!("byte {at}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    // One byte more is the first that is looked for after the end.
    assert!(snapshot::open(Failing(&*bytes, bytes.len()), &Options::new()).is_err());
    assert!(snapshot::write(&store, Failing(Vec::new(), bytes.len()), &Options::new()).is_ok());
}

#[test]
fn an_outline_tells_times_and_no_secret() {
    let (clock, wall) = (ManualClock::new(), FakeWall::new());
    let store = store(&clock);
    let ada = Principal::new("ada");
    store.new_session().principal(ada).absolute_timeout(10 * TTL).create_with([("user", "lovelace")]).unwrap();
    clock.advance(TTL / 2);
    let bytes = written(&store, &still(&wall));
    wall.sleep(100);
    let mut outlines = Vec::new();
    let summary = snapshot::inspect(&*bytes, &still(&wall), |outline| outlines.push(*outline)).unwrap();
    assert_eq!((summary.format, summary.sessions, summary.encrypted, summary.sealed), (1, 1, 0, false));
    assert!(summary.clean && summary.age >= 99 * SECOND && summary.age < 110 * SECOND);
    let times = outlines[0].times.unwrap();
    assert!(times.bound && times.idle_timeout == Some(TTL));
    assert!(times.idle_for >= TTL / 2 + 99 * SECOND && times.idle_for < TTL / 2 + 110 * SECOND);
    let left = times.ends_in.unwrap();
    assert!(left <= 10 * TTL - TTL / 2 - 99 * SECOND && left > 10 * TTL - TTL / 2 - 110 * SECOND);
    assert_eq!(outlines[0].bytes as u64, summary.bytes);
    for shown in [format!("{outlines:?}"), format!("{summary:?}")] {
        assert!(!shown.contains("lovelace"));
    }
}

#[test]
fn a_snapshot_after_a_crash_lets_no_session_expire_early() {
    for clean in [true, false] {
        let (dir, wall) = (Dir::new(), FakeWall::new());
        let clock = ManualClock::new();
        let sessions = Persistence::open(dir.path(), options(&clock, &wall)).unwrap();
        let id = sessions.store().create().unwrap();
        sessions.flush().unwrap();
        if clean {
            sessions.close().unwrap();
        } else {
            // Used once more, so shortly before the crash that this is not written.
            clock.advance(SECOND);
            assert!(sessions.store().touch(&id));
            crash(sessions, &dir);
        }
        let mut bytes = Vec::new();
        let summary = snapshot::write_dir(dir.path(), &mut bytes, &still(&wall)).unwrap();
        assert_eq!((summary.sessions, summary.clean), (1, clean));
        // 800 s, an eighth, and twice the time between two looks (800/64 s).
        for (seconds, lives) in [(799, true), (802, !clean), (800 + 100 + 25 + 2, false)] {
            let then = FakeWall::new();
            then.sleep(seconds);
            assert_eq!(opened(&bytes, &still(&then)).exists(&id), lives, "after {seconds} s, clean: {clean}");
        }
    }
}
