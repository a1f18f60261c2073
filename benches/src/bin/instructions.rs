//! Judges instruction counts: reads the output of the benchmark `counts`, one JSON object a line, and compares it with
//! the baseline file, or writes that file. Or reads the output of the benchmark `kept`, and compares each operation
//! `x_kept` with `x`; or the output of `near`, and compares each `x_near` with `x`, cache misses too.
//!
//! A baseline holds for one compiler and one kind of processor. With another compiler the same source has other counts,
//! so a higher count need not be the fault of a change. The report says so.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// The operations of one benchmark: the constant of the same name in `benches/counts.rs`.
const TURNS: f64 = 10_000.0;

/// The accepted increase, in percent.
const SLACK: f64 = 3.0;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Baseline {
    compiler: String,
    target: String,
    /// The instructions of one operation, by its name.
    instructions: BTreeMap<String, f64>,
}

impl Baseline {
    fn new(instructions: BTreeMap<String, f64>) -> Self {
        let target = format!("{}-{}", env::consts::ARCH, env::consts::OS);
        Self { compiler: env!("COMPILER").to_owned(), target, instructions }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells whether all counts are accepted.
fn run() -> Result<bool, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let input = io::read_to_string(io::stdin())?;
    let now = Baseline::new(parse(&input, INSTRUCTIONS)?);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check", path] => {
            let baseline = serde_json::from_str(&fs::read_to_string(Path::new(path))?)?;
            let (report, passed) = check(&baseline, &now);
            println!("{report}");
            Ok(passed)
        }
        ["bless", path] => {
            fs::write(path, serde_json::to_string_pretty(&now)? + "\n")?;
            now.instructions.iter().for_each(|(name, count)| println!("{name}: {count:.0}"));
            Ok(true)
        }
        ["kept"] => {
            let (report, passed) = judge(&now.instructions, &MOST_KEPT, "kept")?;
            println!("{report}");
            Ok(passed)
        }
        ["near"] => {
            let (report, cheap) = judge(&now.instructions, &MOST_NEAR, "near")?;
            println!("instructions\n{report}");
            let (report, close) = judge(&parse(&input, MISSES)?, &MOST_NEAR_MISSES, "near")?;
            println!("\nmisses of the first cache\n{report}");
            Ok(cheap && close)
        }
        _ => {
            Err("usage: instructions check|bless FILE, kept or near, with the benchmark's output on the standard input"
                .into())
        }
    }
}

/// The events of callgrind: instructions, and reads that miss the first cache.
const INSTRUCTIONS: &str = "Ir";
const MISSES: &str = "D1mr";

/// The number of events of one operation, for each benchmark.
fn parse(output: &str, event: &str) -> Result<BTreeMap<String, f64>, Box<dyn Error>> {
    let mut counts = BTreeMap::new();
    for line in output.lines().filter(|line| line.starts_with('{')) {
        let summary: Value = serde_json::from_str(line)?;
        let name = summary["function_name"].as_str().ok_or("a benchmark has no name")?;
        let count = events(&summary["profiles"], event).ok_or_else(|| format!("{name}: no count of {event}"))?;
        counts.insert(name.to_owned(), count / TURNS);
    }
    if counts.is_empty() { Err("no benchmark in the input".into()) } else { Ok(counts) }
}

/// The new count of an event below the first field `total`, at any depth of the profile.
fn events(profiles: &Value, event: &str) -> Option<f64> {
    fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
        match value {
            Value::Object(fields) => fields.get(key).or_else(|| fields.values().find_map(|field| find(field, key))),
            Value::Array(items) => items.iter().find_map(|item| find(item, key)),
            _ => None,
        }
    }
    fn number(value: &Value) -> Option<f64> {
        match value {
            Value::Number(number) => number.as_f64(),
            // In a comparison with an earlier run, the new count comes first.
            Value::Array(items) => items.first().and_then(number),
            Value::Object(fields) => ["values", "new", "both"].iter().find_map(|key| number(fields.get(*key)?)),
            _ => None,
        }
    }
    number(find(find(profiles, "total")?, event)?)
}

/// Returns a table, and whether all counts are accepted. A benchmark that is missing on one side is not.
fn check(baseline: &Baseline, now: &Baseline) -> (String, bool) {
    let mut report = format!("{:>16} {:>12} {:>12} {:>8}\n", "operation", "baseline", "now", "change");
    let mut passed = true;
    let names: std::collections::BTreeSet<&String> =
        baseline.instructions.keys().chain(now.instructions.keys()).collect();
    for name in names {
        let (Some(before), Some(after)) = (baseline.instructions.get(name), now.instructions.get(name)) else {
            report += &format!("{name:>16} is missing on one side\n");
            passed = false;
            continue;
        };
        let change = 100.0 * (after / before - 1.0);
        let mark = if change > SLACK { "  TOO MANY" } else { "" };
        passed &= change <= SLACK;
        report += &format!("{name:>16} {before:>12.0} {after:>12.0} {change:>+7.1}%{mark}\n");
    }
    if (&baseline.compiler, &baseline.target) != (&now.compiler, &now.target) {
        report += &format!(
            "\nNOTE: the baseline is of {} for {}, and this is {} for {}.\n\
             The same source has other counts then. Before you blame a change, make a baseline of the unchanged source \
             with this compiler (ci/instructions.sh bless).\n",
            baseline.compiler, baseline.target, now.compiler, now.target
        );
    }
    report += if passed {
        "\nwithin 3 % of the baseline"
    } else {
        "\nFAILED: more than 3 % above the baseline, or not comparable"
    };
    (report, passed)
}

