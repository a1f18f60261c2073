//! Runs the comparison and reports it: see `benches/README.md`.
//!
//! The runner starts a process of this program for each contender, scene and round ([`run`]), and writes the figures
//! that the process prints to a file of JSON lines ([`data::records`]). The tables, the charts and the verdict on the
//! bar are made from that file alone ([`report`]).
//!
//! Modules import from lower layers only:
//!
//! | layer | modules |
//! |---|---|
//! | 3 | [`run`]: the processes. [`report`]: `bar`, `tables` and `charts`, which do not know each other |
//! | 2 | [`plan`]: the order of the processes |
//! | 1 | [`data`]: `figures` from `records`, the `machine` that they were measured on, and their `format` |
//! | 0 | the library |

#![deny(unsafe_code)]

mod data;
mod plan;
mod report;
mod run;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: cloakroom_benches::memory::Counting = cloakroom_benches::memory::Counting;

#[derive(Parser)]
#[command(about = "Compares session stores")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, then reports.
    Run {
        #[command(flatten)]
        options: plan::Options,
        #[command(flatten)]
        style: report::Style,
    },
    /// Makes tables, charts and the verdict on the bar from the figures of a run.
    Report {
        /// The directory of the figures.
        directory: PathBuf,
        #[command(flatten)]
        style: report::Style,
    },
    /// Lists the contenders.
    Contenders,
    /// Plays one scene and prints its figures. `run` starts this for each contender.
    #[command(hide = true)]
    Play { contender: String, order: String },
}

fn main() -> ExitCode {
    match execute(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Run { options, style } => {
            run::run(&options)?;
            report::write(&options.out, &style)
        }
        Command::Report { directory, style } => report::write(&directory, &style),
        Command::Contenders => {
            cloakroom_benches::contenders::ALL.iter().for_each(|contender| println!("{}", contender.name));
            Ok(())
        }
        Command::Play { contender, order } => run::play(&contender, &order),
    }
}
