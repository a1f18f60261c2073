//! What one server does to the sessions of a round, and what it is told.

use super::history::{Event, What};
use cloakroom::{Principal, SessionId};
use cloakroom_redis::{SharedError, SharedStore};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Sessions of a round. Each two of them belong to one principal.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) sessions: Vec<SessionId>,
}

/// Tasks of a node for each session, and operations of each.
const TASKS: usize = 2;
const OPERATIONS: usize = 8;

/// Microseconds of the clock that all processes of the machine have.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

impl Round {
    pub(crate) fn principal(&self, session: usize) -> Principal {
        Principal::new(format!("{} {}", self.number, session / 2))
    }

    /// Plays the part of a node, and returns what happened.
    pub(crate) async fn play(&self, store: &SharedStore, node: usize, random: &mut Random) -> Vec<Event> {
        let mut tasks = Vec::new();
        for session in 0..self.sessions.len() {
            for _ in 0..TASKS {
                let (store, round, random) = (store.clone(), self.clone(), Random(random.next()));
                tasks.push(tokio::spawn(async move { round.work(&store, node, session, random).await }));
            }
        }
        let mut events = Vec::new();
        for task in tasks {
            events.extend(task.await.expect("a task does not panic"));
        }
        events
    }

    async fn work(&self, store: &SharedStore, node: usize, session: usize, mut random: Random) -> Vec<Event> {
        let mut events = Vec::new();
        for operation in 0..OPERATIONS {
            tokio::time::sleep(Duration::from_millis(random.below(150))).await;
            let called = now();
            let ended = self.operate(store, session, &mut random, operation).await;
            let returned = now();
            let event = |(session, what)| Event { session, node, called, returned, what };
            events.extend(ended.into_iter().map(event));
        }
        events
    }

    /// Does one operation, and tells for which sessions what was learned. The sessions are read first, and ended last.
    async fn operate(&self, store: &SharedStore, session: usize, random: &mut Random, at: usize) -> Vec<(usize, What)> {
        let id = &self.sessions[session];
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN);
        let kinds = if at < OPERATIONS / 2 { 92 } else { 100 };
        let what = match random.below(kinds) {
            0..70 => read(store.get(id, "n").await.map(|text| What::Read(number(text)))),
            70..78 => {
                let shown = store.fresh().read(id, |attributes| attributes.get("n").map(str::to_owned)).await;
                read(shown.map(|text| What::Fresh(number(text))))
            }
            78..89 => change(store.increment(id, "n", 1).await.map(What::Incremented), What::MayBeIncremented),
            89..92 => read(store.touch(id).await.and_then(present)),
            92..97 => change(store.delete(id).await.map(|_| What::Ended), What::MayBeEnded),
            97..98 => change(store.rotate(id).await.map(|_| What::Ended), What::MayBeReplaced),
            _ => {
                let ended = store.end_sessions_of(&self.principal(session)).await;
                let what = change(ended.map(|_| What::Ended), What::MayBeEnded);
                let both = [session & !1, session | 1].into_iter().filter(|&session| session < self.sessions.len());
                return both.filter_map(|session| Some((session, what?))).collect();
            }
        };
        what.map(|what| (session, what)).into_iter().collect()
    }
}

/// A touch says only whether there is a session.
fn present(there: bool) -> Result<What, SharedError> {
    if there { Err(SharedError::Away) } else { Ok(What::Missing) }
}

fn read(result: Result<What, SharedError>) -> Option<What> {
    match result {
        Ok(what) => Some(what),
        Err(error) if error.is_missing() => Some(What::Missing),
        // Nothing was learned.
        Err(_) => None,
    }
}

fn change(result: Result<What, SharedError>, unknown: What) -> Option<What> {
    match result {
        Err(SharedError::Unknown | SharedError::Unconfirmed) => Some(unknown),
        Err(SharedError::Increment(_)) => Some(What::Missing),
        other => read(other),
    }
}
