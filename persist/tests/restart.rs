//! What comes back after a restart, and what does not.

mod support;

use cloakroom::{ManualClock, Principal, SessionStore};
use cloakroom_persist::{Changes, Options, Persistence, Waiting};
use std::time::Duration;
use support::{Dir, Everything, FakeWall, SECOND, crash};

const TTL: Duration = Duration::from_secs(800);

/// Settings with a clock of the store that stands still, and a wall clock.
fn options(clock: &ManualClock, wall: &FakeWall) -> Options {
    let store = SessionStore::builder().ttl(TTL).clock(clock.clone());
    Options::new().store(store).wall(wall.clone())
}

fn open(dir: &Dir, wall: &FakeWall) -> (Persistence, ManualClock) {
    let clock = ManualClock::new();
    (Persistence::open(dir.path(), options(&clock, wall)).unwrap(), clock)
}

#[test]
fn everything_that_belongs_to_a_session_comes_back() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, clock) = open(&dir, &wall);
    let everything = Everything::create(sessions.store(), &clock, TTL);
    let before = everything.carried(sessions.store());
    sessions.close().unwrap();

    let (sessions, _) = open(&dir, &wall);
    assert_eq!((sessions.restored().sessions, sessions.restored().clean), (3, true));
    everything.check(sessions.store(), &before, SECOND / 1_000);
}

#[test]
fn what_has_ended_stays_ended_after_a_crash_the_moment_the_call_returns() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let ada = Principal::new("ada");
    let (sessions, _) = open(&dir, &wall);
    let store = sessions.store();
    let [deleted, rotated, graced, kept] = [(); 4].map(|()| store.create().unwrap());
    let [first, second] = [(); 2].map(|()| store.new_session().principal(ada).create().unwrap());
    sessions.flush().unwrap();
    assert!(store.delete(&deleted));
    let new = store.rotate_id(&rotated).unwrap();
    let newer = store.rotation(&graced).grace(TTL).rotate().unwrap();
    assert_eq!(store.end_other_sessions_of(&ada, &second), 1);
    crash(sessions, &dir);

    let (sessions, _) = open(&dir, &wall);
    assert!(!sessions.restored().clean);
    let store = sessions.store();
    for id in [deleted, rotated, graced, first] {
        assert!(!store.exists(&id));
    }
    for id in [new, newer, kept, second] {
        assert!(store.exists(&id));
    }
    assert_eq!(store.count(), 4);
}

#[test]
fn sessions_that_came_home_end_for_good_too() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, _) = open(&dir, &wall);
    let ids = [(); 4].map(|()| sessions.store().create_with([("a", "1")]).unwrap());
    sessions.close().unwrap();
    let (sessions, _) = open(&dir, &wall);
    assert!(sessions.store().delete(&ids[0]));
    sessions.store().set(&ids[1], "a", "2").unwrap();
    let rotated = sessions.store().rotate_id(&ids[2]).unwrap();
    sessions.flush().unwrap();
    crash(sessions, &dir);
    let (sessions, _) = open(&dir, &wall);
    let store = sessions.store();
    assert_eq!(ids.map(|id| store.exists(&id)), [false, true, false, true]);
    assert_eq!(store.get(&ids[1], "a").as_deref(), Some("2"));
    assert!(store.exists(&rotated));
    sessions.close().unwrap();
}

#[test]
fn a_session_that_makes_room_stays_ended() {
    let (dir, wall, clock) = (Dir::new(), FakeWall::new(), ManualClock::new());
    let store = SessionStore::builder().max_sessions(1).when_full(cloakroom::WhenFull::EndIdlest).clock(clock.clone());
    let limited = || Options::new().store(store.clone()).wall(wall.clone());
    let sessions = Persistence::open(dir.path(), limited()).unwrap();
    let first = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    sessions.store().create().unwrap();
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), limited()).unwrap();
    assert!(!sessions.store().exists(&first));
}

#[test]
fn changes_before_return_are_not_lost_by_a_crash() {
    let (dir, wall, clock) = (Dir::new(), FakeWall::new(), ManualClock::new());
    let durable = || options(&clock, &wall).changes(Changes::BeforeReturn);
    let sessions = Persistence::open(dir.path(), durable()).unwrap();
    let id = sessions.store().create_with([("a", "1")]).unwrap();
    sessions.store().set(&id, "a", "2").unwrap();
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), durable()).unwrap();
    assert_eq!(sessions.store().get(&id, "a").as_deref(), Some("2"));
}

