//! Who does what, and which faults may happen meanwhile.

use crate::rules::{Filling, Rule};
use crate::{Key, Time};

/// An operation of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Reads the session: from the near cache if it is fresh, otherwise from the engine.
    Read(Key),
    /// Writes the version after the one that the task has read last.
    Update(Key),
    /// Lengthens the time until the session expires.
    Touch(Key),
    /// Ends the session.
    Delete(Key),
    /// Ends all sessions of the principal.
    EndAll,
    /// Makes sure that the principal has a generation, as a login does.
    Login,
    /// Gives the session its new id.
    Rotate,
    /// Creates a session.
    Create(Key),
}

/// Two nodes with tasks, and how often each fault may happen.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What the README calls it.
    pub name: &'static str,
    /// For each node its tasks: lists of operations.
    pub nodes: [&'static [&'static [Op]]; 2],
    /// Whether there is a session at the beginning.
    pub exists: bool,
    /// The absolute deadline of sessions. `Time::MAX` for none, and no idle timeout then.
    pub deadline: Time,
    /// How far the clock goes.
    pub ticks: u8,
    /// Pings of all nodes.
    pub pings: u8,
    /// Connections that are cut.
    pub cuts: u8,
    /// Keys that the engine drops from its tracking table.
    pub evictions: u8,
    /// Times that the engine loses all keys.
    pub flushes: u8,
    /// Times that the engine loses the generation.
    pub losses: u8,
    /// Writes that are given up before their answer comes.
    pub timeouts: u8,
    /// Logouts that the engine refuses to execute, as a replica does.
    pub refusals: u8,
}

use Key::{New, Old};
use Op::{Create, Delete, EndAll, Login, Read, Rotate, Touch, Update};

const CALM: Scenario = Scenario {
    name: "",
    nodes: [&[], &[]],
    exists: true,
    deadline: Time::MAX,
    ticks: 3,
    pings: 1,
    cuts: 0,
    evictions: 0,
    flushes: 0,
    losses: 0,
    timeouts: 0,
    refusals: 0,
};

/// What is explored.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "logout-elsewhere", nodes: [&[&[Read(Old), Read(Old)]], &[&[Delete(Old)]]], pings: 2, ..CALM },
    Scenario {
        name: "logout-against-two-readers",
        nodes: [&[&[Read(Old), Read(Old)], &[Read(Old)]], &[&[Delete(Old)]]],
        ticks: 2,
        ..CALM
    },
    Scenario { name: "logout-here", nodes: [&[&[Read(Old)], &[Delete(Old), Read(Old)]], &[]], evictions: 1, ..CALM },
    Scenario {
        name: "logout-elsewhere-and-a-cut",
        nodes: [&[&[Read(Old), Read(Old)]], &[&[Delete(Old)]]],
        pings: 1,
        cuts: 1,
        ticks: 2,
        evictions: 1,
        ..CALM
    },
    Scenario {
        name: "logout-here-unconfirmed",
        nodes: [&[&[Read(Old)], &[Delete(Old), Read(Old)]], &[]],
        cuts: 1,
        refusals: 2,
        ticks: 1,
        ..CALM
    },
    Scenario {
        name: "end-of-all-after-an-eviction",
        nodes: [&[&[Read(Old), Read(Old), Read(Old)]], &[&[EndAll]]],
        ticks: 2,
        evictions: 1,
        ..CALM
    },
    Scenario {
        name: "end-of-all-elsewhere",
        nodes: [&[&[Read(Old), Read(Old)]], &[&[EndAll]]],
        pings: 2,
        evictions: 1,
        ..CALM
    },
    Scenario { name: "generation-lost", nodes: [&[&[Read(Old)], &[Login]], &[&[EndAll]]], losses: 1, ticks: 2, ..CALM },
    Scenario {
        name: "engine-emptied",
        nodes: [&[&[Read(Old), Read(Old)]], &[&[Read(Old), Update(Old)]]],
        flushes: 1,
        ticks: 2,
        ..CALM
    },
    Scenario {
        name: "update-against-logout",
        nodes: [&[&[Read(Old), Update(Old), Read(Old)]], &[&[Delete(Old)]]],
        ticks: 2,
        timeouts: 1,
        cuts: 1,
        ..CALM
    },
    Scenario {
        name: "update-against-end-of-all",
        nodes: [&[&[Read(Old), Update(Old)]], &[&[EndAll]]],
        ticks: 1,
        ..CALM
    },
    Scenario {
        name: "two-updates",
        nodes: [&[&[Read(Old), Update(Old), Read(Old)]], &[&[Read(Old), Update(Old)]]],
        ticks: 2,
        ..CALM
    },
    Scenario {
        name: "update-against-a-reader-here",
        nodes: [&[&[Read(Old), Update(Old), Read(Old)], &[Read(Old)]], &[]],
        ..CALM
    },
    Scenario {
        name: "rotation-against-logout",
        nodes: [&[&[Read(Old), Rotate, Read(New)]], &[&[Delete(Old), Delete(New)]]],
        ticks: 2,
        cuts: 1,
        ..CALM
    },
    Scenario { name: "rotation-against-end-of-all", nodes: [&[&[Read(Old), Rotate]], &[&[EndAll]]], ticks: 2, ..CALM },
    Scenario {
        name: "deadline",
        nodes: [&[&[Read(Old), Read(Old)]], &[&[Touch(Old)]]],
        deadline: 3,
        ticks: 4,
        pings: 2,
        ..CALM
    },
    Scenario {
        name: "creation-unanswered",
        nodes: [&[&[Create(Old), Delete(Old)]], &[]],
        exists: false,
        cuts: 2,
        ticks: 1,
        ..CALM
    },
];

/// A scenario, with a rule broken or none.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Who does what.
    pub scenario: &'static Scenario,
    /// The rule that is broken.
    pub broken: Option<Rule>,
    /// How the near cache is filled.
    pub filling: Filling,
}

impl Setup {
    /// Returns the scenario that shows what goes wrong without a rule, with that rule broken.
    ///
    /// # Panics
    ///
    /// Panics if there is no scenario of that name.
    #[must_use]
    pub fn breaking(rule: Rule) -> Self {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == rule.scenario());
        Self { scenario: scenario.expect("each rule names a scenario"), broken: Some(rule), filling: rule.filling() }
    }

    pub(crate) fn by_reader(self) -> bool {
        self.filling == Filling::ByReader
    }

    pub(crate) fn breaks(self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }
}
