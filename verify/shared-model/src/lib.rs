//! A model of the protocol by which nodes share the sessions of one engine and keep those in use in near caches.
//!
//! One session, of which there may be two ids by a rotation, and its principal's generation. The model has an engine
//! with a tracking table, for each node a connection of two queues, and in each node a near cache, pings and tasks that
//! read, write and end the session. [`search`] visits every state that some order of steps, faults and ticks of the
//! clock leads to. The README has the promises, the rules and the scenarios.
//!
//! | file | what it has |
//! |---|---|
//! | `engine.rs` | keys, versions, deadlines, the generation, the tracking table |
//! | `world/wire.rs` | the connections: what is sent, delivered, cut, and made anew |
//! | `near.rs` | the near cache: reserve, fulfil, kill, bar |
//! | `world/reader.rs` | how the store fills it |
//! | `node.rs`, `world/tasks.rs` | what a node knows, and the steps of its operations |
//! | `world/mod.rs` | all of it, and the actions that lead on |
//! | `world/promises.rs` | what must not happen |
//! | `rules.rs`, `scenario.rs` | what can be broken, and who does what |
//! | `search.rs` | the search |

mod engine;
mod near;
mod node;
mod rules;
mod scenario;
mod search;
mod world;

pub use rules::{Filling, Rule};
pub use scenario::{Op, SCENARIOS, Scenario, Setup};
pub use search::{Counterexample, Explored, search};

/// Ticks of the one clock that all have.
pub type Time = u8;

/// How long after the acknowledged end a hit may still show a session.
pub const STALENESS: Time = 1;

/// A key of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// The session's first id.
    Old = 0,
    /// The id to which it may be rotated.
    New = 1,
    /// The generation of its principal.
    Principal = 2,
}

impl Key {
    const ALL: [Self; 3] = [Self::Old, Self::New, Self::Principal];
    const SESSIONS: [Self; 2] = [Self::Old, Self::New];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    const fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            _ => Self::Old,
        }
    }
}
