//! Explores the scenarios, then breaks the rules one at a time.
//!
//! ```sh
//! cargo run --release -p shared-model                               # all
//! cargo run --release -p shared-model -- age-from-the-answer        # the counterexample of one rule
//! ```

use shared_model::{Filling, Rule, SCENARIOS, Setup, search};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    match std::env::args().nth(1) {
        Some(name) => one(&name),
        None => all(),
    }
}

/// Prints the shortest counterexample that breaking a rule has.
fn one(name: &str) -> ExitCode {
    let Some(&rule) = Rule::ALL.iter().find(|rule| rule.name() == name) else {
        eprintln!("error: there is no rule {name}");
        return ExitCode::FAILURE;
    };
    match search(Setup::breaking(rule)) {
        Ok(_) => ExitCode::FAILURE,
        Err(counterexample) => {
            print!("{}: {counterexample}", rule.scenario());
            ExitCode::SUCCESS
        }
    }
}

fn all() -> ExitCode {
    let mut good = true;
    let both = [Filling::ByTasks, Filling::ByReader];
    for (scenario, filling) in
        both.into_iter().flat_map(|filling| SCENARIOS.iter().map(move |scenario| (scenario, filling)))
    {
        let start = Instant::now();
        match search(Setup { scenario, broken: None, filling }) {
            Ok(found) => println!("{} {filling:?}: {} states, {:.1?}", scenario.name, found.states, start.elapsed()),
            Err(counterexample) => {
                good = false;
                print!("FAILED {} {filling:?}: {counterexample}", scenario.name);
            }
        }
    }
    for &rule in Rule::ALL {
        let start = Instant::now();
        match search(Setup::breaking(rule)) {
            Ok(found) => {
                good = false;
                println!("MISSED {} by {}: {} states", rule.name(), rule.scenario(), found.states);
            }
            Err(found) => println!(
                "caught {} by {}: {} steps, {} states, {:.1?}",
                rule.name(),
                rule.scenario(),
                found.steps.len(),
                found.states,
                start.elapsed()
            ),
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
