//! The command line.

use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const USAGE: &str = "usage: soak [--minutes N] [--threads N] [--seed N]
  --minutes N   how long to run, in minutes; fractions are fine (1)
  --threads N   how many threads use the store at once, 1 to 256 (as many as processors, 4 at the least)
  --seed N      which choices the threads make; what they meet still depends on the scheduler (taken from the time)";

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) time: Duration,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
}

impl Arguments {
    /// Reads the command line; `None` if it asks for help.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let processors = available_parallelism().map_or(1, usize::from);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut arguments = Self {
            time: Duration::from_secs(60),
            threads: processors.clamp(4, 256),
            seed: u64::from(since_1970.subsec_nanos()),
        };
        while let Some(option) = words.next() {
            let mut value = || words.next().ok_or(format!("{option} needs a value"));
            match &*option {
                "--minutes" => arguments.time = minutes(&value()?)?,
                "--threads" => arguments.threads = threads(&value()?)?,
                "--seed" => arguments.seed = seed(&value()?)?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown argument: {option}")),
            }
        }
        Ok(Some(arguments))
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| *minutes > 0.0);
    minutes
        .and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok())
        .ok_or(format!("--minutes takes a number above 0, not {text:?}"))
}

fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads| (1..=256).contains(threads));
    threads.ok_or(format!("--threads takes a number from 1 to 256, not {text:?}"))
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("--seed takes a whole number, not {text:?}"))
}
