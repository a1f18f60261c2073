//! The session store as a plain map under a plain clock. It returns the results that the store has to return.
//!
//! Sessions are known by their number in the order of creation, because ids are random; a new id counts as a creation.
//! The store has one freedom: a create that finds the store full ends some of the expired sessions, not necessarily
//! all. The model ends all of them, so a test that compares the two has to end the rest in the store (see
//! [`Model::has_no_room`]).

mod all_sessions;
mod attributes;
mod changes;
mod insertion;
mod operation;
mod principals;

use std::collections::BTreeMap;
use std::time::Duration;

use attributes::{Limits, collected, value_of};
use cloakroom::{CreateError, MissingError, RotateError, SetError};

pub(crate) use operation::{Attributes, NOTES, Operation, Outcome, Settings, Shown, Step, Subject, Timeouts};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    attributes: Attributes,
    /// How many changes it has seen.
    version: u32,
    touched: u128,
    /// How many ticks it may lie untouched, and its last tick: `None` is for ever.
    idle: Option<u128>,
    end: Option<u128>,
    principal: Option<u8>,
    /// Its place among the sessions of its principal.
    place: usize,
    /// Ends with the session.
    former: Option<Former>,
}

/// The id that a session had before its last rotation, which leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Former {
    number: usize,
    /// The last tick of its grace: `None` is for ever.
    end: Option<u128>,
}

impl Former {
    fn is_over(&self, now: u128) -> bool {
        self.end.is_some_and(|end| now > end)
    }
}

