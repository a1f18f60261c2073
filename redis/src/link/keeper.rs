//! What is under way, and what becomes of it when the connection is lost.

use super::ends::Ends;
use super::index::Index;
use super::job::{Command, Job, Purpose, Waited};
use super::{Answer, Request, Settings};
use crate::Shared;
use crate::error::SharedError;
use crate::near::{Held, Micros, Near, count};
use crate::record::Owner;
use crate::scripts::Script;
use crate::{arguments, names, trace};
use cloakroom::{MissingError, Reservation, SessionId};
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Those who wait for a session.
type Waiting<O> = Vec<oneshot::Sender<Answer<Arc<Held<O>>>>>;

/// A session that is being fetched for the near cache, and those who wait for it.
pub(super) struct Fetching<'n, O: Send + Sync + 'static> {
    pub(super) reservation: Option<Reservation<'n, Held<O>>>,
    pub(super) waiting: Waiting<O>,
    /// The session was used meanwhile.
    pub(super) used: bool,
    sent_at: Micros,
}

/// A session that was fetched, and whose principal's generation is being asked for: until it is known and tracked, the
/// session is not near.
pub(super) struct Unproven<'n, O: Send + Sync + 'static> {
    pub(super) reservation: Reservation<'n, Held<O>>,
    pub(super) held: Held<O>,
    pub(super) owner: Owner,
}

pub(super) struct Keeper<'n, T: Shared + ?Sized> {
    pub(super) near: &'n Near<T::Owned>,
    pub(super) settings: &'n Settings,
    /// What is to be written, of which `written` bytes are.
    pub(super) out: Vec<u8>,
    pub(super) written: usize,
    /// What was sent, in the order in which the replies come.
    pub(super) flight: VecDeque<Job<T::Owned>>,
    /// What waits for a connection.
    waiting: VecDeque<Job<T::Owned>>,
    pub(super) fetches: HashMap<SessionId, Fetching<'n, T::Owned>>,
    pub(super) unproven: HashMap<SessionId, Unproven<'n, T::Owned>>,
    pub(super) index: Index,
    pub(super) ends: Ends,
    connected: bool,
    /// Since when there has been no connection.
    lost: Instant,
    /// Since when, and how many, ends were not confirmed in time. None if all are confirmed.
    late: Option<(Instant, u64)>,
    /// The engine does not do any more.
    pub(super) broken: bool,
}

impl<'n, T: Shared + ?Sized> Keeper<'n, T> {
    pub(super) fn new(near: &'n Near<T::Owned>, settings: &'n Settings) -> Self {
        Self {
            near,
            settings,
            out: Vec::new(),
            written: 0,
            flight: VecDeque::new(),
            waiting: VecDeque::new(),
            fetches: HashMap::new(),
            unproven: HashMap::new(),
            index: Index::new(),
            ends: Ends::default(),
            connected: false,
            lost: Instant::now(),
            late: None,
            broken: false,
        }
    }

    /// There is a connection. What was near is not known to be true. The ends come before everything that waits.
    pub(super) fn connected(&mut self) {
        self.near.serve_until(0);
        self.flush();
        count(&self.near.figures.connections);
        (self.connected, self.broken, self.written) = (true, false, 0);
        self.out.clear();
        self.ping();
        let sessions: Vec<_> = self.ends.sessions.keys().copied().collect();
        sessions.into_iter().for_each(|hash| self.send_end(hash));
        let principals: Vec<_> = self.ends.principals.keys().copied().collect();
        principals.into_iter().for_each(|name| self.send_end_all(name));
        while let Some(job) = self.waiting.pop_front() {
            self.send(job);
        }
    }

    /// The connection is lost. Reads wait for the next one; whether changes have happened is unknown.
    pub(super) fn disconnected(&mut self) {
        (self.connected, self.lost) = (false, Instant::now());
        if self.settings.serve_for <= self.settings.staleness {
            self.near.serve_until(0);
            self.flush();
        }
        self.unproven.clear();
        for fetching in self.fetches.values_mut() {
            fetching.reservation = None;
        }
        for job in core::mem::take(&mut self.flight) {
            if job.is_read() {
                self.waiting.push_back(job);
            } else {
                self.give_up(job, SharedError::Unknown);
            }
        }
        self.expire();
    }

    /// Gives up everything that is near, in constant time.
    pub(super) fn flush(&mut self) {
        self.near.table.end_all();
        self.index.clear();
        self.unproven.clear();
        count(&self.near.figures.flushes);
    }

    /// Fails what has waited too long for a connection.
    fn expire(&mut self) {
        let now = Instant::now();
        for job in core::mem::take(&mut self.waiting) {
            if now < job.until {
                self.waiting.push_back(job);
            } else {
                self.give_up(job, SharedError::Away);
            }
        }
    }

