//! `docs/security.md`: it leaves no requirement out, and names nothing that is not there.

use std::{fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/security.md")).expect("the page is there")
}

/// The requirements of a chapter that the rows of the table under a heading begin with, several in one cell taken apart.
fn requirements(page: &str, heading: &str, chapter: &str) -> Vec<String> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
    let first_cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let numbers = first_cells.flat_map(|cell| match cell.split_once(" to ") {
        Some((first, last)) => {
            let (section, first) = first.rsplit_once('.').expect("a number");
            let (first, last): (u32, u32) = (first.parse().expect("a number"), last[4..].parse().expect("a number"));
            (first..=last).map(|number| format!("{section}.{number}")).collect::<Vec<_>>()
        }
        None => cell.split(", ").map(str::to_owned).collect(),
    });
    numbers.filter(|number| number.starts_with(chapter)).collect()
}

/// `counts` tells how many requirements the sections of a chapter have, in order.
fn chapter(number: u32, counts: &[u32]) -> Vec<String> {
    let sections = (1..).zip(counts);
    sections.flat_map(|(section, &count)| (1..=count).map(move |last| format!("{number}.{section}.{last}"))).collect()
}

#[test]
fn every_requirement_of_either_version_has_its_row() {
    let page = page();
    assert_eq!(requirements(&page, "Sessions (ASVS 5.0.0, chapter V7)", "7."), chapter(7, &[3, 4, 2, 5, 3, 2]));
    assert_eq!(requirements(&page, "ASVS 4.0.3", "3."), chapter(3, &[1, 4, 4, 5, 3, 2, 1]));
}

/// What is set like code: every second part between backticks.
fn code(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

#[test]
fn every_file_that_is_named_is_there() {
    let page = page();
    let mut files = code(&page).filter(|code| code.contains('/') && code.ends_with(".rs"));
    assert!(files.all(|file| root().join(file).exists()), "a file has gone");
    assert!(root().join("adapters/tower/examples/server/guard.rs").exists());
}

#[test]
fn every_call_that_is_named_is_there() {
    let mut sources = String::new();
    for folder in ["src", "adapters/tower/src"] {
        read_all(&root().join(folder), &mut sources);
    }
    let page = page();
    let is_name = |code: &&str| code.contains('_') && !code.contains(['-', '/', '.', ' ', '(']) || code.contains("::");
    // The last part of a path, without arguments.
    let calls = code(&page).filter(is_name).map(|code| code.rsplit("::").next().expect("a part"));
    // The name of the cookie, and a call of tower-sessions.
    let mut ours = calls.filter(|call| !["session_id", "cycle_id", "from_str"].contains(call)).peekable();
    assert!(ours.peek().is_some());
    for call in ours {
        let definitions =
            [format!("fn {call}("), format!("fn {call}<"), format!("pub {call}: "), format!("    {call},\n")];
        assert!(definitions.iter().any(|definition| sources.contains(definition)), "there is no {call}");
    }
}

fn read_all(folder: &PathBuf, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            into.push_str(&fs::read_to_string(path).expect("text"));
        }
    }
}
