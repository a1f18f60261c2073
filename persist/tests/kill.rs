//! A process that is killed at random instants under load, again and again: what it has answered holds.
//!
//! The victim is this test itself in a child process. It prints what it is about to do, and what it has done. It works
//! from the beginning, while its sessions are restored.
//! `CLOAKROOM_KILLS` sets how many times it is killed. Between two runs the wall clock is set back or ahead by a day,
//! and deadlines hold all the same: never early, never late.

mod support;

use cloakroom::{Principal, SessionId, SessionStore};
use cloakroom_persist::{Changes, Options, Persistence, SystemWall, Wall};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::Dir;

const INTERVAL: Duration = Duration::from_millis(30);
/// The store's idle timeout, which sets the time between two scans.
const TTL: Duration = Duration::from_millis(64 * 30);
/// The idle timeout of sessions that do not expire while the test runs.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// The idle or absolute timeout of the others.
const SHORT: Duration = Duration::from_millis(1_600);
/// How much longer a session can live after each crash without a use, in milliseconds: an eighth of its idle timeout,
/// and two scans.
const UNKNOWN: u64 = 200 + 2 * 30;
/// What clocks and rounding may differ by, in milliseconds.
const SLACK: u64 = 150;

/// The system's clocks, of which the wall clock was set ahead or back by so many seconds.
#[derive(Debug)]
struct SetWall(i64);

impl Wall for SetWall {
    fn now(&self) -> Duration {
        Duration::from_secs(SystemWall.now().as_secs().saturating_add_signed(self.0))
    }

    fn since_start(&self) -> Option<([u8; 16], Duration)> {
        SystemWall.since_start()
    }
}

/// A day ahead or back, or as it is. Elsewhere than on Linux nothing else tells for how long the process was away.
fn another_day() -> i64 {
    if cfg!(target_os = "linux") { (random() % 3) as i64 * 86_400 - 86_400 } else { 0 }
}

fn options(wall: i64) -> Options {
    let store = SessionStore::builder().ttl(TTL);
    Options::new().store(store).changes(Changes::Within(INTERVAL)).wall(SetWall(wall))
}

/// The milliseconds of the clock that both processes read, and that nobody sets meanwhile.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// A number that seems random, and is another one at each call.
fn random() -> u64 {
    let id = SessionId::random().unwrap();
    u64::from_le_bytes(*id.as_bytes().first_chunk().unwrap())
}

fn say(line: &str) {
    // In one piece, because several threads say something.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn hex(id: &SessionId) -> String {
    id.hex().to_string()
}