/// The sessions that a store should hold, and its clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Model {
    settings: Settings,
    sessions: BTreeMap<usize, Session>,
    created: usize,
    noted: [Option<u32>; NOTES],
    now: Duration,
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, sessions: BTreeMap::new(), created: 0, noted: [None; NOTES], now: Duration::ZERO }
    }

    /// How many sessions there are, expired ones included.
    pub(crate) fn count(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions have ever been created.
    pub(crate) fn created(&self) -> usize {
        self.created
    }

    /// Whether a create would have to end expired sessions first. The store need not end all of them then.
    pub(crate) fn has_no_room(&self) -> bool {
        self.settings.max_sessions > 0 && self.count() >= self.settings.max_sessions
    }

    /// Does the operation, and returns its result.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Create => Outcome::Created(self.create(Timeouts::default(), None, &[])),
            Operation::CreateWith(attributes) => Outcome::Created(self.create(Timeouts::default(), None, attributes)),
            Operation::CreateFor(timeouts, attributes) => Outcome::Created(self.create(*timeouts, None, attributes)),
            Operation::Insert(subject, timeouts, attributes) => {
                Outcome::Inserted(self.insert(*subject, *timeouts, attributes))
            }
            Operation::Replace(subject, timeouts, attributes) => {
                Outcome::Set(self.replace(*subject, *timeouts, attributes))
            }
            Operation::CreateBound(principal, attributes) => {
                Outcome::Created(self.create(Timeouts::default(), Some(*principal), attributes))
            }
            Operation::Bind(subject, principal) => Outcome::Bound(self.bind(*subject, *principal)),
            Operation::Login(subject, principal) => Outcome::Bound(self.login(*subject, *principal)),
            Operation::Unbind(subject, kept) => Outcome::Rotated(self.unbind(*subject, kept)),
            Operation::SessionsOf(principal) => Outcome::Numbers(self.sessions_of(*principal)),
            Operation::EndSessionsOf(principal) => Outcome::Number(self.end_sessions_of(*principal, None)),
            Operation::EndOthersOf(principal, kept) => {
                // The one that is kept is looked at, if the principal has any.
                let kept = if self.has_sessions(*principal) { self.followed(*kept).ok() } else { None };
                Outcome::Number(self.end_sessions_of(*principal, kept))
            }
            Operation::DeleteWhere(key) => {
                Outcome::Number(self.end_where(|session| value_of(&session.attributes, key).is_some()))
            }
            Operation::ForEach => Outcome::Shown(self.shown()),
            Operation::Set(subject, key, value) => {
                let pair = (key.clone(), value.clone());
                Outcome::Set(self.assign(*subject, &[pair], Limits::NONE))
            }
            Operation::SetEach(subject, pairs) => {
                Outcome::Set(self.assign(*subject, pairs, Limits::of(&self.settings)))
            }
            Operation::Remove(subject, key) => {
                Outcome::Removed(self.removed(*subject, key).map(|value| value.is_some()))
            }
            Operation::Take(subject, key) => Outcome::Got(self.removed(*subject, key).ok().flatten()),
            Operation::Clear(subject) => {
                let cleared = self.changed(*subject).map(|(session, _)| session.change(Attributes::new()));
                Outcome::Changed(cleared)
            }
            Operation::Increment(subject, key, by) => Outcome::Incremented(self.increment(*subject, key, *by)),
            Operation::Update(subject, steps) => Outcome::Updated(self.update(*subject, steps)),
            Operation::SetIf(place, subject, key, value) => match self.noted[*place] {
                Some(version) => Outcome::SetIf(self.set_if(*place, version, *subject, key, value)),
                None => Outcome::Nothing,
            },
            Operation::UpdateIf(place, subject, steps) => match self.noted[*place] {
                Some(version) => Outcome::UpdatedIf(self.update_if(*place, version, *subject, steps)),
                None => Outcome::Nothing,
            },
            Operation::SetTimeouts(subject, timeouts) => Outcome::Changed(self.set_timeouts(*subject, *timeouts)),
            Operation::Rotate(subject, grace) => Outcome::Rotated(self.rotate(*subject, *grace)),
            Operation::Delete(subject) => {
                let live = self.followed(*subject);
                Outcome::Was(live.is_ok_and(|number| self.sessions.remove(&number).is_some()))
            }
            Operation::Count => Outcome::Number(self.count()),
            Operation::EvictExpired | Operation::EvictInPieces => Outcome::Number(self.evict_expired()),
            Operation::Flush => Outcome::Nothing,
            Operation::Advance(span) => {
                self.now += *span;
                Outcome::Nothing
            }
            other => self.look(other),
        }
    }

    /// Does an operation that changes nothing, but for touches.
    fn look(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Get(subject, key) => {
                Outcome::Got(self.touch(*subject).ok().and_then(|session| value_of(&session.attributes, key)))
            }
            Operation::Contains(subject, key) => {
                Outcome::Was(self.touch(*subject).is_ok_and(|session| value_of(&session.attributes, key).is_some()))
            }
            Operation::Read(subject) => {
                Outcome::Read(self.touch(*subject).ok().map(|session| session.attributes.clone()))
            }
            Operation::Snapshot(place, subject) => {
                let session = self.touch(*subject).ok().cloned();
                self.noted[*place] = session.as_ref().map(|session| session.version);
                Outcome::Read(session.map(|session| session.attributes))
            }
            Operation::Note(place, subject) => {
                self.noted[*place] = self.live(*subject).ok().map(|session| session.version);
                Outcome::Was(self.noted[*place].is_some())
            }
            Operation::Lookup(subject) => {
                Outcome::LookedUp(self.touch(*subject).map(|session| session.attributes.clone()))
            }
            Operation::Touch(subject) => Outcome::Was(self.touch(*subject).is_ok()),
            Operation::Exists(subject) => Outcome::Was(self.live(*subject).is_ok()),
            Operation::ExpiresIn(subject) => {
                let now = self.tick();
                Outcome::Left(self.live(*subject).ok().map(|session| session.left(now)))
            }
            other => unreachable!("{other:?} does not only look"),
        }
    }

    fn create(
        &mut self,
        timeouts: Timeouts,
        principal: Option<u8>,
        given: &[(String, String)],
    ) -> Result<usize, CreateError> {
        let attributes = collected(given, Limits::of(&self.settings)).map_err(|refused| match refused {
            SetError::TooManyAttributes { count, limit } => CreateError::TooManyAttributes { count, limit },
            SetError::TooLarge { size, limit } => CreateError::TooLarge { size, limit },
            other => unreachable!("{other:?} of attributes alone"),
        })?;
        if self.has_no_room() {
            self.evict_expired();
        }
        // The principal's limit comes first: an operation that it refuses ends no session.
        if principal.is_some_and(|principal| !self.has_room_for(principal)) {
            return Err(CreateError::PrincipalFull);
        }
        if self.has_no_room() {
            return Err(CreateError::Full);
        }
        let session = self.session(timeouts, principal, attributes);
        Ok(self.number(session))
    }

    /// One that begins now.
    fn session(&self, timeouts: Timeouts, principal: Option<u8>, attributes: Attributes) -> Session {
        let now = self.tick();
        let idle = ticks(timeouts.idle.unwrap_or(self.settings.ttl));
        let end = timeouts.absolute.or(self.settings.absolute_timeout).and_then(ticks).map(|ticks| now + ticks);
        Session { attributes, version: 0, touched: now, idle, end, principal, place: self.created, former: None }
    }

    fn number(&mut self, session: Session) -> usize {
        let number = self.created;
        self.created += 1;
        self.sessions.insert(number, session);
        number
    }

    fn rotate(&mut self, subject: Subject, grace: Duration) -> Result<usize, RotateError> {
        let rotated = self.changed(subject).map(|(session, now)| {
            session.version += 1;
            (session.clone(), now)
        });
        let (session, now) = rotated?;
        let old = subject.number(self.created).ok_or(MissingError::NotFound)?;
        self.sessions.remove(&old);
        // From now on its former id forwards to nothing.
        let former = Former { number: old, end: ticks(grace).map(|ticks| now + ticks) };
        Ok(self.number(Session { former: (!grace.is_zero()).then_some(former), ..session }))
    }

    /// A live session that is to be changed, and touched by that. Its own id is needed for it.
    fn changed(&mut self, subject: Subject) -> Result<(&mut Session, u128), MissingError> {
        let (session, now) = self.unchanged(subject)?;
        session.touched = now;
        Ok((session, now))
    }

    /// A live session that may be changed, and the present tick.
    fn unchanged(&mut self, subject: Subject) -> Result<(&mut Session, u128), MissingError> {
        let now = self.tick();
        let number = subject.number(self.created).ok_or(MissingError::NotFound)?;
        if !self.sessions.contains_key(&number) {
            return Err(MissingError::NotFound);
        }
        self.followed(Subject::Numbered(number))?;
        self.sessions.get_mut(&number).map(|session| (session, now)).ok_or(MissingError::NotFound)
    }

    fn touch(&mut self, subject: Subject) -> Result<&Session, MissingError> {
        let now = self.tick();
        let session = self.live(subject)?;
        session.touched = now;
        Ok(session)
    }

    /// A live session, also by an id that leads to it.
    fn live(&mut self, subject: Subject) -> Result<&mut Session, MissingError> {
        let number = self.followed(subject)?;
        self.sessions.get_mut(&number).ok_or(MissingError::NotFound)
    }

    /// The number of a live session, also by an id that leads to it. An expired one is removed.
    fn followed(&mut self, subject: Subject) -> Result<usize, MissingError> {
        let now = self.tick();
        let number = self.led_to(subject.number(self.created).ok_or(MissingError::NotFound)?);
        if self.sessions.get(&number).ok_or(MissingError::NotFound)?.is_over(now) {
            self.sessions.remove(&number);
            return Err(MissingError::Expired);
        }
        Ok(number)
    }

    /// The number of the session whose former id this is, within its grace; or else the number itself.
    fn led_to(&self, number: usize) -> usize {
        let now = self.tick();
        let leads = |former: &Former| former.number == number && !former.is_over(now);
        let led_to = self.sessions.iter().find(|(_, session)| session.former.as_ref().is_some_and(leads));
        led_to.map_or(number, |(led_to, _)| *led_to)
    }

    /// The store tells time in whole milliseconds.
    fn tick(&self) -> u128 {
        self.now.as_millis()
    }
}

