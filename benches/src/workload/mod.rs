//! What is done to a store, and what is measured.
//!
//! A *scene* is what one process does to one contender: it makes a store, fills it, and measures the rows for which
//! that store serves.

pub mod eviction;
pub mod footprint;
pub mod growth;
pub mod lookups;
pub mod race;
pub mod writes;

use crate::clock::Clock;
use crate::contender::{Contender, Extent, Setup};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    /// Gets from a thousand sessions: of one of them, and uniformly.
    Small,
    /// Gets from a hundred thousand sessions, and misses.
    Middle,
    /// Gets from a million sessions, uniformly and by Zipf's law, and misses.
    Large,
    /// Gets, sets and the rest on a hundred thousand sessions.
    Mixed,
    /// Sessions that come and go: churn and login.
    Churn,
    /// Creates from an empty store to a million sessions.
    Growth,
    /// One thread evicts half of a million sessions, another reads.
    Evict,
    /// Bytes a session at a million, and after deleting all.
    Footprint,
}

impl Scene {
    pub const ALL: [Self; 8] =
        [Self::Small, Self::Middle, Self::Large, Self::Mixed, Self::Churn, Self::Growth, Self::Evict, Self::Footprint];

    /// Whether a contender of this extent can play it.
    pub fn suits(self, extent: Extent) -> bool {
        match self {
            Self::Small | Self::Middle | Self::Large | Self::Growth => true,
            Self::Mixed | Self::Churn | Self::Footprint => extent != Extent::Lookups,
            Self::Evict => extent == Extent::Store,
        }
    }

    /// Whether rows for different numbers of threads are measured.
    pub fn has_threads(self) -> bool {
        !matches!(self, Self::Evict | Self::Footprint)
    }
}

/// Which clock the contenders read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    Coarse,
    Instant,
}

impl Time {
    pub fn clock(self) -> Clock {
        match self {
            Self::Coarse => Clock::Coarse,
            Self::Instant => Clock::precise(),
        }
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    pub small: usize,
    pub middle: usize,
    pub large: usize,
    /// Sessions that are there while others come and go.
    pub busy: usize,
    /// For how long a row is measured. A quarter of it goes ahead to warm up.
    pub window_ms: u64,
    /// For how long gets are timed before the eviction begins, and at the most how long memory is waited for after it.
    pub quiet_ms: u64,
    pub back_ms: u64,
}

/// What a process is to do, besides the name of the contender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub scene: Scene,
    pub time: Time,
    pub threads: Vec<usize>,
    pub sizes: Sizes,
}

/// What tells one measurement from another within a scene.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub sessions: usize,
    pub threads: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    #[serde(flatten)]
    pub row: Row,
    pub metric: String,
    pub value: f64,
}

impl Measured {
    fn new(name: &str, sessions: usize, threads: usize, metric: &str, value: f64) -> Self {
        Self { row: Row { name: name.to_owned(), sessions, threads }, metric: metric.to_owned(), value }
    }
}

impl Order {
    /// Does it.
    pub fn play<C: Contender>(&self) -> Vec<Measured> {
        match self.scene {
            Scene::Small => lookups::small::<C>(self),
            Scene::Middle => lookups::middle::<C>(self),
            Scene::Large => lookups::large::<C>(self),
            Scene::Mixed => writes::mixed::<C>(self),
            Scene::Churn => writes::churn::<C>(self),
            Scene::Growth => growth::grow::<C>(self),
            Scene::Evict => eviction::evict::<C>(self),
            Scene::Footprint => footprint::footprint::<C>(self),
        }
    }

    fn store<C: Contender>(&self, sessions: usize) -> C {
        C::open(Setup::new(self.time.clock(), sessions))
    }

    fn window(&self) -> Duration {
        Duration::from_millis(self.sizes.window_ms)
    }
}
