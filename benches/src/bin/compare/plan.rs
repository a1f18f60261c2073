//! What is run: the sizes, the rounds, and the order of the processes.

use crate::report::Style;
use clap::{Args, ValueEnum};
use cloakroom_benches::contenders::{ALL, Profile};
use cloakroom_benches::workload::{Order, Scene, Sizes, Time};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Options {
    /// Where the figures go.
    #[arg(long, default_value = "target/compare")]
    pub(crate) out: PathBuf,
    /// Goes on with a run that was interrupted, or adds rounds to it.
    #[arg(long)]
    pub(crate) resume: bool,
    /// How much is measured.
    #[arg(long, value_enum, default_value_t = Extent::Full)]
    extent: Extent,
    /// Short for `--extent quick`: all contenders at a fifth of the size, under three minutes.
    #[arg(long)]
    quick: bool,
    /// Short for `--extent standard`: the full size in fewer rounds.
    #[arg(long)]
    standard: bool,
    /// Only these scenes.
    #[arg(long, value_enum, value_delimiter = ',')]
    scenes: Vec<Scene>,
    /// Only contenders whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    contenders: Vec<String>,
    /// Only these numbers of threads.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    threads: Vec<usize>,
    /// How many rounds, in place of what the extent has.
    #[arg(long)]
    rounds: Option<usize>,
    #[command(flatten)]
    pub(crate) style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extent {
    /// Everything at a thousandth of the size, once: to see that it works.
    Smoke,
    Quick,
    Standard,
    Full,
}

/// What the figures depend on, besides the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) sizes: Sizes,
    pub(crate) threads: Vec<usize>,
}

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) round: usize,
    pub(crate) contender: &'static str,
    pub(crate) order: Order,
}

pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) rounds: usize,
    pub(crate) jobs: Vec<Job>,
}

impl Extent {
    fn sizes(self) -> Sizes {
        let full = Sizes {
            small: 1_000,
            middle: 100_000,
            large: 1_000_000,
            busy: 10_000,
            window_ms: 50,
            quiet_ms: 300,
            back_ms: 1_100,
        };
        match self {
            Self::Smoke => {
                Sizes { small: 10, middle: 100, large: 1_000, busy: 10, window_ms: 2, quiet_ms: 20, back_ms: 20 }
            }
            Self::Quick => Sizes { large: 200_000, window_ms: 20, quiet_ms: 200, back_ms: 300, ..full },
            Self::Standard => Sizes { window_ms: 40, ..full },
            Self::Full => full,
        }
    }

    fn rounds(self) -> usize {
        match self {
            Self::Smoke | Self::Quick => 1,
            Self::Standard => 3,
            Self::Full => 5,
        }
    }

    /// The rounds in which a scene is played with `Instant` as well.
    fn rounds_with_instant(self) -> usize {
        match self {
            Self::Smoke => 1,
            Self::Quick => 0,
            Self::Standard | Self::Full => 3,
        }
    }
}

/// The scenes that are played with either clock: those in which a lookup costs little more than a clock.
const EITHER_CLOCK: [Scene; 3] = [Scene::Small, Scene::Middle, Scene::Mixed];

impl Options {
    fn extent(&self) -> Extent {
        if self.quick {
            Extent::Quick
        } else if self.standard {
            Extent::Standard
        } else {
            self.extent
        }
    }

    pub(crate) fn plan(&self) -> Result<Plan, Box<dyn Error>> {
        let extent = self.extent();
        let settings = Settings { sizes: extent.sizes(), threads: self.threads.clone() };
        if settings.threads.contains(&0) {
            return Err("a row has one thread at the least".into());
        }
        let rounds = self.rounds.unwrap_or(extent.rounds());
        let contenders = self.contenders()?;
        let mut jobs = Vec::new();
        for round in 0..rounds {
            for (scene, time) in self.scenes(extent, round) {
                jobs.extend(turn(&contenders, round).filter(|contender| scene.suits(contender.extent)).map(
                    |contender| {
                        let order = Order { scene, time, threads: settings.threads.clone(), sizes: settings.sizes };
                        Job { round, contender: contender.name, order }
                    },
                ));
            }
        }
        Ok(Plan { settings, rounds, jobs })
    }

    fn contenders(&self) -> Result<Vec<Profile>, Box<dyn Error>> {
        for part in &self.contenders {
            if !ALL.iter().any(|contender| contender.name.contains(&**part)) {
                return Err(format!("no contender has a name with \"{part}\" in it: see `compare contenders`").into());
            }
        }
        let wanted = |contender: &&Profile| {
            self.contenders.is_empty() || self.contenders.iter().any(|part| contender.name.contains(&**part))
        };
        Ok(ALL.iter().filter(wanted).copied().collect())
    }

    fn scenes(&self, extent: Extent, round: usize) -> Vec<(Scene, Time)> {
        let wanted = |scene: &Scene| self.scenes.is_empty() || self.scenes.contains(scene);
        let coarse = Scene::ALL.into_iter().filter(wanted).map(|scene| (scene, Time::Coarse));
        let instant = EITHER_CLOCK.into_iter().filter(wanted).map(|scene| (scene, Time::Instant));
        coarse.chain(instant.filter(|_| round < extent.rounds_with_instant())).collect()
    }
}

/// The contenders from another one on in each round, so that none always follows the same.
fn turn(contenders: &[Profile], round: usize) -> impl Iterator<Item = &Profile> {
    // A step that shares no factor with most lengths.
    const STEP: usize = 7;
    (0..contenders.len()).map(move |index| &contenders[(index + STEP * round) % contenders.len()])
}