    pub(super) fn give_up(&mut self, job: Job<T::Owned>, error: SharedError) {
        match job.purpose {
            Purpose::Fill(id) => {
                for to in self.fetches.remove(&id).map(|fetching| fetching.waiting).unwrap_or_default() {
                    count(&self.near.figures.refusals);
                    let _ = to.send(Err(error));
                }
            }
            Purpose::Fresh(_, to) => {
                count(&self.near.figures.refusals);
                let _ = to.send(Err(error));
            }
            Purpose::Call { to, .. } => {
                count(&self.near.figures.refusals);
                let _ = to.send(Err(error));
            }
            // They are told again when there is a connection, or have been told before.
            Purpose::Ping
            | Purpose::Generation(_)
            | Purpose::End(_)
            | Purpose::EndAll(_)
            | Purpose::Waited(_)
            | Purpose::Again => {}
        }
    }

    /// Is called five times in each bound of staleness. Returns whether the connection still counts as one.
    pub(super) fn tick(&mut self) -> bool {
        let now = Instant::now();
        let (told, sessions, principals) = self.ends.tick(now);
        self.near.figures.refusals.fetch_add(told, Ordering::Relaxed);
        self.near.figures.unconfirmed.store(self.ends.unconfirmed(), Ordering::Relaxed);
        self.report(told, now);
        let near = self.near;
        let unproven = &self.unproven;
        self.index.prune(|id| near.table.exists(id) || unproven.contains_key(id));
        if !self.connected {
            self.expire();
            return true;
        }
        sessions.into_iter().for_each(|hash| self.send_end(hash));
        principals.into_iter().for_each(|name| self.send_end_all(name));
        self.ping();
        let oldest = self.flight.front().map_or(now, |job| job.sent);
        now.duration_since(oldest) < self.settings.command_timeout
    }

    /// Tells once that ends are not confirmed in time, `told` of them now, and once that all are.
    fn report(&mut self, told: u64, now: Instant) {
        match &mut self.late {
            None if told > 0 => {
                trace::unconfirmed(told);
                self.late = Some((now, told));
            }
            None => {}
            Some((since, ends)) => {
                *ends += told;
                if self.ends.are_all_in_time() {
                    trace::confirmed(*ends, now.duration_since(*since));
                    self.late = None;
                }
            }
        }
    }

    fn ping(&mut self) {
        self.send(Job::new(Purpose::Ping, Command::Plain(vec![b"PING".to_vec()]), Duration::ZERO));
    }

    fn send_end(&mut self, hash: names::Hash) {
        let Some(end) = self.ends.sessions.get_mut(&hash) else { return };
        end.tries += 1;
        let confirmed = end.is_confirmed();
        let purpose = if confirmed { Purpose::Again } else { Purpose::End(hash) };
        let job = Job::new(purpose, end.command.clone(), Duration::ZERO);
        self.send(job);
        self.wait_for_replicas(confirmed, Waited::Session(hash));
    }

    fn send_end_all(&mut self, name: [u8; 16]) {
        let Some(all) = self.ends.principals.get_mut(&name) else { return };
        all.end.tries += 1;
        let confirmed = all.end.is_confirmed();
        let purpose = if confirmed { Purpose::Again } else { Purpose::EndAll(name) };
        let job = Job::new(purpose, all.end.command.clone(), Duration::ZERO);
        self.send(job);
        self.wait_for_replicas(confirmed, Waited::Principal(name));
    }

    fn wait_for_replicas(&mut self, confirmed: bool, end: Waited) {
        if confirmed {
            return;
        }
        if let Some((replicas, timeout)) = self.settings.replicas {
            let words = [b"WAIT".to_vec(), arguments::number(replicas.into()), arguments::number(timeout)];
            self.send(Job::new(Purpose::Waited(end), Command::Plain(words.to_vec()), Duration::ZERO));
        }
    }

    /// Sends a command, or lets it wait for a connection.
    pub(super) fn send(&mut self, mut job: Job<T::Owned>) {
        if !self.connected {
            if self.lost.elapsed() < self.settings.command_timeout {
                self.waiting.push_back(job);
            } else {
                self.give_up(job, SharedError::Away);
            }
            return;
        }
        // Read before the engine can have it, so that it is never too late.
        (job.sent, job.sent_at) = (Instant::now(), self.near.now());
        if let Purpose::Fill(id) = &job.purpose
            && let Some(fetching) = self.fetches.get_mut(id)
        {
            fetching.sent_at = job.sent_at;
            if fetching.reservation.is_none() {
                fetching.reservation = reserved(self.near, self.settings, id);
            }
        }
        job.command.write(&mut self.out, &self.settings.prefix, job.by_text);
        count(&self.near.figures.commands);
        self.flight.push_back(job);
    }

