//! The engine: keys with versions and deadlines, a generation, and the tracking table.

use crate::rules::{Filling, Rule};
use crate::scenario::Setup;
use crate::{Key, Time};

/// What the engine keeps of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stored {
    pub(crate) version: u8,
    pub(crate) generation: u8,
    /// The last instant at which the key is there.
    pub(crate) expires: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Request {
    Track,
    /// Reads a session and the generation of its principal at one instant.
    Fetch(Key),
    /// Reads the generation alone.
    Generation,
    Ping,
    Create(Key),
    Delete(Key),
    EndAll,
    /// A login of the same principal: makes sure that there is a generation.
    Login,
    Update {
        key: Key,
        expected: u8,
    },
    Touch(Key),
    /// Moves the session from one key to the other.
    Rotate,
    /// Half a rotation: writes what was read under the new key.
    Copy {
        version: u8,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Answer {
    /// The session, if it stands: its version, the time that its key has left, and its generation.
    Fetched(Option<(u8, Time, u8)>),
    Generation(Option<u8>),
    Done(bool),
    /// Nothing was executed.
    Refused,
    /// The version that an update has written.
    Written(Option<u8>),
}

/// What the execution of a request has done.
pub(crate) struct Executed {
    pub(crate) answer: Answer,
    /// Keys that were written, as bits: their invalidations are to be sent.
    pub(crate) written: u8,
    /// Whether the session itself was ended, under whichever key.
    pub(crate) ended: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Engine {
    pub(crate) sessions: [Option<Stored>; 2],
    pub(crate) generation: Option<u8>,
    next_generation: u8,
    /// For each key the connections that have read it, as bits.
    pub(crate) tracked: [u8; 3],
}

/// How long after a use a key goes.
const IDLE: Time = 2;

impl Engine {
    pub(crate) fn new(setup: Setup) -> Self {
        let session = Stored { version: 1, generation: 1, expires: IDLE.min(setup.scenario.deadline) };
        let session =
            if setup.scenario.deadline == Time::MAX { Stored { expires: Time::MAX, ..session } } else { session };
        Self {
            sessions: [setup.scenario.exists.then_some(session), None],
            generation: Some(1),
            next_generation: 2,
            tracked: [0; 3],
        }
    }

    /// Whether a read finds a session under a key.
    pub(crate) fn stands(&self, key: Key, now: Time, setup: Setup) -> bool {
        self.sessions[key as usize].is_some_and(|stored| {
            let current = self.generation == Some(stored.generation)
                || (setup.breaks(Rule::MissingGenerationCounts) && self.generation.is_none());
            now <= stored.expires && current
        })
    }

    /// Executes a request. `connection` is none of a request that was sent on a connection that is gone.
    pub(crate) fn execute(&mut self, request: Request, connection: Option<usize>, now: Time, setup: Setup) -> Executed {
        let mut written = self.expire(now);
        let mut ended = false;
        let answer = match request {
            Request::Track | Request::Ping => Answer::Done(true),
            Request::Fetch(key) => {
                self.track(key, connection, setup);
                let stands = self.stands(key, now, setup);
                let stored = self.sessions[key as usize].filter(|_| stands);
                Answer::Fetched(stored.map(|stored| (stored.version, stored.expires - now, stored.generation)))
            }
            Request::Generation => {
                if let Some(connection) = connection {
                    self.tracked[Key::Principal as usize] |= 1 << connection;
                }
                Answer::Generation(self.generation)
            }
            Request::Create(key) => Answer::Done(self.create(key, 1, now, setup, &mut written)),
            Request::Copy { version } => Answer::Done(self.create(Key::New, version, now, setup, &mut written)),
            Request::Delete(key) => {
                let there = self.stands(key, now, setup);
                if self.sessions[key as usize].take().is_some() {
                    written |= key.bit();
                }
                // Half a rotation deletes the old key, when the session is under the new one.
                ended = there && !self.stands(key.other(), now, setup);
                Answer::Done(there)
            }
            Request::EndAll => {
                ended = [Key::Old, Key::New].into_iter().any(|key| self.stands(key, now, setup));
                self.renew(setup);
                written |= Key::Principal.bit();
                Answer::Done(true)
            }
            Request::Login => {
                if self.generation.is_none() {
                    self.renew(setup);
                    written |= Key::Principal.bit();
                }
                Answer::Done(true)
            }
            Request::Update { key, expected } => Answer::Written(self.update(key, expected, now, setup, &mut written)),
            Request::Touch(key) => Answer::Done(self.touch(key, now, setup)),
            Request::Rotate => Answer::Done(self.rotate(now, setup, &mut written)),
        };
        Executed { answer, written, ended }
    }

    /// Removes the keys that have expired, as the engine does when they are used.
    fn expire(&mut self, now: Time) -> u8 {
        let mut written = 0;
        for key in [Key::Old, Key::New] {
            let stored = &mut self.sessions[key as usize];
            if stored.is_some_and(|stored| now > stored.expires) {
                *stored = None;
                written |= key.bit();
            }
        }
        written
    }

    fn track(&mut self, key: Key, connection: Option<usize>, setup: Setup) {
        if let Some(connection) = connection {
            self.tracked[key as usize] |= 1 << connection;
            if setup.filling == Filling::ByTasks && !setup.breaks(Rule::GenerationNotTracked) {
                self.tracked[Key::Principal as usize] |= 1 << connection;
            }
        }
    }

    fn create(&mut self, key: Key, version: u8, now: Time, setup: Setup, written: &mut u8) -> bool {
        let slot = &mut self.sessions[key as usize];
        if slot.is_some() {
            return false;
        }
        let expires = if setup.scenario.deadline == Time::MAX { Time::MAX } else { now + IDLE };
        *slot = Some(Stored { version, generation: self.generation.unwrap_or(1), expires });
        *written |= key.bit();
        true
    }

    /// A generation that no session has.
    fn renew(&mut self, setup: Setup) {
        let anew = setup.breaks(Rule::GenerationBeginsAnew) && self.generation.is_none();
        self.generation = Some(if anew { 1 } else { self.next_generation });
        self.next_generation += 1;
    }

    fn update(&mut self, key: Key, expected: u8, now: Time, setup: Setup, written: &mut u8) -> Option<u8> {
        if setup.breaks(Rule::UpdateCreates) && self.sessions[key as usize].is_none() {
            self.create(key, expected, now, setup, written);
        }
        let current = self.generation;
        let stored = self.sessions[key as usize].as_mut()?;
        let blind = setup.breaks(Rule::UpdateWithoutComparison);
        if stored.version != expected && !blind {
            return None;
        }
        stored.version = expected + 1;
        if setup.breaks(Rule::ChangeTakesTheGenerationOfNow) {
            stored.generation = current.unwrap_or(stored.generation);
        }
        *written |= key.bit();
        Some(stored.version)
    }

    fn touch(&mut self, key: Key, now: Time, setup: Setup) -> bool {
        let deadline = setup.scenario.deadline;
        self.sessions[key as usize].as_mut().is_some_and(|stored| {
            let lengthened = now + IDLE;
            let beyond = setup.breaks(Rule::TouchBeyondTheDeadline);
            stored.expires = stored.expires.max(if beyond { lengthened } else { lengthened.min(deadline) });
            true
        })
    }

    fn rotate(&mut self, now: Time, setup: Setup, written: &mut u8) -> bool {
        let rebinds = setup.breaks(Rule::ChangeTakesTheGenerationOfNow);
        if !self.stands(Key::Old, now, setup) && !rebinds || self.sessions[Key::New as usize].is_some() {
            return false;
        }
        let Some(stored) = self.sessions[Key::Old as usize].take() else { return false };
        let generation = self.generation.filter(|_| rebinds).unwrap_or(stored.generation);
        self.sessions[Key::New as usize] = Some(Stored { version: stored.version + 1, generation, ..stored });
        *written |= Key::Old.bit() | Key::New.bit();
        true
    }
}
