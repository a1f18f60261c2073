//! Running something under many schedules, each of them repeatable.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cloakroom::memory::free_all;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};

use crate::randomness;

/// How the next thread to run is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheduling {
    Random,
    /// By priorities that change at a few places, 2 to 11 of them.
    Pct,
}

/// Executions under one seed. PCT learns from the first how long they are.
const BLOCK: usize = 50;

/// Runs `execute` under as many schedules as `CLOAKROOM_SHUTTLE_ITERATIONS` says, 5,000 when it says nothing; under
/// those of one seed where `CLOAKROOM_SHUTTLE_SEED` is set.
pub(crate) fn explore(scheduling: Scheduling, execute: fn()) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<usize>().expect("a number"));
    let iterations = number("CLOAKROOM_SHUTTLE_ITERATIONS").unwrap_or(5_000);
    let seeds = match number("CLOAKROOM_SHUTTLE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..iterations.div_ceil(BLOCK),
    };
    for seed in seeds {
        randomness::seed(seed as u64);
        let ran = catch_unwind(AssertUnwindSafe(|| run(scheduling, seed, execute)));
        match ran {
            Ok(executions) => assert_eq!(executions, BLOCK),
            Err(panic) => {
                eprintln!("failed under {scheduling:?} schedules: repeat it with CLOAKROOM_SHUTTLE_SEED={seed}");
                resume_unwind(panic);
            }
        }
    }
}

fn run(scheduling: Scheduling, seed: usize, execute: fn()) -> usize {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    let execution = move || {
        execute();
        assert!(free_all() > 0, "nothing was retired");
    };
    match scheduling {
        Scheduling::Random => Runner::new(RandomScheduler::new_from_seed(seed as u64, BLOCK), config).run(execution),
        Scheduling::Pct => {
            let scheduler = PctScheduler::new_from_seed(seed as u64, 3 + seed % 10, BLOCK);
            Runner::new(scheduler, config).run(execution)
        }
    }
}
