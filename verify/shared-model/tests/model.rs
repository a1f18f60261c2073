//! The protocol keeps its promises, and none of its rules can be left out.

use shared_model::{Filling, Rule, SCENARIOS, Scenario, Setup, search};

/// The widest of those that the reader fills, which the program explores.
const WIDE: [&str; 2] = ["logout-against-two-readers", "engine-emptied"];

fn explore(filling: Filling) {
    let wide = |scenario: &&Scenario| filling == Filling::ByReader && WIDE.contains(&scenario.name);
    for scenario in SCENARIOS.iter().filter(|scenario| !wide(scenario)) {
        let explored = search(Setup { scenario, broken: None, filling });
        let explored = explored.unwrap_or_else(|counterexample| panic!("{}: {counterexample}", scenario.name));
        println!("{}: {} states", scenario.name, explored.states);
    }
}

#[test]
fn every_scenario_keeps_the_promises_if_tasks_fill_the_near_cache() {
    explore(Filling::ByTasks);
}

#[test]
fn every_scenario_keeps_the_promises_if_the_reader_fills_the_near_cache() {
    explore(Filling::ByReader);
}

#[test]
fn every_broken_rule_breaks_a_promise() {
    for &rule in Rule::ALL {
        let Err(counterexample) = search(Setup::breaking(rule)) else {
            panic!("{} is broken, and {} does not notice", rule.name(), rule.scenario());
        };
        println!("{}: {counterexample}", rule.name());
    }
}

#[test]
fn a_counterexample_has_its_steps() {
    let counterexample = search(Setup::breaking(Rule::TouchBeyondTheDeadline)).expect_err("the rule is broken");
    assert!(counterexample.steps.iter().any(|step| step.contains("Touch")), "{counterexample}");
    assert!(counterexample.steps.last().is_some_and(|step| step.contains("Tick")), "{counterexample}");
}

#[test]
fn the_readme_lists_every_rule_with_its_scenario() {
    let rows = include_str!("../README.md").lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        (cells.len() == 5).then(|| (cells[0], cells[3]))
    });
    let rules = Rule::ALL.iter().map(|rule| (rule.name(), rule.scenario()));
    assert_eq!(rows.collect::<Vec<_>>(), rules.collect::<Vec<_>>());
}
