//! Ends of sessions: what the engine is told until it confirms, and what it is told again after a failover.

use super::Answer;
use super::job::{Command, Waited};
use crate::error::SharedError;
use crate::names::Hash;
use crate::scripts::Script;
use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// For how long a confirmed end is told again to each engine that is connected: a failover may have lost it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// When an end that the engine has refused is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The most ends that wait for the engine to confirm. A client cannot fill the memory with them.
const MOST: usize = 1 << 16;

/// The answer `R` is for the caller, and `N` is noted while replicas are waited for.
pub(super) struct End<R, N> {
    pub(super) command: Command,
    to: Option<oneshot::Sender<Answer<R>>>,
    /// When its caller is told that it is not confirmed.
    until: Instant,
    confirmed: Option<Instant>,
    pub(super) tries: u32,
    retry: Option<Instant>,
    /// Whether the engine has had the session.
    remembered: bool,
    /// What the engine has answered, while its replicas are waited for.
    answered: Option<N>,
}

impl<R, N> End<R, N> {
    fn new(command: Command, until: Instant, to: oneshot::Sender<Answer<R>>) -> Self {
        Self { command, to: Some(to), until, confirmed: None, tries: 0, retry: None, remembered: false, answered: None }
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }

    /// Whether its caller was told that it is not confirmed, and it is not.
    fn is_late(&self) -> bool {
        self.to.is_none() && !self.is_confirmed()
    }

    fn answer(&mut self, answer: Answer<R>) {
        if let Some(to) = self.to.take() {
            // The caller may have gone.
            let _ = to.send(answer);
        }
    }

    fn confirm(&mut self, answer: Answer<R>) {
        self.answer(answer);
        (self.confirmed, self.retry) = (Some(Instant::now()), None);
    }

    /// Returns whether its caller was told now.
    fn expire(&mut self, now: Instant) -> bool {
        let late = self.to.is_some() && now >= self.until;
        if late {
            self.answer(Err(SharedError::Unconfirmed));
        }
        late
    }

    fn is_old(&self, now: Instant) -> bool {
        self.confirmed.is_some_and(|confirmed| now.duration_since(confirmed) >= REMEMBERED)
    }

    fn is_to_be_retried(&mut self, now: Instant) -> bool {
        let due = self.retry.is_some_and(|retry| now >= retry);
        if due {
            self.retry = None;
        }
        due
    }
}

/// The end of all sessions of a principal.
pub(super) struct EndAll {
    pub(super) owner: Hash,
    /// The session that is kept.
    pub(super) keep: Option<Hash>,
    pub(super) end: End<u64, (u64, u64)>,
}

#[derive(Default)]
pub(super) struct Ends {
    pub(super) sessions: HashMap<Hash, End<bool, bool>>,
    pub(super) principals: HashMap<[u8; 16], EndAll>,
    /// Sessions whose end was confirmed, the oldest first. Some may have been forgotten.
    order: VecDeque<Hash>,
}

impl Ends {
    /// Whether the session is dead on this server, whatever the engine says.
    pub(super) fn bars(&self, hash: &Hash, owner: Option<&Hash>) -> bool {
        self.sessions.contains_key(hash)
            || owner.is_some_and(|owner| {
                let mut all = self.principals.values().filter(|all| !all.end.is_confirmed());
                all.any(|all| all.owner == *owner && all.keep != Some(*hash))
            })
    }

    pub(super) fn owner(&self, name: &[u8; 16]) -> Option<Hash> {
        self.principals.get(name).map(|all| all.owner)
    }

    /// Makes room for one more. Confirmed ends are forgotten for it, the oldest session first. Returns false if too
    /// many are unconfirmed.
    pub(super) fn make_room(&mut self) -> bool {
        while self.sessions.len() + self.principals.len() >= MOST {
            if let Some(hash) = self.order.pop_front() {
                if self.sessions.get(&hash).is_some_and(End::is_confirmed) {
                    self.sessions.remove(&hash);
                }
            } else if let Some(name) =
                self.principals.iter().find(|(_, all)| all.end.is_confirmed()).map(|(name, _)| *name)
            {
                self.principals.remove(&name);
            } else {
                return false;
            }
        }
        true
    }

    pub(super) fn unconfirmed(&self) -> u64 {
        let sessions = self.sessions.values().filter(|end| !end.is_confirmed()).count();
        (sessions + self.principals.values().filter(|all| !all.end.is_confirmed()).count()) as u64
    }

    /// Whether no caller was told that an end is not confirmed, or all such ends are confirmed by now.
    pub(super) fn are_all_in_time(&self) -> bool {
        self.sessions.values().all(|end| !end.is_late()) && self.principals.values().all(|all| !all.end.is_late())
    }

    pub(super) fn add(&mut self, hash: Hash, command: Command, until: Instant, to: oneshot::Sender<Answer<bool>>) {
        if let Some(end) = self.sessions.get_mut(&hash) {
            // The later caller learns from the next reply; the earlier one has ended nothing more.
            end.answer(Err(SharedError::Unconfirmed));
            if end.confirmed.take().is_some() {
                end.tries = 0;
            }
            (end.to, end.until) = (Some(to), until);
        } else {
            self.sessions.insert(hash, End::new(command, until, to));
        }
    }

