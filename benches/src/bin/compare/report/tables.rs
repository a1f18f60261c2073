//! The tables, in Markdown.

use crate::data::figures::{Figures, NS, Subject, Summary};
use crate::data::format::{number, spread, thousands};
use cloakroom_benches::contender::Extent;
use cloakroom_benches::contenders::ALL;
use cloakroom_benches::ids::Ids;
use cloakroom_benches::workload::{Row, Scene, Time};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The metrics other than [`NS`], in the order of their columns.
const METRICS: [&str; 23] = [
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
    "bytes half left",
    "bytes left",
    "heap bytes",
    "heap bytes half left",
    "heap bytes left",
    "bytes in all",
    "heap bytes in all",
];

/// The rows that have metrics other than [`NS`], with the titles of their tables.
const ROWS_OF_METRICS: [(Scene, &str, &str); 4] = [
    (Scene::Growth, "growth", "The creates of the growth, one by one"),
    (Scene::Evict, "evict", "Eviction of half of the sessions, and another thread's gets"),
    (Scene::Footprint, "footprint", "Bytes a session"),
    (Scene::Footprint, "store of ten", "Bytes of a small store, compared with no store"),
];

/// All tables, one for each row.
pub(crate) fn all(figures: &Figures, reference: &str) -> String {
    let mut text = String::new();
    let mut written = BTreeSet::new();
    for subject in figures.subjects().filter(|subject| subject.metric == NS) {
        let Subject { variant, row, .. } = subject;
        if written.insert((variant.scene, variant.time, &row.name, row.sessions)) {
            speeds(&mut text, figures, subject, reference);
        }
    }
    for (scene, name, title) in ROWS_OF_METRICS {
        metrics(&mut text, figures, (scene, name), title);
    }
    text
}

/// Tells whether two subjects are columns of the same table of speeds: they differ in the threads or the ids only.
fn share_a_table(a: &Subject, b: &Subject) -> bool {
    (a.variant.scene, a.variant.time, &a.metric) == (b.variant.scene, b.variant.time, &b.metric)
        && (&a.row.name, a.row.sessions) == (&b.row.name, b.row.sessions)
}

/// The speeds of one row, with a column for each number of threads and each source of ids.
fn speeds(text: &mut String, figures: &Figures, first: &Subject, reference: &str) {
    let columns: Vec<&Subject> = figures.subjects().filter(|subject| share_a_table(subject, first)).collect();
    let clock = if first.variant.time == Time::Instant { ", Instant" } else { "" };
    let Row { name, sessions, .. } = &first.row;
    let _ = writeln!(text, "\n### {name}, {} sessions{clock}\n", thousands(*sessions));
    for note in notes(name, &columns) {
        let _ = writeln!(text, "{note}\n");
    }
    let mut head = "| ns an operation and thread (times the speed of the reference) |".to_owned();
    for column in &columns {
        let _ = write!(head, " {} |", heading(column));
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

fn heading(column: &Subject) -> String {
    let threads = match column.row.threads {
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    };
    match column.variant.ids {
        Ids::System => threads,
        Ids::UserSpace => threads + ", ids from a user-space generator",
    }
}

/// Facts that a reader needs to compare the table with another one, or its columns with each other.
fn notes(row: &str, columns: &[&Subject]) -> Vec<&'static str> {
    let mut notes = Vec::new();
    let may_miss_the_cache = columns.iter().any(|column| matches!(column.variant.scene, Scene::Middle | Scene::Large));
    if may_miss_the_cache && (row.starts_with("get") || row.starts_with("read")) {
        notes.push(
            "`get` and `read` of the same value differ by a cache line as soon as the sessions do not fit the cache: \
             `get` copies the value, which lies in another line than the head of the session.",
        );
    }
    if columns.iter().any(|column| column.variant.ids == Ids::UserSpace) {
        notes.push(
            "The user-space generator is ChaCha12, one for each thread; cloakroom draws eight ids by one call instead. In \
             the other columns each id is a call of the operating system.",
        );
    }
    notes
}

/// The store with the least median.
fn best<'a>(figures: &'a Figures, subject: &Subject) -> Option<&'a str> {
    let is_store = |name: &&str| ALL.iter().any(|known| known.name == *name && known.extent != Extent::Lookups);
    let median = |name: &&str| figures.summary(subject, name).map_or(f64::INFINITY, |summary| summary.median);
    figures.contenders(subject).filter(is_store).min_by(|a, b| median(a).total_cmp(&median(b)))
}

/// A table for each number of sessions and of threads, with a column for each metric except [`NS`].
fn metrics(text: &mut String, figures: &Figures, (scene, name): (Scene, &str), title: &str) {
    let of_row = |subject: &&Subject| subject.variant.scene == scene && subject.row.name == name;
    let mut rows: Vec<&Row> = figures.subjects().filter(of_row).map(|subject| &subject.row).collect();
    rows.dedup();
    for row in rows {
        let mut columns: Vec<&Subject> = (figures.subjects())
            .filter(|subject| subject.variant.scene == scene && subject.row == *row && subject.metric != NS)
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

/// `12.3 (11.9 to 13.0), x2.10 (2.04 to 2.15)`, without the spreads if there is only one round.
fn cell(figure: Option<Summary>, ratio: Option<Summary>) -> String {
    let Some(figure) = figure else { return "–".to_owned() };
    let mut cell = spread(figure, number);
    if let Some(ratio) = ratio {
        let _ = write!(cell, ", x{}", spread(ratio, |value| format!("{value:.2}")));
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::Record;
    use cloakroom_benches::workload::{Measured, Variant};

    fn record(contender: &str, ids: Ids, value: f64) -> Record {
        let measured = [1, 2].map(|threads| Measured {
            row: Row { name: "churn".to_owned(), sessions: 10, threads },
            metric: NS.to_owned(),
            value: value * threads as f64,
        });
        let variant = Variant { ids, ..Variant::new(Scene::Churn) };
        Record { round: 0, contender: contender.to_owned(), variant, measured: measured.into() }
    }

    #[test]
    fn ids_from_user_space_are_further_columns_with_their_own_reference() {
        let figures = Figures::new(&[
            record("cloakroom", Ids::System, 100.0),
            record("papaya", Ids::System, 200.0),
            record("cloakroom", Ids::UserSpace, 80.0),
            record("papaya", Ids::UserSpace, 40.0),
        ]);
        let text = all(&figures, "papaya");
        assert_eq!(text.matches("### churn").count(), 1);
        assert!(text.contains("| 1 thread | 2 threads | 1 thread, ids from a user-space generator | 2 threads, ids"));
        assert!(text.contains("| cloakroom | **100, x2.00** | **200, x2.00** | 80.0, x0.50 | 160, x0.50 |"), "{text}");
    }

    #[test]
    fn every_metric_of_a_scene_has_a_place_among_the_columns() {
        let settings = r#"{"small":10,"middle":10,"large":64,"busy":10,"window_ms":1,"quiet_ms":1,"back_ms":1}"#;
        let sizes = serde_json::from_str(settings).unwrap();
        for scene in [Scene::Growth, Scene::Footprint] {
            let order = cloakroom_benches::workload::Order { variant: Variant::new(scene), threads: vec![1], sizes };
            for measured in cloakroom_benches::workload::play::<cloakroom::SessionStore>(&order) {
                let Measured { row, metric, .. } = measured;
                assert!(metric == NS || METRICS.contains(&&*metric), "{metric}");
                assert!(ROWS_OF_METRICS.iter().any(|known| (known.0, known.1) == (scene, &*row.name)), "{row:?}");
            }
        }
    }
}
