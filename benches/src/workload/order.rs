//! The data types of a workload: the order that a process carries out, and the measurements that it returns.

use crate::clock::Clock;
use crate::contender::{Contender, Extent, Setup};
use crate::ids::Ids;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A workload. One process makes one contender's store, fills it, and measures the rows of one scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    /// Gets from a thousand sessions: of one of them, and uniformly.
    Small,
    /// Gets from a hundred thousand sessions, and misses.
    Middle,
    /// Gets from a million sessions, uniformly and by Zipf's law, and misses.
    Large,
    /// Gets, sets and all other operations on a hundred thousand sessions.
    Mixed,
    /// Short-lived sessions: churn and login.
    Churn,
    /// Creates, from an empty store to a million sessions.
    Growth,
    /// One thread evicts half of a million sessions while another reads.
    Evict,
    /// Bytes a session: of a million, after deleting half of them, and after deleting all; and bytes of ten sessions.
    Footprint,
}

impl Scene {
    pub const ALL: [Self; 8] =
        [Self::Small, Self::Middle, Self::Large, Self::Mixed, Self::Churn, Self::Growth, Self::Evict, Self::Footprint];

    /// Tells whether a contender of this extent has the operations of the scene.
    pub fn suits(self, extent: Extent) -> bool {
        match self {
            Self::Small | Self::Middle | Self::Large | Self::Growth => true,
            Self::Mixed | Self::Churn | Self::Footprint => extent != Extent::Lookups,
            Self::Evict => extent == Extent::Store,
        }
    }

    /// Tells whether the scene has a row for each number of threads.
    pub fn has_threads(self) -> bool {
        !matches!(self, Self::Evict | Self::Footprint)
    }
}

/// The clock of the contenders.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    #[default]
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

/// A scene, with the settings of the contender that plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Variant {
    pub scene: Scene,
    pub time: Time,
    /// Files from before there was a choice do not have it.
    #[serde(default)]
    pub ids: Ids,
}

impl Variant {
    /// With the coarse clock, and ids from the operating system.
    pub fn new(scene: Scene) -> Self {
        Self { scene, time: Time::default(), ids: Ids::default() }
    }
}

/// Numbers of sessions, and durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    pub small: usize,
    pub middle: usize,
    pub large: usize,
    /// The sessions that stay in the store while others come and go.
    pub busy: usize,
    /// How long a row is measured, after a quarter of that to warm up.
    pub window_ms: u64,
    /// How long gets are timed before the eviction begins.
    pub quiet_ms: u64,
    /// How long a scene waits for memory after sessions were removed.
    pub back_ms: u64,
}

/// The work of one process, except the name of the contender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    #[serde(flatten)]
    pub variant: Variant,
    pub threads: Vec<usize>,
    pub sizes: Sizes,
}

impl Order {
    pub(super) fn setup(&self, sessions: usize) -> Setup {
        Setup { ids: self.variant.ids, ..Setup::new(self.variant.time.clock(), sessions) }
    }

    pub(super) fn store<C: Contender>(&self, sessions: usize) -> C {
        C::open(self.setup(sessions))
    }

    pub(super) fn window(&self) -> Duration {
        Duration::from_millis(self.sizes.window_ms)
    }
}

/// A row of a table, within a scene.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub sessions: usize,
    pub threads: usize,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    #[serde(flatten)]
    pub row: Row,
    pub metric: String,
    pub value: f64,
}

impl Measured {
    pub(super) fn new(name: &str, sessions: usize, threads: usize, metric: &str, value: f64) -> Self {
        Self { row: Row { name: name.to_owned(), sessions, threads }, metric: metric.to_owned(), value }
    }
}
