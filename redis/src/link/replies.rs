//! What becomes of replies and of news of changes, in the order in which the engine sends them.

use super::job::{Command, Failure, Job, Purpose, Waited};
use super::keeper::{Keeper, Unproven};
use crate::Shared;
use crate::error::{EngineError, SharedError};
use crate::names::{self, Changed, Hash};
use crate::near::{Held, Micros, Terms, count, until};
use crate::record::{self, Owner, Record};
use crate::resp::Value;
use crate::scripts::Status;
use cloakroom::{MissingError, Reservation, SessionId, Timeouts};
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::Arc;

/// What a fetch has found.
struct Found<O> {
    held: Held<O>,
    owner: Option<Owner>,
    /// The engine has written for it, and does not track it.
    changed: bool,
    /// The id leads to a session under another id.
    forwarded: bool,
}

impl<'n, T: Shared + ?Sized> Keeper<'n, T> {
    /// Takes the next message of the engine.
    pub(super) fn receive(&mut self, value: Value) {
        match value {
            Value::Push(news) => self.news(&news),
            Value::Error(error) => self.failed(&error),
            value => self.reply(value),
        }
    }

    fn news(&mut self, news: &[Value]) {
        let [kind, keys] = news else { return };
        if kind.bytes() != Some(b"invalidate") {
            return;
        }
        match keys {
            Value::List(keys) => keys.iter().filter_map(Value::bytes).for_each(|key| self.changed(key)),
            // Everything: FLUSHALL, FLUSHDB.
            _ => self.flush(),
        }
    }

    fn changed(&mut self, key: &[u8]) {
        match Changed::of(&self.settings.prefix, key) {
            Changed::Session(hash) => {
                count(&self.near.figures.invalidations);
                if let Some(id) = self.index.remove(&hash) {
                    self.end_near(&id);
                }
            }
            Changed::Principal(owner) => {
                count(&self.near.figures.invalidations);
                self.end_owner(&owner);
            }
            Changed::Other => {}
        }
    }

    fn failed(&mut self, error: &str) {
        let Some(mut job) = self.flight.pop_front() else {
            self.broken = true;
            return;
        };
        match (Failure::of(error), &job.purpose) {
            (Failure::NoScript, _) if !job.by_text => {
                job.by_text = true;
                self.send(job);
            }
            (Failure::NotPrimary, _) => {
                self.broken = true;
                self.refused(job, SharedError::Away);
            }
            (Failure::NoScript, _) => self.refused(job, SharedError::Engine(EngineError::Other)),
            // It cannot tell whether the engine is there, for example because it loads its data.
            (Failure::Refused(_), Purpose::Ping) => {}
            (Failure::Refused(error), _) => self.refused(job, error),
        }
    }

    /// The engine has not done it.
    fn refused(&mut self, job: Job<T::Owned>, error: SharedError) {
        match job.purpose {
            Purpose::End(hash) | Purpose::Waited(Waited::Session(hash)) => self.ends.retry(&hash),
            Purpose::EndAll(name) | Purpose::Waited(Waited::Principal(name)) => self.ends.retry_all(&name),
            _ => self.give_up(job, error),
        }
    }

    fn reply(&mut self, value: Value) {
        let Some(job) = self.flight.pop_front() else {
            self.broken = true;
            return;
        };
        match job.purpose {
            Purpose::Ping => self.alive(job.sent_at),
            Purpose::Fill(id) => self.filled(id, job.sent_at, &value),
            Purpose::Generation(owner) => self.generation(&owner, &value),
            Purpose::Fresh(id, to) => {
                let found = self.found(&id, job.sent_at, &value);
                let _ = to.send(found.map(|found| Arc::new(found.held)));
            }
            Purpose::Call { ends, reads, to } => {
                let Value::List(values) = value else {
                    let _ = to.send(Err(SharedError::Engine(EngineError::Record)));
                    return;
                };
                // Before the caller learns that it is done, what is near of the session is gone.
                ends.inspect(|id| self.end_own(&names::of_session(id), Some(*id)));
                if !reads && let Some(hash) = values.get(2).and_then(hash_of) {
                    self.end_own(&hash, None);
                }
                let _ = to.send(Ok(values));
            }
            Purpose::End(hash) => {
                let ended = value.list().and_then(|values| values.get(1)).and_then(Value::int);
                // The session to which the id leads.
                if let Some(target) = value.list().and_then(|values| values.get(2)).and_then(hash_of) {
                    self.end_own(&target, None);
                }
                if self.settings.replicas.is_some() {
                    self.ends.note(&hash, ended == Some(1));
                } else {
                    self.ends.confirm(&hash, ended == Some(1));
                }
            }
            Purpose::EndAll(name) => self.ended_all(&name, &value),
            Purpose::Waited(end) => self.waited(&end, &value),
            Purpose::Again => {}
        }
    }

