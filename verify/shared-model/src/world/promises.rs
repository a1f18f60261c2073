//! What the protocol promises, and what has happened so far that the promises are about.

use super::World;
use crate::engine::Executed;
use crate::node::{Floor, GONE};
use crate::scenario::Setup;
use crate::{Key, STALENESS, Time};

/// A promise that was broken.
pub(crate) type Violation = &'static str;

/// What no part of the protocol knows, and the promises are about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Past {
    /// The session has been ended at the engine.
    ended: bool,
    /// For each key: there was a session, and it has gone.
    gone: [bool; 2],
    /// For each key: when a caller was first told so.
    told: [Option<Time>; 2],
    /// For each key: the version of an acknowledged update, and when it was.
    updated: [Option<(Floor, Time)>; 2],
    /// Updates that the engine has executed.
    updates: u8,
}

impl Past {
    pub(crate) const NOTHING: Self =
        Self { ended: false, gone: [false; 2], told: [None; 2], updated: [None; 2], updates: 0 };

    /// Makes all instants equal that are more than the staleness ago.
    pub(crate) fn forget(&mut self, now: Time) {
        let told = self.told.iter_mut().flatten();
        let updated = self.updated.iter_mut().flatten().map(|(_, at)| at);
        told.chain(updated).filter(|at| now > **at + STALENESS).for_each(|at| *at = 0);
    }
}

impl World {
    /// Which keys have a session at the engine.
    pub(crate) fn standing(&self, setup: Setup) -> [bool; 2] {
        Key::SESSIONS.map(|key| self.engine.stands(key, self.now, setup))
    }

    /// Notes what a request has done, and looks for a revival.
    pub(crate) fn executed(&mut self, stood: [bool; 2], executed: &Executed, setup: Setup) -> Result<(), Violation> {
        let stands = self.standing(setup);
        self.past.ended |= executed.ended;
        for key in Key::SESSIONS {
            self.past.gone[key as usize] |= stood[key as usize] && !stands[key as usize];
            if stands[key as usize] && self.past.gone[key as usize] {
                return Err("an id that had ended has a session again");
            }
        }
        if self.past.ended && stands != [false; 2] {
            return Err("a session that had ended is back at the engine");
        }
        if let crate::engine::Answer::Written(Some(_)) = executed.answer {
            self.past.updates += 1;
        }
        let version = self.engine.sessions[Key::Old as usize].map(|stored| stored.version);
        if version.is_some_and(|version| version != 1 + self.past.updates) {
            return Err("an update was lost");
        }
        Ok(())
    }

    /// Nothing is left of any session.
    pub(crate) fn emptied(&mut self, stood: [bool; 2]) {
        self.past.ended |= stood != [false; 2];
        for key in Key::SESSIONS {
            self.past.gone[key as usize] |= stood[key as usize];
            self.told(key);
        }
    }

    /// A session must be gone when its deadline has passed, whatever was touched.
    pub(crate) fn check_deadline(&self, setup: Setup) -> Result<(), Violation> {
        let late = self.now > setup.scenario.deadline && self.standing(setup) != [false; 2];
        if late { Err("the engine has a session past its absolute deadline") } else { Ok(()) }
    }

    /// A caller learns that the session of a key has ended, if it has.
    pub(crate) fn told(&mut self, key: Key) {
        if self.past.gone[key as usize] {
            self.past.told[key as usize].get_or_insert(self.now);
        }
    }

    /// Whether there was a session under a key, and is none.
    pub(crate) fn has_gone(&self, key: Key) -> bool {
        self.past.gone[key as usize]
    }

    /// A caller learns that its update is done.
    pub(crate) fn told_of_update(&mut self, key: Key, version: Floor) {
        self.past.updated[key as usize] = self.past.updated[key as usize].max(Some((version, self.now)));
    }

    /// What a read that begins now may return, by the near cache and by the engine.
    pub(crate) fn floors(&self, node: usize, key: Key, setup: Setup) -> (Floor, Floor) {
        let past = self.now > setup.scenario.deadline;
        let own = if past { GONE } else { self.nodes[node].floor[key as usize] };
        let told = self.past.told[key as usize].map(|at| (GONE, at));
        let known = [told, self.past.updated[key as usize]].into_iter().flatten();
        let of_fetch = known.clone().map(|(floor, _)| floor).fold(own, Floor::max);
        let stale = known.filter(|&(_, at)| self.now > at + STALENESS);
        (stale.map(|(floor, _)| floor).fold(own, Floor::max), of_fetch)
    }

    /// A read returns a version, or none.
    pub(crate) fn check_read(version: Option<u8>, floor: Floor, hit: bool) -> Result<(), Violation> {
        match version {
            Some(version) if version < floor => Err(match (floor == GONE, hit) {
                (true, true) => "a hit shows a session that ended too long ago",
                (true, false) => "the engine was asked, and the answer shows an ended session",
                (false, true) => "a hit shows a version from before an update, too long after it",
                (false, false) => "the engine was asked, and the answer is from before an update",
            }),
            _ => Ok(()),
        }
    }
}
