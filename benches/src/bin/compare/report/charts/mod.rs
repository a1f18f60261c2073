//! The charts, made from the figures.
//!
//! Each chart names its measurement and shows the spread of the rounds. Axes begin at zero, except that of latencies,
//! which span five powers of ten: they are points on a logarithmic axis.

mod bars;
mod canvas;
mod dots;
mod lines;
mod style;

use crate::data::figures::{Figures, NS, Subject, Summary};
use crate::data::format::thousands;
use crate::data::records::Settings;
use cloakroom_benches::contenders::ALL;
use cloakroom_benches::workload::{Row, Scene, Variant};
use style::Entry;

/// The contenders of the chart of gets by threads, which has no room for more: of each crate the fastest one.
const GET_LINES: [&str; 8] =
    ["cloakroom", "one std Mutex", "64 Mutexes", "DashMap", "papaya", "scc HashIndex", "moka", "floor"];
/// The same for the chart of churn, in which the floor has no part.
const CHURN_LINES: [&str; 7] = ["cloakroom", "one std Mutex", "64 Mutexes", "DashMap", "papaya", "scc HashMap", "moka"];

/// The charts with the names of their files, without those that have no figures.
pub(crate) fn all(figures: &Figures, settings: &Settings) -> Vec<(&'static str, String)> {
    let charts = [
        ("scaling-hot.svg", hot(figures, settings)),
        ("scaling-churn.svg", churn(figures, settings)),
        ("uniform-large.svg", uniform(figures, settings)),
        ("eviction-latency.svg", latency(figures, settings)),
    ];
    charts.into_iter().filter_map(|(name, chart)| Some((name, chart?))).collect()
}

fn subject(scene: Scene, name: &str, sessions: usize, threads: usize, metric: &str) -> Subject {
    let row = Row { name: name.to_owned(), sessions, threads };
    Subject { variant: Variant::new(scene), row, metric: metric.to_owned() }
}

fn entries(figures: &Figures, subject: &Subject) -> Vec<Entry> {
    let names = ALL.iter().map(|contender| contender.name);
    names.filter_map(|name| Some((name, figures.summary(subject, name)?))).collect()
}

/// Millions of operations a second, of all threads together.
fn millions(summary: Summary, threads: usize) -> Summary {
    summary.map(|ns| threads as f64 * 1e3 / ns)
}

fn hot(figures: &Figures, settings: &Settings) -> Option<String> {
    let sessions = settings.sizes.small;
    let lines = lines(figures, &GET_LINES, settings, |threads| subject(Scene::Small, "get hot", sessions, threads, NS));
    let subtitle = format!("millions a second, all threads together; {} sessions in the store", thousands(sessions));
    (!lines.is_empty()).then(|| lines::chart("Gets of one session that all threads use", &subtitle, "threads", &lines))
}

fn churn(figures: &Figures, settings: &Settings) -> Option<String> {
    let sessions = settings.sizes.busy;
    let lines = lines(figures, &CHURN_LINES, settings, |threads| subject(Scene::Churn, "churn", sessions, threads, NS));
    let subtitle = format!(
        "millions a second, all threads together; beside {} sessions that stay; ids from the system",
        thousands(sessions)
    );
    let title = "Sessions that are created, set three times, and deleted";
    (!lines.is_empty()).then(|| lines::chart(title, &subtitle, "threads", &lines))
}

/// For each contender that has figures, the operations a second by the number of threads.
fn lines(
    figures: &Figures,
    contenders: &[&'static str],
    settings: &Settings,
    subject: impl Fn(usize) -> Subject,
) -> Vec<lines::Line> {
    let of_contender = |name: &&'static str| {
        let point = |&threads: &usize| Some((threads, millions(figures.summary(&subject(threads), name)?, threads)));
        (*name, settings.threads.iter().filter_map(point).collect::<Vec<_>>())
    };
    contenders.iter().map(of_contender).filter(|(_, points)| !points.is_empty()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::Record;
    use cloakroom_benches::workload::{Measured, Sizes};

    fn figures(sessions: usize, contenders: &[&str]) -> Figures {
        let record = |contender: &&str| {
            let row = Row { name: "churn".to_owned(), sessions, threads: 2 };
            let measured = vec![Measured { row, metric: NS.to_owned(), value: 1_000.0 }];
            Record { round: 0, contender: (*contender).to_owned(), variant: Variant::new(Scene::Churn), measured }
        };
        Figures::new(&contenders.iter().map(record).collect::<Vec<_>>())
    }

    #[test]
    fn the_chart_of_churn_has_the_measured_contenders_and_no_word_of_the_floor() {
        let sizes = Sizes { small: 1, middle: 1, large: 1, busy: 7, window_ms: 1, quiet_ms: 1, back_ms: 1 };
        let settings = Settings { sizes, threads: vec![1, 2] };
        let charts = all(&figures(7, &["cloakroom", "scc HashMap", "floor"]), &settings);
        let [("scaling-churn.svg", chart)] = &charts[..] else { panic!("{:?}", charts.len()) };
        assert!(chart.contains("scc HashMap") && chart.contains("cloakroom"));
        assert!(!chart.contains("papaya") && !chart.contains("floor"));
    }

    #[test]
    fn every_line_is_that_of_a_contender() {
        for name in GET_LINES.iter().chain(&CHURN_LINES) {
            assert!(ALL.iter().any(|contender| contender.name == *name), "{name}");
        }
    }
}