    /// So many replicas have an end.
    fn waited(&mut self, end: &Waited, value: &Value) {
        let enough = self.settings.replicas.is_none_or(|(least, _)| value.int().is_some_and(|n| n >= least.into()));
        match end {
            _ if enough => self.ends.confirm_noted(end),
            Waited::Session(hash) => self.ends.retry(hash),
            Waited::Principal(name) => self.ends.retry_all(name),
        }
    }

    /// The engine answered a ping that was sent then: all changes that were made before it have been told.
    fn alive(&mut self, sent_at: Micros) {
        self.near.figures.ping.store(sent_at, Ordering::Relaxed);
        if self.settings.near {
            self.near.serve_until(sent_at.saturating_add(self.settings.serve_micros(self.near.step())));
        }
    }

    /// Ends what is near of a session that this server has changed.
    fn end_own(&mut self, hash: &Hash, id: Option<SessionId>) {
        if let Some(id) = self.index.remove(hash).or(id) {
            self.end_near(&id);
        }
    }

    fn ended_all(&mut self, name: &[u8; 16], value: &Value) {
        if let Some(owner) = self.ends.owner(name) {
            self.end_owner(&owner);
        }
        let values = value.list().unwrap_or_default();
        let number = |at: usize| values.get(at).and_then(Value::int).and_then(|number| u64::try_from(number).ok());
        match (values.first().and_then(Value::int).and_then(Status::of), number(1), number(2)) {
            (Some(Status::Done), Some(ended), Some(generation)) if self.settings.replicas.is_some() => {
                self.ends.note_all(name, ended, generation);
            }
            (Some(Status::Done), Some(ended), Some(generation)) => self.ends.confirm_all(name, ended, generation),
            (Some(Status::Missing), ..) => self.ends.give_up(name, MissingError::NotFound.into()),
            _ => self.ends.retry_all(name),
        }
    }

    fn filled(&mut self, id: SessionId, sent_at: Micros, value: &Value) {
        let Some(fetching) = self.fetches.remove(&id) else { return };
        let found = self.found(&id, sent_at, value);
        let answer = match found {
            Err(error) => Err(error),
            Ok(found) => {
                let held = Arc::new(found.held.copied());
                if found.changed {
                    // What is near is out of date, and the engine will say so. It tracks what is fetched from now on.
                    drop(fetching.reservation);
                    self.near.table.delete(&id);
                    if self.settings.near && !found.forwarded {
                        self.fill(id, false, Vec::new());
                    }
                } else if !found.forwarded {
                    if let Some(reservation) = fetching.reservation.or_else(|| self.reserve_anew(&id)) {
                        self.keep_near(id, reservation, found.held, found.owner);
                    }
                    if fetching.used {
                        self.fill(id, true, Vec::new());
                    }
                }
                Ok(held)
            }
        };
        for to in fetching.waiting {
            // Whoever waited may have gone.
            let _ = to.send(answer.clone());
        }
    }

