//! The three charts, from the figures.
//!
//! They say with what they were measured, show the spread of the rounds, and begin at zero; but for latencies, which
//! span five powers of ten and lie on a logarithmic axis, as points and not as bars.

mod bars;
mod canvas;
mod dots;
mod lines;

use crate::figures::{Figures, Subject, Summary};
use crate::plan::Settings;
use crate::tables::{NS, thousands};
use cloakroom_benches::contenders::ALL;
use cloakroom_benches::workload::{Row, Scene, Time};

/// A contender's name and its figure.
type Entry = (&'static str, Summary);

/// Those of the chart with a line each, which has room for no more. Of a family the best.
const LINES: [&str; 8] =
    ["cloakroom", "one std Mutex", "64 Mutexes", "DashMap", "papaya", "scc HashIndex", "moka", "floor"];

/// Each by the name of its file. A chart of which nothing was measured is left out.
pub(crate) fn all(figures: &Figures, settings: &Settings) -> Vec<(&'static str, String)> {
    let charts = [
        ("scaling-hot.svg", scaling(figures, settings)),
        ("uniform-large.svg", uniform(figures, settings)),
        ("eviction-latency.svg", latency(figures, settings)),
    ];
    charts.into_iter().filter_map(|(name, chart)| Some((name, chart?))).collect()
}

fn subject(scene: Scene, name: &str, sessions: usize, threads: usize, metric: &str) -> Subject {
    let row = Row { name: name.to_owned(), sessions, threads };
    Subject { scene, time: Time::Coarse, row, metric: metric.to_owned() }
}

fn entries(figures: &Figures, subject: &Subject) -> Vec<Entry> {
    let names = ALL.iter().map(|contender| contender.name);
    names.filter_map(|name| Some((name, figures.summary(subject, name)?))).collect()
}

/// Millions of operations a second of all threads together.
fn millions(summary: Summary, threads: usize) -> Summary {
    summary.map(|ns| threads as f64 * 1e3 / ns)
}

fn scaling(figures: &Figures, settings: &Settings) -> Option<String> {
    let of_contender = |name: &&'static str| {
        let point = |&threads: &usize| {
            let subject = subject(Scene::Small, "get hot", settings.sizes.small, threads, NS);
            Some((threads, millions(figures.summary(&subject, name)?, threads)))
        };
        let points: Vec<_> = settings.threads.iter().filter_map(point).collect();
        (*name, points)
    };
    let lines: Vec<_> = LINES.iter().map(of_contender).filter(|(_, points)| !points.is_empty()).collect();
    let title = "Gets of one session that all threads use";
    let subtitle =
        format!("millions a second, all threads together; {} sessions in the store", thousands(settings.sizes.small));
    (!lines.is_empty()).then(|| lines::chart(title, &subtitle, "threads", &lines))
}

fn uniform(figures: &Figures, settings: &Settings) -> Option<String> {
    let sessions = settings.sizes.large;
    let entries = entries(figures, &subject(Scene::Large, "get uniform", sessions, 2, NS));
    let mut bars: Vec<Entry> = entries.into_iter().map(|(name, ns)| (name, millions(ns, 2))).collect();
    bars.sort_by(|(_, a), (_, b)| b.median.total_cmp(&a.median));
    let title = format!("Gets from {} sessions, picked uniformly, two threads", thousands(sessions));
    (!bars.is_empty()).then(|| bars::chart(&title, "millions a second, both threads together", &bars))
}

fn latency(figures: &Figures, settings: &Settings) -> Option<String> {
    let sessions = settings.sizes.large;
    let of = |metric: &str| entries(figures, &subject(Scene::Evict, "evict", sessions, 2, metric));
    let find = |entries: &[Entry], name: &str| entries.iter().find(|(known, _)| *known == name).map(|of| of.1);
    let (quiet, max) = (of("quiet p99.9 us"), of("during max us"));
    let during = of("during p99.9 us").into_iter();
    let mut dots: Vec<_> = during
        .filter_map(|(name, during)| {
            Some(dots::Dots { name, quiet: find(&quiet, name)?, during, max: find(&max, name)?.median })
        })
        .collect();
    dots.sort_by(|a, b| a.during.median.total_cmp(&b.during.median));
    let title = format!("Gets of another thread while half of {} sessions are evicted", thousands(sessions));
    let subtitle = "a get every 5 µs, timed from the moment it was due; logarithmic, the numbers in µs";
    (!dots.is_empty()).then(|| dots::chart(&title, subtitle, &dots))
}

/// Our own line stands out, the limit stands back.
fn colour(name: &str) -> &'static str {
    match name {
        "cloakroom" => "#c2410c",
        "floor" => "#9ca3af",
        "one std Mutex" => "#1d4ed8",
        "64 Mutexes" => "#0891b2",
        "DashMap" => "#7c3aed",
        "papaya" => "#15803d",
        "scc HashIndex" => "#a16207",
        "moka" => "#be185d",
        _ => "#64748b",
    }
}

/// The marks of an axis from zero: steps of 1, 2 or 5 times a power of ten, the last not below `most`.
fn marks(most: f64) -> Vec<f64> {
    const FEWEST: f64 = 4.0;
    let power = 10_f64.powf((most / FEWEST).log10().floor());
    let step = [5.0, 2.0, 1.0].map(|factor| factor * power).into_iter().find(|step| most / step >= FEWEST);
    let step = step.unwrap_or(power);
    let count = (most / step).ceil() as usize;
    // Tidy to the reader: not 0.6000000000000001.
    let tidy = |value: f64| (value * 1e9).round() / 1e9;
    (0..=count).map(|mark| tidy(mark as f64 * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::marks;

    #[test]
    fn marks_begin_at_zero_and_reach_the_most() {
        assert_eq!(marks(9.5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(marks(4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(marks(0.7), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        for most in [0.03, 0.7, 1.0, 17.0, 230.0, 5_000.0] {
            let marks = marks(most);
            assert!(marks[marks.len() - 1] >= most && (5..=12).contains(&marks.len()), "{most}: {marks:?}");
        }
    }
}