/// The load, until it is killed. Gets ids of sessions from before by its input.
#[test]
#[ignore = "the victim of the other test"]
fn victim() {
    let Some(dir) = std::env::var_os("CLOAKROOM_VICTIM") else { return };
    let wall = std::env::var("CLOAKROOM_WALL").unwrap().parse().unwrap();
    // Sessions are restored slowly, so that the process is killed in the midst.
    let slowly = options(wall).restore_first(0).before_each(|_| thread::sleep(Duration::from_millis(2)));
    let sessions = Persistence::open(Path::new(&dir), slowly).unwrap();
    let restoration = sessions.restoration();
    thread::spawn(move || {
        restoration.wait();
        say("restored all");
    });
    let before: Vec<SessionId> =
        std::io::stdin().lines().map(|line| line.unwrap()).filter_map(|line| line.parse().ok()).collect();
    let principals = AtomicU64::new(random());
    thread::scope(|scope| {
        for part in 0..2 {
            let mut own: Vec<SessionId> = before.iter().skip(part).step_by(2).copied().collect();
            let (sessions, principals) = (&sessions, &principals);
            scope.spawn(move || {
                let store = sessions.store();
                loop {
                    let chosen = own.len().checked_sub(1).map(|last| random() as usize % (last + 1));
                    match (random() % 13, chosen) {
                        (0..4, _) | (_, None) => {
                            let id = store.new_session().idle_timeout(LONG).create_with([("n", "0")]).unwrap();
                            say(&format!("created {}", hex(&id)));
                            own.push(id);
                        }
                        (4, _) => {
                            sessions.flush().unwrap();
                            own.iter().for_each(|id| say(&format!("flushed {}", hex(id))));
                        }
                        (5 | 6, Some(chosen)) => {
                            let id = own.swap_remove(chosen);
                            say(&format!("ending {}", hex(&id)));
                            assert!(store.delete(&id), "a live session was not found");
                            say(&format!("ended {}", hex(&id)));
                        }
                        (7, Some(chosen)) => {
                            let id = own.swap_remove(chosen);
                            say(&format!("ending {}", hex(&id)));
                            let new = store.rotate_id(&id).unwrap();
                            say(&format!("flushed {}", hex(&new)));
                            say(&format!("ended {}", hex(&id)));
                            own.push(new);
                        }
                        (8, _) => {
                            let name = Principal::new(principals.fetch_add(1, Ordering::Relaxed).to_le_bytes());
                            let all = [(); 3].map(|()| store.new_session().principal(name).create().unwrap());
                            if random().is_multiple_of(2) {
                                sessions.flush().unwrap();
                            }
                            assert_eq!(store.end_sessions_of(&name), 3);
                            all.iter().for_each(|id| say(&format!("ended {}", hex(id))));
                        }
                        (9, _) => {
                            let (begun, idle) = (now(), random().is_multiple_of(2));
                            let session = store.new_session();
                            let session = match idle {
                                true => session.idle_timeout(SHORT),
                                false => session.idle_timeout(LONG).absolute_timeout(SHORT),
                            };
                            let (id, ended) = (session.create().unwrap(), now());
                            sessions.flush().unwrap();
                            say(&format!("limited {} {} {begun} {ended}", hex(&id), u8::from(idle)));
                        }
                        (_, Some(chosen)) => {
                            store.increment(&own[chosen], "n", 1).unwrap();
                        }
                    }
                }
            });
        }
    });
}

/// A session with a deadline.
struct Limited {
    id: SessionId,
    idle: bool,
    /// When it was created at the earliest and at the latest.
    created: (u64, u64),
    /// How often the process was killed since.
    kills: u64,
}

impl Limited {
    /// Reads `id`, whether the timeout is one of idleness, and the two instants.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (id, idle) = (words.next()?.parse().ok()?, words.next()? == "1");
        Some(Self { id, idle, created: (words.next()?.parse().ok()?, words.next()?.parse().ok()?), kills: 0 })
    }

    /// Compares its end with its deadline. Returns whether it lives.
    fn check(&self, store: &SessionStore, seen: &mut Seen) -> bool {
        let timeout = SHORT.as_millis() as u64;
        let before = now();
        let lives = store.exists(&self.id);
        let after = now();
        let longer = SLACK + if self.idle { self.kills * UNKNOWN } else { 0 };
        if after + SLACK < self.created.0 + timeout {
            assert!(lives, "a session has expired early, idle: {}", self.idle);
            seen.lived += 1;
        }
        if before > self.created.1 + timeout + longer {
            assert!(!lives, "a session has expired late, idle: {}", self.idle);
            seen.expired[usize::from(self.idle)] += 1;
        }
        lives
    }
}

/// What the test has seen, so that it does not pass without.
#[derive(Debug, Default)]
struct Seen {
    lines: HashMap<String, usize>,
    /// Looks at a session before its deadline.
    lived: usize,
    /// Looks after an absolute and an idle deadline.
    expired: [usize; 2],
}

/// What the victims have answered.
#[derive(Default)]
struct Answered {
    live: HashSet<SessionId>,
    ended: HashSet<SessionId>,
    limited: Vec<Limited>,
    seen: Seen,
}