    pub(super) fn add_all(
        &mut self,
        (name, owner, keep): ([u8; 16], Hash, Option<Hash>),
        command: Command,
        until: Instant,
        to: oneshot::Sender<Answer<u64>>,
    ) {
        self.principals.insert(name, EndAll { owner, keep, end: End::new(command, until, to) });
    }

    /// The engine has ended a session or all of a principal, but its replicas are waited for.
    pub(super) fn note(&mut self, hash: &Hash, ended: bool) {
        if let Some(end) = self.sessions.get_mut(hash) {
            end.answered = Some(ended || end.answered == Some(true));
        }
    }

    pub(super) fn note_all(&mut self, name: &[u8; 16], ended: u64, generation: u64) {
        if let Some(all) = self.principals.get_mut(name) {
            all.end.answered = Some((all.end.answered.map_or(ended, |(before, _)| before.max(ended)), generation));
        }
    }

    /// Enough replicas have what was noted.
    pub(super) fn confirm_noted(&mut self, end: &Waited) {
        match end {
            Waited::Session(hash) => {
                if let Some(ended) = self.sessions.get_mut(hash).and_then(|end| end.answered.take()) {
                    self.confirm(hash, ended);
                }
            }
            Waited::Principal(name) => {
                if let Some((ended, generation)) = self.principals.get_mut(name).and_then(|all| all.end.answered.take())
                {
                    self.confirm_all(name, ended, generation);
                }
            }
        }
    }

    /// The engine has ended a session, or has found none. A session that was not there is not remembered.
    pub(super) fn confirm(&mut self, hash: &Hash, ended: bool) {
        let Some(end) = self.sessions.get_mut(hash) else { return };
        // What an earlier try has ended is not found by a later one.
        let ended = ended || end.tries > 1;
        end.confirm(Ok(ended));
        end.remembered |= ended;
        if end.remembered {
            self.order.push_back(*hash);
        } else {
            self.sessions.remove(hash);
        }
    }

    /// The engine has raised the generation of a principal to `generation`, and ended this number of sessions. From now
    /// on it is told to raise it to that number at least, which ends no later session.
    pub(super) fn confirm_all(&mut self, name: &[u8; 16], ended: u64, generation: u64) {
        let Some(all) = self.principals.get_mut(name) else { return };
        all.end.confirm(Ok(ended));
        let arguments = vec![all.owner.to_vec(), generation.to_string().into_bytes(), name.to_vec()];
        all.end.command = Command::Script(Script::Raise, arguments);
    }

    /// The session that was to be kept is not there.
    pub(super) fn give_up(&mut self, name: &[u8; 16], error: SharedError) {
        if let Some(mut all) = self.principals.remove(name) {
            all.end.answer(Err(error));
        }
    }

    /// The engine has refused.
    pub(super) fn retry(&mut self, hash: &Hash) {
        if let Some(end) = self.sessions.get_mut(hash) {
            end.retry = Some(Instant::now() + RETRY);
        }
    }

    pub(super) fn retry_all(&mut self, name: &[u8; 16]) {
        if let Some(all) = self.principals.get_mut(name) {
            all.end.retry = Some(Instant::now() + RETRY);
        }
    }

    /// Tells callers that their ends are not confirmed in time, and forgets old ends. Returns how many were told, and
    /// what is to be tried again.
    pub(super) fn tick(&mut self, now: Instant) -> (u64, Vec<Hash>, Vec<[u8; 16]>) {
        let mut told = 0;
        self.sessions.retain(|_, end| {
            told += u64::from(end.expire(now));
            !end.is_old(now)
        });
        while self.order.front().is_some_and(|hash| !self.sessions.contains_key(hash)) {
            self.order.pop_front();
        }
        self.principals.retain(|_, all| {
            told += u64::from(all.end.expire(now));
            !all.end.is_old(now)
        });
        let sessions = self.sessions.iter_mut().filter_map(|(hash, end)| end.is_to_be_retried(now).then_some(*hash));
        let sessions = sessions.collect();
        let all = self.principals.iter_mut().filter_map(|(name, all)| all.end.is_to_be_retried(now).then_some(*name));
        (told, sessions, all.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    }

    fn full(confirmed: impl Fn(usize) -> bool) -> Ends {
        let mut ends = Ends::default();
        for number in 0..MOST {
            let (to, _) = oneshot::channel();
            ends.add(hash(number), Command::Plain(Vec::new()), Instant::now(), to);
            if confirmed(number) {
                ends.confirm(&hash(number), true);
            }
        }
        ends
    }

    #[test]
    fn the_oldest_confirmed_end_makes_room() {
        let mut ends = full(|number| number > 2);
        assert!(ends.make_room());
        assert!(ends.bars(&hash(2), None) && !ends.bars(&hash(3), None) && ends.bars(&hash(4), None));
        assert_eq!(ends.unconfirmed(), 3);
    }

    #[test]
    fn unconfirmed_ends_make_no_room() {
        let mut ends = full(|_| false);
        assert!(!ends.make_room());
        assert_eq!(ends.unconfirmed(), MOST as u64);
    }
}