/// How many times the instructions of an operation in memory it may take if the session is kept on disk. An end of a
/// session wakes the writing thread.
const MOST_KEPT: [(&str, f64); 4] = [("get", 1.03), ("set", 1.3), ("create", 1.3), ("delete", 2.5)];

/// How many times the instructions of a read in memory it may take from the near cache of `cloakroom-redis`, and how
/// many times the cache misses if the sessions do not fit the first cache.
const MOST_NEAR: [(&str, f64); 2] = [("get", 1.2), ("far_get", 1.2)];
const MOST_NEAR_MISSES: [(&str, f64); 1] = [("far_get", 1.1)];

/// Returns a table, and whether each operation `x_there` takes no more times the events of `x` than `most` says.
fn judge(counts: &BTreeMap<String, f64>, most: &[(&str, f64)], there: &str) -> Result<(String, bool), Box<dyn Error>> {
    let mut report = format!("{:>16} {:>12} {there:>12} {:>8}\n", "operation", "in memory", "ratio");
    let mut passed = true;
    for (name, most) in most {
        let count = |name: &str| counts.get(name).copied().ok_or_else(|| format!("{name} is missing"));
        let (alone, other) = (count(name)?, count(&format!("{name}_{there}"))?);
        let within = other <= most * alone;
        let mark = if within { "" } else { "  TOO MANY" };
        report += &format!("{name:>16} {alone:>12.1} {other:>12.1} {:>8.2} of {most}{mark}\n", other / alone);
        passed &= within;
    }
    report += if passed { "\nwithin the bounds" } else { "\nFAILED: it costs too many times what it does in memory" };
    Ok((report, passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(counts: &[(&str, f64)]) -> Baseline {
        Baseline::new(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
    }

    #[test]
    fn an_increase_of_three_percent_is_accepted_and_no_more() {
        let before = baseline(&[("get", 1_000.0)]);
        assert!(check(&before, &baseline(&[("get", 1_029.9)])).1);
        assert!(check(&before, &baseline(&[("get", 500.0)])).1);
        assert!(!check(&before, &baseline(&[("get", 1_030.1)])).1);
    }

    #[test]
    fn a_benchmark_that_is_missing_on_one_side_fails() {
        let (one, two) = (baseline(&[("get", 1.0)]), baseline(&[("get", 1.0), ("set", 1.0)]));
        assert!(!check(&one, &two).1 && !check(&two, &one).1);
    }

    #[test]
    fn an_operation_on_disk_is_compared_with_the_same_one_in_memory() {
        let counts = |set_kept| {
            let counts = ["get", "set", "create", "delete"].map(|name| [name.to_owned(), format!("{name}_kept")]);
            let mut counts: BTreeMap<_, _> = counts.into_iter().flatten().map(|name| (name, 1_000.0)).collect();
            counts.insert("set_kept".to_owned(), set_kept);
            counts
        };
        assert!(judge(&counts(1_300.0), &MOST_KEPT, "kept").unwrap().1);
        assert!(!judge(&counts(1_301.0), &MOST_KEPT, "kept").unwrap().1);
        assert!(judge(&BTreeMap::from([("get".to_owned(), 1.0)]), &MOST_KEPT, "kept").is_err());
    }

    #[test]
    fn the_new_total_is_read_with_or_without_an_old_one() {
        for values in [r#"{"new":20000}"#, r#"{"both":[20000,7]}"#] {
            let total =
                format!(r#"{{"total":{{"metrics":{{"Dr":{{"values":{{"new":5}}}},"Ir":{{"values":{values}}}}}}}}}"#);
            let line = format!(r#"{{"function_name":"get","profiles":[{{"data":{total}}}]}}"#);
            let parsed = |event| parse(&format!("noise\n{line}\n"), event);
            assert_eq!(parsed(INSTRUCTIONS).unwrap(), BTreeMap::from([("get".to_owned(), 2.0)]));
            assert_eq!(parsed("Dr").unwrap(), BTreeMap::from([("get".to_owned(), 0.0005)]));
            assert!(parsed(MISSES).is_err());
        }
        assert!(parse("", INSTRUCTIONS).is_err() && parse(r#"{"function_name":"get"}"#, INSTRUCTIONS).is_err());
    }

    #[test]
    fn another_compiler_is_reported() {
        let now = baseline(&[("get", 1.0)]);
        let other = Baseline { compiler: "rustc 1.0.0".to_owned(), ..baseline(&[("get", 1.0)]) };
        assert!(check(&other, &now).0.contains("NOTE") && !check(&now, &now).0.contains("NOTE"));
    }
}