impl Answered {
    /// Reads what a victim has said. A last line that is cut off is no line.
    fn read(&mut self, said: &[String]) {
        for line in said.iter().filter_map(|line| line.strip_prefix('@')) {
            let Some((what, rest)) = line.split_once(' ') else { continue };
            if what == "limited" {
                self.limited.extend(Limited::read(rest));
            }
            let Ok(id) = rest.get(..64).unwrap_or_default().parse::<SessionId>() else { continue };
            *self.seen.lines.entry(what.to_owned()).or_default() += 1;
            match what {
                "flushed" => _ = self.live.insert(id),
                // It may have ended or not, unless the next line says so.
                "ending" => _ = self.live.remove(&id),
                "ended" => _ = self.ended.insert(id),
                _ => {}
            }
        }
        self.limited.iter_mut().for_each(|limited| limited.kills += 1);
    }

    /// Compares it with what has come back.
    fn check(&mut self, kill: usize, store: &SessionStore) {
        for id in &self.ended {
            assert!(!store.exists(id), "kill {kill}: a session that has ended came back");
        }
        for id in &self.live {
            assert!(store.exists(id), "kill {kill}: a session that was on disk is lost");
        }
        // One that has expired is looked at some more times, because it could come back.
        self.limited.retain(|limited| limited.check(store, &mut self.seen) || limited.kills < 40);
        // So that a thousand kills do not take an hour: what has ended is forgotten now and then, and some of the live
        // sessions end.
        if self.ended.len() > 5_000 {
            self.ended.retain(|_| random().is_multiple_of(8));
        }
        if self.live.len() > 500 {
            let surplus: Vec<_> = self.live.iter().take(250).copied().collect();
            for id in surplus {
                assert!(self.live.remove(&id) && store.delete(&id));
                self.ended.insert(id);
            }
        }
    }
}

/// Lets a victim work for a random time, and kills it. Returns what it has said.
fn kill(dir: &Path, live: &HashSet<SessionId>) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture", "--test-threads=1"])
        .env("CLOAKROOM_VICTIM", dir)
        .env("CLOAKROOM_WALL", another_day().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    live.iter().take(100).for_each(|id| writeln!(input, "{}", hex(id)).unwrap());
    drop(input);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // At first until it works, because it has to open the directory.
    let first = lines.by_ref().map(|line| line.unwrap()).find(|line| line.starts_with('@'));
    assert!(first.is_some(), "the victim has ended by itself");
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_micros(random() % 250_000));
        child.kill().unwrap();
        child.wait().unwrap()
    });
    let said = first.into_iter().chain(lines.map_while(Result::ok)).collect();
    assert!(!killer.join().unwrap().success(), "the victim has ended by itself");
    said
}

#[test]
fn what_a_killed_process_has_answered_holds() {
    let kills = std::env::var("CLOAKROOM_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let (dir, mut answered, mut in_the_midst) = (Dir::new(), Answered::default(), 0);
    for number in 0..kills {
        let said = kill(&dir.path(), &answered.live);
        in_the_midst += usize::from(!said.iter().any(|line| line == "@restored all"));
        answered.read(&said);
        let sessions = Persistence::open(dir.path(), options(another_day())).unwrap();
        answered.check(number, sessions.store());
        sessions.close().unwrap();
    }
    // Until the deadlines of the last victims are over.
    thread::sleep(SHORT + Duration::from_millis(SLACK + 12 * UNKNOWN));
    let sessions = Persistence::open(dir.path(), options(another_day())).unwrap();
    answered.check(kills, sessions.store());
    assert!(in_the_midst >= kills / 4, "{in_the_midst} of {kills} were killed while sessions were restored");
    let Seen { lines, lived, expired } = &answered.seen;
    for what in ["created", "flushed", "ending", "ended", "limited"] {
        assert!(lines.get(what).is_some_and(|lines| *lines >= kills / 4), "{what}: {lines:?}");
    }
    assert!(*lived >= kills && expired.iter().all(|looks| *looks >= kills / 4), "{:?}", answered.seen);
    println!("{:?}", answered.seen);
}