impl Session {
    /// Makes another version of it, unless it has these attributes already.
    fn change(&mut self, attributes: Attributes) {
        if attributes != self.attributes {
            self.attributes = attributes;
            self.version += 1;
        }
    }

    /// By these timeouts from now on.
    fn lives(&mut self, timeouts: Timeouts, now: u128) {
        if let Some(idle) = timeouts.idle {
            self.idle = ticks(idle);
        }
        if let Some(absolute) = timeouts.absolute {
            self.end = ticks(absolute).map(|ticks| now + ticks);
        }
    }

    fn is_over(&self, now: u128) -> bool {
        self.idle.is_some_and(|idle| now - self.touched > idle) || self.end.is_some_and(|end| now > end)
    }

    /// How long it has to live, if it is live.
    fn left(&self, now: u128) -> Duration {
        let idle = self.idle.map(|idle| self.touched + idle - now);
        let end = self.end.map(|end| end - now);
        let least = [idle, end].into_iter().flatten().min();
        least.map_or(Duration::MAX, span)
    }
}

/// How long so many ticks take.
fn span(ticks: u128) -> Duration {
    Duration::from_millis(u64::try_from(ticks).expect("no limit is so long"))
}

/// A timeout in whole ticks, rounded up; `None` is for ever.
fn ticks(timeout: Duration) -> Option<u128> {
    (timeout != Duration::MAX).then(|| timeout.as_nanos().div_ceil(1_000_000))
}