    pub(super) fn reserve(&self, id: &SessionId) -> Option<Reservation<'n, Held<T::Owned>>> {
        reserved(self.near, self.settings, id)
    }

    /// Takes a request of another thread.
    pub(super) fn take(&mut self, request: Request<T::Owned>) {
        let within = self.settings.command_timeout;
        match request {
            Request::Fetch { id, touch, fresh, to } => self.fetch(id, touch, fresh, to),
            Request::Touch(id) => {
                if let Some(fetching) = self.fetches.get_mut(&id) {
                    fetching.used = true;
                } else {
                    self.fill(id, true, Vec::new());
                }
            }
            Request::Call { command, ends, reads, to } => {
                self.send(Job::new(Purpose::Call { ends, reads, to }, command, within));
            }
            Request::End { hash, id, owner, remember, to } => {
                if !self.ends.make_room() {
                    let _ = to.send(Err(SharedError::Away));
                    return;
                }
                let known = self.index.remove(&hash).or(id);
                known.inspect(|id| _ = self.near.table.delete(id));
                let owner = owner.map_or_else(Vec::new, |owner| owner.to_vec());
                let arguments = vec![hash.to_vec(), owner, remember.to_string().into_bytes()];
                self.ends.add(hash, Command::Script(Script::Delete, arguments), Instant::now() + within, to);
                if self.connected {
                    self.send_end(hash);
                }
            }
            Request::EndAll { owner, name, keep, to } => {
                if !self.ends.make_room() {
                    let _ = to.send(Err(SharedError::Away));
                    return;
                }
                self.end_owner(&owner);
                let kept = keep.map_or_else(Vec::new, |keep| keep.to_vec());
                let command = Command::Script(Script::EndAll, vec![owner.to_vec(), name.to_vec(), kept]);
                self.ends.add_all((name, owner, keep), command, Instant::now() + within, to);
                if self.connected {
                    self.send_end_all(name);
                }
            }
        }
    }

    /// Ends what is near of a principal.
    pub(super) fn end_owner(&mut self, owner: &names::Hash) {
        for id in self.index.remove_owner(owner) {
            self.end_near(&id);
        }
    }

    /// Ends what is near of a session, whose change was told or is known. A reservation stays: the reply for which it
    /// waits is behind the news, and so newer.
    pub(super) fn end_near(&mut self, id: &SessionId) {
        if self.unproven.remove(id).is_some() {
            return;
        }
        if self.fetches.get(id).is_none_or(|fetching| fetching.reservation.is_none()) {
            self.near.table.delete(id);
        }
    }

    fn fetch(&mut self, id: SessionId, touch: bool, fresh: bool, to: oneshot::Sender<Answer<Arc<Held<T::Owned>>>>) {
        if self.ends.bars(&names::of_session(&id), None) {
            let _ = to.send(Err(MissingError::NotFound.into()));
            return;
        }
        if fresh {
            let command = fetch_command(&id, touch);
            return self.send(Job::new(Purpose::Fresh(id, to), command, self.settings.command_timeout));
        }
        if let Some(fetching) = self.fetches.get_mut(&id) {
            // Its answer is no older than a hit may be.
            let bound = crate::near::micros(self.settings.staleness).saturating_sub(self.near.step());
            if self.near.now().saturating_sub(fetching.sent_at) < bound {
                fetching.waiting.push(to);
                return;
            }
            return self.fetch(id, touch, true, to);
        }
        // Somebody else may have fetched it since the caller has looked.
        if self.near.is_fresh(self.near.now())
            && let Some(held) = self.near.table.read(&id, Held::copied)
        {
            let _ = to.send(Ok(Arc::new(held)));
            return;
        }
        self.fill(id, touch, vec![to]);
    }

    /// Fetches a session for the near cache.
    pub(super) fn fill(&mut self, id: SessionId, touch: bool, waiting: Waiting<T::Owned>) {
        self.fetches.insert(id, Fetching { reservation: None, waiting, used: false, sent_at: self.near.now() });
        self.send(Job::new(Purpose::Fill(id), fetch_command(&id, touch), self.settings.command_timeout));
    }
}

fn reserved<'n, O: Send + Sync + 'static>(
    near: &'n Near<O>,
    settings: &Settings,
    id: &SessionId,
) -> Option<Reservation<'n, Held<O>>> {
    // Twice the time, because the connection counts as lost after once.
    settings.near.then(|| near.table.reserve(id, 2 * settings.command_timeout).ok()).flatten()
}

fn fetch_command(id: &SessionId, touch: bool) -> Command {
    Command::Script(Script::Fetch, vec![names::of_session(id).to_vec(), vec![b'0' + u8::from(touch)]])
}
