//! Restarts under load for as long as one likes: after each, the store has exactly what it had before, and neither the
//! memory of the process nor the file grows.
//!
//! `CLOAKROOM_SOAK_SECONDS` sets for how long (5 when it is not set).

mod support;

use cloakroom::{Principal, SessionId, SessionStore};
use cloakroom_persist::{Options, Persistence};
use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};
use support::Dir;

const WORKERS: usize = 4;
/// The most sessions of a worker.
const MOST: usize = 2_000;
/// How many ended sessions a worker remembers.
const REMEMBERED: usize = 20_000;

/// What a worker knows of its sessions.
struct Known {
    /// The live ones, with what their counter says.
    live: HashMap<SessionId, i64>,
    /// The same, so that one of them can be chosen.
    ids: Vec<SessionId>,
    ended: Vec<SessionId>,
    principal: Principal,
    bound: HashSet<SessionId>,
    random: u64,
}

impl Known {
    fn new(worker: usize) -> Self {
        Self {
            live: HashMap::new(),
            ids: Vec::new(),
            ended: Vec::new(),
            principal: Principal::new(worker.to_le_bytes()),
            bound: HashSet::new(),
            random: worker as u64 + 1,
        }
    }

    /// A number that seems random (xorshift64).
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn add(&mut self, id: SessionId, counter: i64) {
        self.live.insert(id, counter);
        self.ids.push(id);
    }

    /// Forgets a session that ends.
    fn end(&mut self, at: usize) -> (SessionId, i64) {
        let id = self.ids.swap_remove(at);
        if self.ended.len() == REMEMBERED {
            let oldest = self.random() as usize % REMEMBERED;
            self.ended.swap_remove(oldest);
        }
        self.ended.push(id);
        (id, self.live.remove(&id).expect("both have it"))
    }

    /// Does one thing to one session.
    fn work(&mut self, store: &SessionStore) {
        let chosen = self.ids.len().checked_sub(1).map(|last| self.random() as usize % (last + 1));
        match (self.random() % 100, chosen) {
            (0..20, _) | (_, None) if self.ids.len() < MOST => {
                let bound = self.random().is_multiple_of(4);
                let new = store.new_session();
                let new = if bound { new.principal(self.principal) } else { new };
                let id = new.create_with([("n", "0")]).expect("there is room");
                self.add(id, 0);
                if bound {
                    self.bound.insert(id);
                }
            }
            (0..30, Some(at)) => {
                let (id, _) = self.end(at);
                self.bound.remove(&id);
                assert!(store.delete(&id), "a live session was not found");
            }
            (30..40, Some(at)) => {
                let (old, counter) = self.end(at);
                let new = store.rotate_id(&old).expect("it is live");
                if self.bound.remove(&old) {
                    self.bound.insert(new);
                }
                self.add(new, counter);
            }
            (40, Some(_)) if self.bound.len() > 100 => {
                assert_eq!(store.end_sessions_of(&self.principal), self.bound.len());
                let bound = core::mem::take(&mut self.bound);
                for id in &bound {
                    self.live.remove(id);
                }
                self.ids.retain(|id| !bound.contains(id));
                self.ended.extend(bound);
                self.ended.truncate(REMEMBERED);
            }
            (_, Some(at)) => {
                let id = self.ids[at];
                let counter = self.live.get_mut(&id).expect("both have it");
                *counter += 1;
                assert_eq!(store.increment(&id, "n", 1), Ok(*counter));
            }
            (_, None) => unreachable!("there is room then"),
        }
    }

    /// Compares what it knows with a store.
    fn check(&self, store: &SessionStore) {
        for (id, counter) in &self.live {
            let found = store.get(id, "n").map(|n| n.parse::<i64>().expect("a number"));
            assert_eq!(found, Some(*counter), "a live session is not as it was");
        }
        assert!(!self.ended.iter().any(|id| store.exists(id)), "a session that has ended came back");
        let listed: HashSet<SessionId> = store.sessions_of(&self.principal).into_iter().collect();
        assert_eq!(listed, self.bound);
    }
}

/// The memory of this process in KiB, where the system tells it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn restarts_under_load_lose_nothing_and_nothing_grows() {
    let seconds = std::env::var("CLOAKROOM_SOAK_SECONDS").map_or(5, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let (dir, mut restarts, mut operations) = (Dir::new(), 0, 0);
    let mut workers: Vec<Known> = (0..WORKERS).map(Known::new).collect();
    let mut memory = Vec::new();
    while restarts < 4 || Instant::now() < end {
        let sessions = Persistence::open(dir.path(), Options::new().restore_first(restarts % 2 * u64::MAX)).unwrap();
        let store = sessions.store();
        // While they are restored, if the number of the restart is even.
        workers.iter().for_each(|worker| worker.check(store));
        assert_eq!(store.count(), workers.iter().map(|worker| worker.live.len()).sum::<usize>());
        let stop = Instant::now() + Duration::from_millis(600);
        operations += thread::scope(|scope| {
            let work = |worker: &mut Known| {
                let mut done = 0_u64;
                while Instant::now() < stop {
                    worker.work(store);
                    done += 1;
                }
                done
            };
            let running: Vec<_> = workers.iter_mut().map(|worker| scope.spawn(move || work(worker))).collect();
            running.into_iter().map(|worker| worker.join().expect("it has not panicked")).sum::<u64>()
        });
        sessions.close().unwrap();
        restarts += 1;
        memory.extend(resident());
    }
    let live = workers.iter().map(|worker| worker.live.len()).sum::<usize>() as u64;
    let file = std::fs::metadata(dir.path().join("sessions.redb")).unwrap().len();
    let kib = |at: usize| memory.get(at).copied().unwrap_or_default();
    let (first, last) = (kib(3), kib(memory.len().saturating_sub(1)));
    println!("{restarts} restarts, {operations} operations, {live} sessions live, {file} bytes on disk");
    println!("resident: {first} KiB after four restarts, {last} KiB after the last");
    assert!(live > 0 && operations > 1_000, "{live} live, {operations} operations");
    // Pages that are half full, and some room that the database keeps.
    assert!(file < 4 * 1024 * 1024 + live * 2_048, "{file} bytes for {live} sessions");
    assert!(last < first + 64 * 1024, "the memory grows: {memory:?} KiB");
}