    /// Takes the place of what was near when the session was fetched: the reply is newer.
    fn reserve_anew(&mut self, id: &SessionId) -> Option<Reservation<'n, Held<T::Owned>>> {
        self.unproven.remove(id);
        self.near.table.delete(id);
        self.reserve(id)
    }

    /// Puts a session into the near cache once it depends on nothing of whose changes the engine does not tell.
    fn keep_near(
        &mut self,
        id: SessionId,
        reservation: Reservation<'n, Held<T::Owned>>,
        held: Held<T::Owned>,
        owner: Option<Owner>,
    ) {
        self.index.insert(names::of_session(&id), id, owner.map(|owner| owner.hash));
        let Some(owner) = owner.filter(|owner| self.index.generation(&owner.hash) != Some(owner.generation)) else {
            return self.fulfil(reservation, held);
        };
        self.unproven.insert(id, Unproven { reservation, held, owner });
        let key = names::generation_key(&self.settings.prefix, &owner.hash);
        let command = Command::Plain(vec![b"GET".to_vec(), key]);
        self.send(Job::new(Purpose::Generation(owner.hash), command, Duration::ZERO));
    }

    fn fulfil(&self, reservation: Reservation<'n, Held<T::Owned>>, held: Held<T::Owned>) {
        let absolute = held.terms.ends_at.map_or(Duration::MAX, |end| until(end, self.near.now()));
        let timeouts = Timeouts::default().idle(held.terms.idle).absolute(absolute);
        let figures = &self.near.figures;
        let late = reservation.fulfil_with(timeouts, held).is_err();
        count(if late { &figures.late_fills } else { &figures.fills });
    }

    /// The engine tells of changes of this generation from now on. Sessions of another one have ended.
    fn generation(&mut self, owner: &Hash, value: &Value) {
        let known = value.bytes().and_then(record::generation);
        known.inspect(|generation| self.index.set_generation(owner, *generation));
        let fetched: Vec<_> = self.unproven.extract_if(|_, unproven| unproven.owner.hash == *owner).collect();
        for (id, Unproven { reservation, held, owner }) in fetched {
            if known == Some(owner.generation) {
                self.fulfil(reservation, held);
            } else {
                drop(reservation);
                self.index.remove(&names::of_session(&id));
            }
        }
    }

    fn found(&self, id: &SessionId, sent_at: Micros, value: &Value) -> Result<Found<T::Owned>, SharedError> {
        let values = value.list().unwrap_or_default();
        check(values)?;
        let no_record = SharedError::Engine(EngineError::Record);
        let [_, record, left, now, changed, forwarded] = values else { return Err(no_record) };
        let number = |value: &Value| value.int().and_then(|number| u64::try_from(number).ok()).ok_or(no_record);
        let (left, now) = (number(left)?, number(now)?);
        let record = record.bytes().and_then(Record::read).ok_or(no_record)?;
        let owner = record.owner;
        if self.ends.bars(&names::of_session(id), owner.map(|owner| owner.hash).as_ref()) {
            return Err(MissingError::NotFound.into());
        }
        let later = |milliseconds: u64| sent_at.saturating_add(milliseconds.saturating_mul(1_000));
        // Only an absolute deadline makes the time that is left shorter than it was to be; touches change nothing then.
        let until_deadline = record.deadline.map(|deadline| deadline.saturating_sub(now));
        let capped = until_deadline.is_some_and(|until| until <= left + 3);
        let terms = Terms {
            version: record.version,
            principal: owner.map(|owner| owner.principal),
            audience: record.audience,
            cookie: record.cookie,
            idle: Duration::from_millis(record.idle),
            gone_at: later(left),
            ends_at: until_deadline.map(later),
        };
        let touch_at = (!capped).then(|| later(left.saturating_sub(record.idle)));
        let held = Held::new(decoded::<T>(record.content).ok_or(no_record)?, touch_at, terms);
        Ok(Found { held, owner, changed: number(changed)? == 1, forwarded: number(forwarded)? == 1 })
    }
}

/// Code of the user reads a value. If it panics, the value cannot be read.
fn decoded<T: Shared + ?Sized>(content: &[u8]) -> Option<T::Owned> {
    std::panic::catch_unwind(|| T::read(content)).ok().flatten()
}

fn hash_of(value: &Value) -> Option<Hash> {
    value.bytes()?.try_into().ok()
}

/// The error that a script's answer means, if it is one.
pub(crate) fn check(values: &[Value]) -> Result<(), SharedError> {
    Err(match values.first().and_then(Value::int).and_then(Status::of) {
        Some(Status::Done | Status::Changed) => return Ok(()),
        Some(Status::Missing) => MissingError::NotFound.into(),
        Some(Status::Replaced) => MissingError::Replaced.into(),
        Some(Status::LoggedOut) => MissingError::LoggedOut.into(),
        Some(Status::PrincipalFull) => SharedError::PrincipalFull,
        Some(Status::OtherPrincipal) => SharedError::OtherPrincipal,
        Some(Status::Taken) => SharedError::Random,
        Some(Status::NoRecord) | None => SharedError::Engine(EngineError::Record),
    })
}
