//! The plan of a run: the sizes, the rounds, and the order of the processes.

use crate::data::records::{Record, Settings};
use clap::{Args, ValueEnum};
use cloakroom_benches::contenders::{ALL, Profile};
use cloakroom_benches::ids::Ids;
use cloakroom_benches::workload::{Order, Scene, Sizes, Time, Variant};
use std::error::Error;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Options {
    /// The directory of the figures.
    #[arg(long, default_value = "target/compare")]
    pub(crate) out: PathBuf,
    /// Continues an interrupted run, or adds rounds to a complete one.
    #[arg(long)]
    pub(crate) resume: bool,
    /// How much is measured.
    #[arg(long, value_enum, default_value_t = Extent::Full)]
    extent: Extent,
    /// Short for `--extent quick`: all contenders at a fifth of the size, in one round.
    #[arg(long)]
    quick: bool,
    /// Short for `--extent standard`: the full size, in fewer rounds.
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
    /// The number of rounds, instead of that of the extent.
    #[arg(long)]
    rounds: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extent {
    /// Everything at a thousandth of the size, in one round: a test of the benchmark itself.
    Smoke,
    Quick,
    Standard,
    Full,
}

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) round: usize,
    pub(crate) contender: &'static str,
    pub(crate) order: Order,
}

impl Job {
    pub(crate) fn is_done(&self, records: &[Record]) -> bool {
        records.iter().any(|record| {
            (record.round, &*record.contender, record.variant) == (self.round, self.contender, self.order.variant)
        })
    }
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

    /// The number of rounds that measure [`EITHER_CLOCK`] with `Instant` too.
    fn rounds_with_instant(self) -> usize {
        match self {
            Self::Smoke => 1,
            Self::Quick => 0,
            Self::Standard | Self::Full => 3,
        }
    }
}

/// The scenes that are measured with either clock, because a look-up in them costs little more than a clock.
const EITHER_CLOCK: [Scene; 3] = [Scene::Small, Scene::Middle, Scene::Mixed];

/// The scenes that are measured with either source of ids, because drawing the id is a large part of their operations.
const EITHER_IDS: [Scene; 1] = [Scene::Churn];

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
            return Err("a row has at least one thread".into());
        }
        let rounds = self.rounds.unwrap_or(extent.rounds());
        let contenders = self.contenders()?;
        let mut jobs = Vec::new();
        for round in 0..rounds {
            for variant in self.variants(extent, round) {
                let suited = turn(&contenders, round).filter(|contender| variant.scene.suits(contender.extent));
                jobs.extend(suited.map(|contender| {
                    let order = Order { variant, threads: settings.threads.clone(), sizes: settings.sizes };
                    Job { round, contender: contender.name, order }
                }));
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

    /// The scenes of a round: all of them, then some again with other ids, then some again with the other clock.
    fn variants(&self, extent: Extent, round: usize) -> Vec<Variant> {
        let mut variants: Vec<Variant> = Scene::ALL.into_iter().map(Variant::new).collect();
        variants.extend(EITHER_IDS.map(|scene| Variant { ids: Ids::UserSpace, ..Variant::new(scene) }));
        if round < extent.rounds_with_instant() {
            variants.extend(EITHER_CLOCK.map(|scene| Variant { time: Time::Instant, ..Variant::new(scene) }));
        }
        variants.retain(|variant| self.scenes.is_empty() || self.scenes.contains(&variant.scene));
        variants
    }
}

/// The contenders in their order, rotated by another offset in each round.
fn turn(contenders: &[Profile], round: usize) -> impl Iterator<Item = &Profile> {
    // A prime, so that few lengths share a factor with it.
    const STEP: usize = 7;
    (0..contenders.len()).map(move |index| &contenders[(index + STEP * round) % contenders.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn plan(arguments: &[&str]) -> Plan {
        let arguments = ["compare", "--out", "unused"].iter().chain(arguments);
        Arguments::parse_from(arguments).options.plan().unwrap()
    }

    #[test]
    fn every_contender_that_creates_and_deletes_is_measured_with_either_source_of_ids() {
        let jobs = plan(&["--scenes", "churn", "--rounds", "2"]).jobs;
        for contender in ALL {
            let sources = |round| {
                let of = |job: &&Job| job.contender == contender.name && job.round == round;
                jobs.iter().filter(of).map(|job| job.order.variant.ids).collect::<Vec<_>>()
            };
            let expected: &[Ids] = if Scene::Churn.suits(contender.extent) { &Ids::ALL } else { &[] };
            assert_eq!([sources(0), sources(1)], [expected, expected], "{}", contender.name);
        }
    }

    #[test]
    fn a_job_is_done_by_a_record_of_its_own_variant_only() {
        let jobs = plan(&["--scenes", "churn", "--contenders", "papaya", "--rounds", "1"]).jobs;
        assert_eq!(jobs.len() % 2, 0, "there are two variants");
        let Job { round, contender, order } = jobs[0].clone();
        let record = Record { round, contender: contender.to_owned(), variant: order.variant, measured: Vec::new() };
        let done: Vec<bool> = jobs.iter().map(|job| job.is_done(std::slice::from_ref(&record))).collect();
        assert!(done[0] && done[1..].iter().all(|done| !done), "{done:?}");
    }
}
