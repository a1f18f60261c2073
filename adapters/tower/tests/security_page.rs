//! `docs/security.md` has a row for every requirement, and names only existing files and functions.

use std::{fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/security.md")).expect("the page exists")
}

/// The requirements of a chapter in the first cells of the table under a heading. A cell may contain several.
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

/// All requirements of a chapter, from the number of requirements in each of its sections.
fn chapter(number: u32, counts: &[u32]) -> Vec<String> {
    let sections = (1..).zip(counts);
    sections.flat_map(|(section, &count)| (1..=count).map(move |last| format!("{number}.{section}.{last}"))).collect()
}

#[test]
fn every_requirement_of_both_versions_has_a_row() {
    let page = page();
    assert_eq!(requirements(&page, "Sessions (ASVS 5.0.0, chapter V7)", "7."), chapter(7, &[3, 4, 2, 5, 3, 2]));
    assert_eq!(requirements(&page, "ASVS 4.0.3", "3."), chapter(3, &[1, 4, 4, 5, 3, 2, 1]));
}

/// The code spans: every second part between backticks.
fn code(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

#[test]
fn every_named_file_exists() {
    let page = page();
    let mut files = code(&page).filter(|code| code.contains('/') && code.ends_with(".rs"));
    assert!(files.all(|file| root().join(file).exists()), "a named file does not exist");
    assert!(root().join("adapters/tower/examples/server/guard.rs").exists());
}

#[test]
fn every_named_function_exists() {
    let mut sources = String::new();
    for folder in ["src", "adapters/tower/src", "adapters/dbsc/src"] {
        read_all(&root().join(folder), &mut sources);
    }
    let page = page();
    let is_name = |code: &&str| code.contains('_') && !code.contains(['-', '/', '.', ' ', '(']) || code.contains("::");
    // The last part of a path, without arguments.
    let calls = code(&page).filter(is_name).map(|code| code.rsplit("::").next().expect("a part"));
    // Without the name of the cookie and a function of tower-sessions.
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
