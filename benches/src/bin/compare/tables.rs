//! The tables, in Markdown.

use crate::figures::{Figures, Subject, Summary};
use cloakroom_benches::contender::Extent;
use cloakroom_benches::contenders::ALL;
use cloakroom_benches::workload::{Row, Scene, Time};
use std::fmt::Write;

/// The metric of most rows: nanoseconds an operation takes each thread.
pub(crate) const NS: &str = "ns";

/// The others, in the order of their columns.
const METRICS: [&str; 19] = [
    "p99.9 us",
    "longest us",
    "ms",
    "back ms",
    "freed %",
    "quiet p50 us",
    "during p50 us",
    "quiet p99 us",
    "during p99 us",
    "quiet p99.9 us",
    "during p99.9 us",
    "quiet max us",
    "during max us",
    "quiet gets",
    "during gets",
    "bytes",
    "bytes left",
    "heap bytes",
    "heap bytes left",
];

/// All tables, one for each row.
pub(crate) fn all(figures: &Figures, reference: &str) -> String {
    let mut text = String::new();
    let mut last = None;
    for subject in figures.subjects() {
        let Subject { scene, time, row, metric } = subject;
        let group = (*scene, *time, row.name.clone(), row.sessions);
        if metric == NS && last.as_ref() != Some(&group) {
            speeds(&mut text, figures, subject, reference);
            last = Some(group);
        }
    }
    for (scene, title) in [
        (Scene::Growth, "The creates of the growth, one by one"),
        (Scene::Evict, "Eviction of half of the sessions, and another thread's gets"),
        (Scene::Footprint, "Bytes a session"),
    ] {
        metrics(&mut text, figures, scene, title);
    }
    text
}

/// A row at each number of threads.
fn speeds(text: &mut String, figures: &Figures, first: &Subject, reference: &str) {
    let at_all_threads = |subject: &&Subject| {
        (subject.scene, subject.time, &*subject.metric) == (first.scene, first.time, NS)
            && (&subject.row.name, subject.row.sessions) == (&first.row.name, first.row.sessions)
    };
    let columns: Vec<&Subject> = figures.subjects().filter(at_all_threads).collect();
    let clock = if first.time == Time::Instant { ", Instant" } else { "" };
    let Row { name, sessions, .. } = &first.row;
    let _ = writeln!(text, "\n### {name}, {} sessions{clock}\n", thousands(*sessions));
    let mut head = "| ns an operation and thread (times the speed of the reference) |".to_owned();
    for column in &columns {
        let threads = column.row.threads;
        let _ = write!(head, " {threads} thread{} |", if threads == 1 { "" } else { "s" });
    }
    let _ = writeln!(text, "{head}\n|---|{}", "---|".repeat(columns.len()));
    let best: Vec<Option<&str>> = columns.iter().map(|column| best(figures, column)).collect();
    for contender in ALL.iter().map(|contender| contender.name) {
        if !columns.iter().any(|column| figures.summary(column, contender).is_some()) {
            continue;
        }
        let _ = write!(text, "| {contender} |");
        for (column, best) in columns.iter().zip(&best) {
            let ratio = figures.ratio(column, reference, contender);
            let cell = cell(figures.summary(column, contender), ratio);
            let _ = if *best == Some(contender) { write!(text, " **{cell}** |") } else { write!(text, " {cell} |") };
        }
        text.push('\n');
    }
}

/// The contender of the least median that is a store.
pub(crate) fn best<'a>(figures: &'a Figures, subject: &Subject) -> Option<&'a str> {
    let is_store = |name: &&str| ALL.iter().any(|known| known.name == *name && known.extent != Extent::Lookups);
    let median = |name: &&str| figures.summary(subject, name).map_or(f64::INFINITY, |summary| summary.median);
    let subject = figures.subjects().find(|known| *known == subject)?;
    figures.contenders(subject).filter(is_store).min_by(|a, b| median(a).total_cmp(&median(b)))
}

/// A table with a column for each metric of a scene, but for those that the tables of speeds have.
fn metrics(text: &mut String, figures: &Figures, scene: Scene, title: &str) {
    let mut rows: Vec<&Row> = figures.subjects().filter(|subject| subject.scene == scene).map(|of| &of.row).collect();
    rows.dedup();
    for row in rows {
        let mut columns: Vec<&Subject> = (figures.subjects())
            .filter(|subject| subject.scene == scene && subject.row == *row && subject.metric != NS)
            .collect();
        columns.sort_by_key(|subject| METRICS.iter().position(|known| *known == subject.metric));
        let threads = match row.threads {
            _ if !scene.has_threads() => String::new(),
            1 => ", 1 thread".to_owned(),
            threads => format!(", {threads} threads"),
        };
        let _ = writeln!(text, "\n### {title}: {} sessions{threads}\n", thousands(row.sessions));
        let names: Vec<&str> = columns.iter().map(|column| &*column.metric).collect();
        let _ = writeln!(text, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
        for contender in ALL.iter().map(|contender| contender.name) {
            let cells: Vec<_> = columns.iter().map(|column| figures.summary(column, contender)).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<String> = cells.into_iter().map(|summary| cell(summary, None)).collect();
            let _ = writeln!(text, "| {contender} | {} |", cells.join(" | "));
        }
    }
}

/// `12.3 (11.9 to 13.0), x2.10 (2.04 to 2.15)`; the spread only where there is more than one round.
fn cell(figure: Option<Summary>, ratio: Option<Summary>) -> String {
    let Some(figure) = figure else { return "–".to_owned() };
    let mut cell = spread(figure, number);
    if let Some(ratio) = ratio {
        let _ = write!(cell, ", x{}", spread(ratio, |value| format!("{value:.2}")));
    }
    cell
}

pub(crate) fn spread(summary: Summary, format: impl Fn(f64) -> String) -> String {
    let Summary { median, least, greatest, rounds } = summary;
    let median = format(median);
    if rounds == 1 { median } else { format!("{median} ({} to {})", format(least), format(greatest)) }
}

/// Three digits, or all before the point.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => thousands(value.round() as usize),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_thousands_apart() {
        let shown: Vec<String> = [1_234_567.4, 999.6, 12.34, 1.234, 0.0].map(number).into();
        assert_eq!(shown, ["1,234,567", "1,000", "12.3", "1.23", "0.00"]);
        assert_eq!(number(-0.5), "-0.50");
    }
}