#[test]
fn changes_within_an_interval_are_on_disk_after_it() {
    let (dir, wall, clock) = (Dir::new(), FakeWall::new(), ManualClock::new());
    let interval = Duration::from_millis(50);
    let sessions = Persistence::open(dir.path(), options(&clock, &wall).changes(Changes::Within(interval))).unwrap();
    let id = sessions.store().create().unwrap();
    let commits = sessions.health().commits;
    while sessions.health().commits == commits {
        std::thread::yield_now();
    }
    crash(sessions, &dir);
    let (sessions, _) = open(&dir, &wall);
    assert!(sessions.store().exists(&id));
}

#[test]
fn time_away_counts_and_a_wall_clock_that_was_set_does_not() {
    for (away, set) in [(0, 0), (700, 0), (900, 0), (700, -86_400), (700, 86_400), (900, -86_400), (900, 86_400)] {
        let (dir, wall) = (Dir::new(), FakeWall::new());
        let (sessions, _) = open(&dir, &wall);
        let id = sessions.store().create().unwrap();
        sessions.close().unwrap();
        wall.sleep(away);
        wall.set(set);
        let (sessions, _) = open(&dir, &wall);
        assert_eq!(sessions.store().exists(&id), away < 800, "away for {away} s, set by {set} s");
    }
}

#[test]
fn without_another_clock_a_wall_clock_that_was_set_back_lengthens_nothing_beyond_what_was_left() {
    let (dir, wall) = (Dir::new(), FakeWall::without_start());
    let (sessions, clock) = open(&dir, &wall);
    let id = sessions.store().create().unwrap();
    clock.advance(TTL / 2);
    sessions.close().unwrap();
    wall.set(-86_400);
    let (sessions, _) = open(&dir, &wall);
    let left = sessions.store().expires_in(&id).unwrap();
    assert!(left <= TTL / 2 + SECOND / 500 && left > TTL / 2 - 5 * SECOND, "{left:?}");
}

#[test]
fn an_absolute_timeout_goes_on_while_the_process_is_away() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, _) = open(&dir, &wall);
    let create = |seconds| {
        let builder = sessions.store().new_session().idle_timeout(Duration::MAX);
        builder.absolute_timeout(Duration::from_secs(seconds)).create().unwrap()
    };
    let (short, long) = (create(1_000), create(1_200));
    sessions.close().unwrap();
    wall.sleep(1_100);
    let (sessions, _) = open(&dir, &wall);
    assert!(!sessions.store().exists(&short));
    assert!(sessions.store().exists(&long));
    assert_eq!((sessions.restored().sessions, sessions.restored().expired), (1, 1));
}

#[test]
fn after_a_crash_no_session_expires_early_and_none_lives_an_eighth_longer() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, clock) = open(&dir, &wall);
    let id = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    // Used once more, so shortly before the crash that this is not written.
    clock.advance(SECOND);
    assert!(sessions.store().touch(&id));
    crash(sessions, &dir);
    wall.sleep(799);
    let (sessions, _) = open(&dir, &wall);
    assert!(sessions.store().exists(&id));
    crash(sessions, &dir);
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, _) = open(&dir, &wall);
    let id = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    crash(sessions, &dir);
    // 800 s, an eighth, and twice the time between two looks (800/64 s).
    wall.sleep(800 + 100 + 25 + 2);
    let (sessions, _) = open(&dir, &wall);
    assert!(!sessions.store().exists(&id));
}

#[test]
fn uses_are_written_at_an_orderly_end() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, clock) = open(&dir, &wall);
    let id = sessions.store().create().unwrap();
    sessions.flush().unwrap();
    clock.advance(TTL / 2);
    assert!(sessions.store().touch(&id));
    sessions.close().unwrap();
    wall.sleep(600);
    let (sessions, _) = open(&dir, &wall);
    assert!(sessions.store().exists(&id));
}

