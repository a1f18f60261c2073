//! Servers that share their sessions in an engine, beside one that keeps them in memory and beside
//! tower-sessions-redis-store. Starts an engine of its own, and needs `redis-server` or `valkey-server`.
//!
//! `shared run [--rounds N] [--seconds S] [--out DIR]` measures all, prints the tables, and writes them, the figures
//! and the chart into the directory.
//!
//! Each kind of server is a process of its own (`shared serve KIND URL`). In each round every kind has its turn, first
//! one and then another; ratios are computed within a round. The client of the servers is in this process, the same for
//! each.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

mod chart;
mod client;
#[path = "../../../../adapters/tower/tests/support/engine.rs"]
mod engine;
mod figures;
mod local;
mod round_trips;
mod servers;

use figures::{Figures, Summary};
use servers::{KINDS, Kind, Server};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a run does.
struct Plan {
    rounds: usize,
    seconds: f64,
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &words[..] {
        ["serve", kind, url] => servers::serve(Kind::named(kind).ok_or("no such kind")?, url),
        ["hit", kind, url] => local::turns(kind, url),
        ["run", rest @ ..] => run(&plan(rest)?),
        _ => Err("usage: shared run [--rounds N] [--seconds S] [--out DIR]".into()),
    }
}

fn plan(words: &[&str]) -> Result<Plan> {
    let mut plan = Plan { rounds: 7, seconds: 4.0, out: None };
    for pair in words.chunks(2) {
        match pair {
            ["--rounds", rounds] => plan.rounds = rounds.parse()?,
            ["--seconds", seconds] => plan.seconds = seconds.parse()?,
            ["--out", dir] => plan.out = Some(dir.into()),
            _ => return Err(format!("what is {pair:?}?").into()),
        }
    }
    if plan.rounds == 0 || plan.seconds <= 0.0 {
        return Err("a run has a round, and takes time".into());
    }
    Ok(plan)
}

fn run(plan: &Plan) -> Result<()> {
    let engine = engine::Engine::start_with(&["--appendonly", "no"]);
    let mut figures = Figures::default();
    let span = Duration::from_secs_f64(plan.seconds);
    local::measure(&engine, plan.rounds, span, &mut figures)?;
    round_trips::measure(&engine, plan.rounds, span, &mut figures)?;
    let servers = KINDS.iter().map(|kind| Server::start(*kind, &engine)).collect::<Result<Vec<_>>>()?;
    for request in ["GET /profile", "POST /visit"] {
        for server in &servers {
            server.load(request, span / 4)?;
        }
        for round in 0..plan.rounds {
            for turn in 0..servers.len() {
                let server = &servers[(round + turn) % servers.len()];
                let before = engine.commands();
                let load = server.load(request, span)?;
                let name = server.kind.name();
                figures.note(round, &format!("{request}: requests a second"), name, load.rate);
                figures.note(round, &format!("{request}: p99, µs"), name, load.p99);
                let commands = (engine.commands() - before) as f64 / load.requests as f64;
                figures.note(round, &format!("{request}: commands that the engine runs a request"), name, commands);
                eprintln!("round {round} {request} {name}: {:.0} a second", load.rate);
            }
        }
    }
    let report = report(&figures);
    println!("{report}");
    match &plan.out {
        Some(dir) => write(dir, &figures, &report),
        None => Ok(()),
    }
}

fn write(dir: &Path, figures: &Figures, report: &str) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("shared.jsonl"), figures.lines())?;
    fs::write(dir.join("shared.md"), report)?;
    let bars = KINDS.map(|kind| (kind.title(), figures.of("GET /profile: requests a second", kind.name())));
    Ok(fs::write(dir.join("shared.svg"), chart::chart(&bars))?)
}

/// The tables: medians of the rounds, with the least and the greatest, and ratios to the first column.
fn report(figures: &Figures) -> String {
    let mut text = String::from("| figure | kind | median (least to greatest) | to the first |\n|---|---|---|---|\n");
    for what in figures.names() {
        for kind in figures.kinds(&what) {
            let Summary { median, least, greatest } = figures.of(&what, &kind);
            let ratio = figures.ratio(&what, &kind);
            let digits = if median < 100.0 { 2 } else { 0 };
            let spread = format!("{median:.digits$} ({least:.digits$} to {greatest:.digits$})");
            let Summary { median, least, greatest } = ratio;
            // There is no ratio to nothing.
            let ratio =
                if greatest.is_finite() { format!("{median:.2} ({least:.2} to {greatest:.2})") } else { String::new() };
            text += &format!("| {what} | {kind} | {spread} | {ratio} |\n");
        }
    }
    text
}
