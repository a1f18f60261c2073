//! Runs the comparison and reports it: see `benches/README.md`.
//!
//! The runner starts a process of its own program for each contender, scene and round ([`run`]), writes what it is told
//! to a file of JSON lines ([`records`]), and makes tables, charts and the verdict on the bar from that file alone
//! ([`report`]).

mod bar;
mod charts;
mod figures;
mod machine;
mod plan;
mod records;
mod report;
mod run;
mod tables;

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
    Run(plan::Options),
    /// Makes tables, charts and the verdict on the bar from what was measured.
    Report {
        /// The directory that was measured into.
        directory: PathBuf,
        #[command(flatten)]
        style: report::Style,
    },
    /// Names the contenders.
    Contenders,
    /// Plays one scene and prints what it measured: what `run` starts for each contender.
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
        Command::Run(options) => {
            run::run(&options)?;
            report::write(&options.out, &options.style)
        }
        Command::Report { directory, style } => report::write(&directory, &style),
        Command::Contenders => {
            cloakroom_benches::contenders::ALL.iter().for_each(|contender| println!("{}", contender.name));
            Ok(())
        }
        Command::Play { contender, order } => run::play(&contender, &order),
    }
}