#[test]
fn limits_that_were_lowered_end_sessions_for_good() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, _) = open(&dir, &wall);
    let ids = [(); 3].map(|()| sessions.store().create().unwrap());
    sessions.close().unwrap();
    let limited = Options::new().store(SessionStore::builder().max_sessions(2)).wall(wall.clone());
    let sessions = Persistence::open(dir.path(), limited).unwrap();
    assert_eq!((sessions.restored().sessions, sessions.restored().refused), (2, 1));
    sessions.close().unwrap();
    let (sessions, _) = open(&dir, &wall);
    assert_eq!(ids.iter().filter(|id| sessions.store().exists(id)).count(), 2);
}

#[test]
fn a_deferred_end_takes_effect_at_once_and_is_on_disk_when_awaited() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, _) = open(&dir, &wall);
    let [one, two] = [(); 2].map(|()| sessions.store().create().unwrap());
    sessions.flush().unwrap();
    let deferred = sessions.deferred(|store| store.delete(&one));
    assert!(!sessions.store().exists(&one));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(deferred), Ok(true));
    assert_eq!(sessions.deferred(|store| store.delete(&two)).wait(), Ok(true));
    crash(sessions, &dir);
    let (sessions, _) = open(&dir, &wall);
    assert_eq!(sessions.store().count(), 0);
}

#[test]
fn where_asked_the_end_is_on_disk_once_it_is_settled() {
    let (dir, wall, clock) = (Dir::new(), FakeWall::new(), ManualClock::new());
    let asked = || options(&clock, &wall).waiting(Waiting::WhereAsked);
    let sessions = Persistence::open(dir.path(), asked()).unwrap();
    let [one, two] = [(); 2].map(|()| sessions.store().create().unwrap());
    sessions.flush().unwrap();
    assert!(sessions.store().delete(&one));
    sessions.settle().unwrap();
    assert!(sessions.store().delete(&two));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sessions.settled()).unwrap();
    crash(sessions, &dir);
    let sessions = Persistence::open(dir.path(), asked()).unwrap();
    assert_eq!(sessions.store().count(), 0);
}

#[cfg(feature = "encrypt")]
#[test]
fn an_encrypted_directory_opens_with_its_key_and_the_key_can_be_changed() {
    use cloakroom_persist::OpenError;
    let dir = Dir::new();
    let holds = |needle: &[u8]| {
        let bytes = std::fs::read(dir.path().join("sessions.redb")).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    };
    let sessions = Persistence::open(dir.path(), Options::new().key([1; 32])).unwrap();
    let id = sessions.store().create_with([("user", "ada lovelace")]).unwrap();
    sessions.close().unwrap();
    assert!(!holds(b"ada lovelace"));
    for wrong in [Options::new(), Options::new().key([2; 32])] {
        assert!(matches!(Persistence::open(dir.path(), wrong), Err(OpenError::Unreadable)));
    }
    let sessions = Persistence::open(dir.path(), Options::new().key([2; 32]).former_key([1; 32])).unwrap();
    sessions.flush().unwrap();
    sessions.close().unwrap();
    let sessions = Persistence::open(dir.path(), Options::new().key([2; 32])).unwrap();
    assert_eq!(sessions.store().get(&id, "user").as_deref(), Some("ada lovelace"));
}

#[cfg(feature = "serde")]
#[test]
fn a_type_that_cannot_read_what_was_written_is_refused_and_loses_nothing() {
    use cloakroom_persist::OpenError;
    let dir = Dir::new();
    let sessions = Persistence::<Vec<u32>>::open_typed(dir.path(), Options::new()).unwrap();
    let id = sessions.store().create_with(vec![7]).unwrap();
    sessions.close().unwrap();
    let other = Persistence::<String>::open_typed(dir.path(), Options::new());
    assert!(matches!(other, Err(OpenError::Unreadable)));
    let sessions = Persistence::<Vec<u32>>::open_typed(dir.path(), Options::new()).unwrap();
    assert_eq!(sessions.store().read(&id, Clone::clone), Some(vec![7]));
}

#[test]
fn no_id_is_in_the_files() {
    let (dir, wall) = (Dir::new(), FakeWall::new());
    let (sessions, _) = open(&dir, &wall);
    let id = sessions.store().create().unwrap();
    sessions.close().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == &id.as_bytes()[..8]));
    }
}
