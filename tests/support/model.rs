//! The session store as a plain map under a plain clock: what every operation has to return.
//!
//! Sessions are known by their number in the order of creation, for ids are random. In one thing the store is free: a create that
//! meets a full store ends some of the expired sessions, not necessarily all. The model ends all of them; whoever compares has to
//! bring the store to that point as well (see [`Model::has_no_room`]).

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom::{CreateError, SetError};

/// Keys and values in the order in which the keys were first set.
pub(crate) type Attributes = Vec<(String, String)>;

/// What a store is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub(crate) ttl: Duration,
    pub(crate) max_sessions: usize,
    pub(crate) max_session_bytes: usize,
    pub(crate) shards: usize,
}

/// Which session an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One of those created so far, counted back from the newest, round and round. Unknown if there was none.
    Created(usize),
    /// None that was ever created.
    Unknown(u8),
}

impl Subject {
    /// Its number, if so many have been created.
    pub(crate) fn number(self, created: usize) -> Option<usize> {
        match self {
            Self::Created(back) if created > 0 => Some(created - 1 - back % created),
            _ => None,
        }
    }
}

/// One call of the store, or a step of its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    CreateWith(Attributes),
    Set(Subject, String, String),
    Get(Subject, String),
    Read(Subject),
    Exists(Subject),
    Delete(Subject),
    Count,
    EvictExpired,
    Flush,
    Advance(Duration),
}

/// What an operation returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The number of the new session.
    Created(Result<usize, CreateError>),
    Set(Result<(), SetError>),
    Got(Option<String>),
    Read(Option<Attributes>),
    Was(bool),
    Number(usize),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    attributes: Attributes,
    touched: u128,
}

/// The sessions that a store should hold, and its clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Model {
    settings: Settings,
    sessions: BTreeMap<usize, Session>,
    created: usize,
    now: Duration,
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, sessions: BTreeMap::new(), created: 0, now: Duration::ZERO }
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
        self.settings.max_sessions > 0 && self.sessions.len() >= self.settings.max_sessions
    }

    /// Does the operation, and says what it returns.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Create => Outcome::Created(self.create(&[])),
            Operation::CreateWith(attributes) => Outcome::Created(self.create(attributes)),
            Operation::Set(subject, key, value) => Outcome::Set(self.set(*subject, key, value)),
            Operation::Get(subject, key) => {
                let session = self.touch(*subject);
                Outcome::Got(session.and_then(|session| value_of(&session.attributes, key)))
            }
            Operation::Read(subject) => Outcome::Read(self.touch(*subject).map(|session| session.attributes.clone())),
            Operation::Exists(subject) => Outcome::Was(self.live(*subject).is_ok()),
            Operation::Delete(subject) => {
                let live = self.live(*subject);
                Outcome::Was(live.is_ok_and(|number| self.sessions.remove(&number).is_some()))
            }
            Operation::Count => Outcome::Number(self.sessions.len()),
            Operation::EvictExpired => Outcome::Number(self.evict_expired()),
            Operation::Flush => Outcome::Nothing,
            Operation::Advance(span) => {
                self.now += *span;
                Outcome::Nothing
            }
        }
    }

    fn create(&mut self, given: &[(String, String)]) -> Result<usize, CreateError> {
        let mut attributes = Attributes::new();
        for (key, value) in given {
            assign(&mut attributes, key, value);
            let (size, limit) = (size_of(&attributes), self.settings.max_session_bytes);
            if size > limit {
                return Err(CreateError::TooLarge { size, limit });
            }
        }
        if self.has_no_room() && self.evict_expired() == 0 {
            return Err(CreateError::Full);
        }
        let number = self.created;
        self.created += 1;
        self.sessions.insert(number, Session { attributes, touched: self.tick() });
        Ok(number)
    }

    fn set(&mut self, subject: Subject, key: &str, value: &str) -> Result<(), SetError> {
        let number = self.live(subject)?;
        let (now, limit) = (self.tick(), self.settings.max_session_bytes);
        let session = self.sessions.get_mut(&number).ok_or(SetError::NotFound)?;
        let mut attributes = session.attributes.clone();
        assign(&mut attributes, key, value);
        let size = size_of(&attributes);
        if size > limit {
            return Err(SetError::TooLarge { size, limit });
        }
        *session = Session { attributes, touched: now };
        Ok(())
    }

    fn touch(&mut self, subject: Subject) -> Option<&Session> {
        let now = self.tick();
        let number = self.live(subject).ok()?;
        let session = self.sessions.get_mut(&number)?;
        session.touched = now;
        Some(session)
    }

    /// The number of a live session. An expired one is removed.
    fn live(&mut self, subject: Subject) -> Result<usize, SetError> {
        let number = subject.number(self.created).ok_or(SetError::NotFound)?;
        let session = self.sessions.get(&number).ok_or(SetError::NotFound)?;
        if self.is_expired(session) {
            self.sessions.remove(&number);
            return Err(SetError::Expired);
        }
        Ok(number)
    }

    fn evict_expired(&mut self) -> usize {
        let before = self.sessions.len();
        let expired = self.sessions.iter().filter(|(_, session)| self.is_expired(session));
        for number in expired.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.sessions.remove(&number);
        }
        before - self.sessions.len()
    }

    fn is_expired(&self, session: &Session) -> bool {
        self.tick() - session.touched > self.settings.ttl.as_nanos().div_ceil(1_000_000)
    }

    /// The store tells time in whole milliseconds.
    fn tick(&self) -> u128 {
        self.now.as_millis()
    }
}

fn value_of(attributes: &Attributes, key: &str) -> Option<String> {
    attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
}

fn assign(attributes: &mut Attributes, key: &str, value: &str) {
    match attributes.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => value.clone_into(old),
        None => attributes.push((key.to_owned(), value.to_owned())),
    }
}

/// What attributes take, as the documentation of `SessionConfig::max_session_bytes` has it.
fn size_of(attributes: &Attributes) -> usize {
    let text = |text: &String| {
        let more = [64, 4_096, 262_144, 16_777_216, 1_073_741_824].iter().filter(|bound| text.len() >= **bound).count();
        text.len() + 1 + more
    };
    attributes.iter().map(|(key, value)| text(key) + text(value)).sum()
}
