//! The bar: for each of its rows the figure of cloakroom, the best peer, and whether the bar is met.

use crate::data::figures::{Figures, NS, Subject, Summary};
use crate::data::format::{number, spread, thousands};
use crate::data::records::Settings;
use cloakroom_benches::contender::Extent;
use cloakroom_benches::contenders::ALL;
use cloakroom_benches::workload::{Row, Scene, Sizes, Variant};
use std::fmt::Write;

const OURS: &str = "cloakroom";
const FLOOR: &str = "floor";

enum Demand {
    /// At least this many times the speed of the best peer.
    Peers(f64),
    /// At least this many times the speed of the floor.
    Floor(f64),
    /// At most this value.
    AtMost(f64),
    /// Less than every peer.
    Least,
    /// At most this many times another metric of cloakroom.
    Times(f64, &'static str),
}

struct Line {
    scene: Scene,
    row: &'static str,
    size: fn(&Sizes) -> usize,
    threads: usize,
    metric: &'static str,
    demand: Demand,
}

const SMALL: fn(&Sizes) -> usize = |sizes| sizes.small;
const MIDDLE: fn(&Sizes) -> usize = |sizes| sizes.middle;
const LARGE: fn(&Sizes) -> usize = |sizes| sizes.large;
const BUSY: fn(&Sizes) -> usize = |sizes| sizes.busy;

fn lines() -> Vec<Line> {
    let speed = |scene, row, size, threads, demand| Line { scene, row, size, threads, metric: NS, demand };
    let other = |scene, row, threads, metric, demand| Line { scene, row, size: LARGE, threads, metric, demand };
    let mut lines = vec![
        speed(Scene::Small, "get hot", SMALL, 2, Demand::Peers(1.1)),
        speed(Scene::Small, "read hot", SMALL, 2, Demand::Peers(1.1)),
        speed(Scene::Small, "read hot", SMALL, 2, Demand::Floor(0.85)),
        speed(Scene::Small, "get uniform", SMALL, 2, Demand::Peers(1.1)),
        speed(Scene::Middle, "get uniform", MIDDLE, 2, Demand::Peers(1.0)),
        speed(Scene::Middle, "get uniform", MIDDLE, 2, Demand::Floor(0.9)),
        speed(Scene::Large, "get uniform", LARGE, 1, Demand::Peers(1.05)),
        speed(Scene::Large, "get uniform", LARGE, 2, Demand::Peers(1.05)),
        speed(Scene::Large, "miss", LARGE, 1, Demand::Peers(0.8)),
        speed(Scene::Large, "miss", LARGE, 2, Demand::Peers(0.8)),
    ];
    lines.extend([1, 2, 4].map(|threads| speed(Scene::Mixed, "mixed", MIDDLE, threads, Demand::Peers(1.1))));
    lines.extend([
        speed(Scene::Churn, "churn", BUSY, 1, Demand::Peers(1.0)),
        speed(Scene::Churn, "churn", BUSY, 2, Demand::Peers(1.1)),
        other(Scene::Evict, "evict", 2, "ms", Demand::AtMost(60.0)),
        other(Scene::Evict, "evict", 2, "back ms", Demand::AtMost(1_000.0)),
        other(Scene::Evict, "evict", 2, "during p99.9 us", Demand::Times(2.0, "quiet p99.9 us")),
        other(Scene::Growth, "growth", 1, "longest us", Demand::AtMost(100.0)),
        other(Scene::Growth, "growth", 1, "longest us", Demand::Least),
        other(Scene::Footprint, "footprint", 1, "bytes", Demand::AtMost(160.0)),
        other(Scene::Footprint, "footprint", 1, "bytes left", Demand::AtMost(8.0)),
    ]);
    lines
}

/// The verdict as a table, which also lists the rows that were not measured.
pub(crate) fn verdict(figures: &Figures, settings: &Settings) -> String {
    let mut text = "| row | bar | reached | the best peer | met |\n|---|---|---|---|---|\n".to_owned();
    for line in lines() {
        let subject = line.subject(settings);
        let threads = if line.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", line.threads) };
        let Row { name, sessions, .. } = &subject.row;
        let metric = if line.metric == NS { String::new() } else { format!(", {}", line.metric) };
        let _ = write!(text, "| {name}, {}, {threads}{metric} |", thousands(*sessions));
        let _ = match line.judge(figures, &subject) {
            Some(Verdict { bar, reached, peer, met }) => {
                writeln!(text, " {bar} | {reached} | {peer} | {} |", if met { "yes" } else { "**no**" })
            }
            None => writeln!(text, " | not measured | | |"),
        };
    }
    text
}

struct Verdict {
    bar: String,
    reached: String,
    peer: String,
    met: bool,
}

impl Line {
    fn subject(&self, settings: &Settings) -> Subject {
        let row = Row { name: self.row.to_owned(), sessions: (self.size)(&settings.sizes), threads: self.threads };
        Subject { variant: Variant::new(self.scene), row, metric: self.metric.to_owned() }
    }

    fn judge(&self, figures: &Figures, subject: &Subject) -> Option<Verdict> {
        let ours = figures.summary(subject, OURS)?;
        let best = best_peer(figures, subject);
        let peer = best.map_or_else(String::new, |(name, summary)| format!("{name}: {}", number(summary.median)));
        let times = |summary: Summary| format!("x{}", spread(summary, |value| format!("{value:.2}")));
        let (bar, reached, met) = match self.demand {
            Demand::Peers(least) => {
                let ratio = figures.ratio(subject, best?.0, OURS)?;
                (format!("x{least} of the best peer"), times(ratio), ratio.median >= least)
            }
            Demand::Floor(least) => {
                let ratio = figures.ratio(subject, FLOOR, OURS)?;
                (format!("x{least} of the floor"), times(ratio), ratio.median >= least)
            }
            Demand::AtMost(most) => (format!("at most {most}"), spread(ours, number), ours.median <= most),
            Demand::Least => {
                let (_, least) = best?;
                ("less than every peer".to_owned(), spread(ours, number), ours.median < least.median)
            }
            Demand::Times(most, metric) => {
                let other = Subject { metric: metric.to_owned(), ..subject.clone() };
                let ratio = figures.ratio_of(subject, &other, OURS)?;
                (format!("at most x{most} of {metric}"), times(ratio), ratio.median <= most)
            }
        };
        Some(Verdict { bar, reached, peer, met })
    }
}

/// The peer with the least median. Less is better in every row of the bar.
fn best_peer<'a>(figures: &'a Figures, subject: &Subject) -> Option<(&'a str, Summary)> {
    let is_peer =
        |name: &str| name != OURS && ALL.iter().any(|known| known.name == name && known.extent != Extent::Lookups);
    let peers = figures.contenders(subject).filter(|name| is_peer(name));
    let summaries = peers.filter_map(|name| Some((name, figures.summary(subject, name)?)));
    summaries.min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::Record;
    use cloakroom_benches::workload::Measured;

    const SIZES: Sizes =
        Sizes { small: 10, middle: 100, large: 1_000, busy: 10, window_ms: 1, quiet_ms: 1, back_ms: 1 };

    fn figures(line: &Line, settings: &Settings, values: &[(&str, f64)]) -> Figures {
        let Subject { variant, row, metric } = line.subject(settings);
        let record = |(contender, value): &(&str, f64)| {
            let measured = vec![Measured { row: row.clone(), metric: metric.clone(), value: *value }];
            Record { round: 0, contender: (*contender).to_owned(), variant, measured }
        };
        Figures::new(&values.iter().map(record).collect::<Vec<_>>())
    }

    #[test]
    fn a_bar_is_met_at_its_value_and_the_floor_is_no_peer() {
        let settings = Settings { sizes: SIZES, threads: vec![1, 2, 4] };
        let line = Line { demand: Demand::Peers(1.1), ..lines().remove(0) };
        let met = |ours: f64| {
            let figures = figures(&line, &settings, &[(OURS, ours), ("moka", 110.0), ("flurry", 300.0), (FLOOR, 1.0)]);
            let verdict = line.judge(&figures, &line.subject(&settings)).unwrap();
            assert_eq!(verdict.peer, "moka: 110");
            verdict.met
        };
        assert!(met(100.0) && met(50.0) && !met(100.1));
    }

    #[test]
    fn a_line_without_figures_is_reported_as_not_measured() {
        let settings = Settings { sizes: SIZES, threads: vec![1, 2, 4] };
        let text = verdict(&Figures::default(), &settings);
        assert_eq!(text.matches("not measured").count(), lines().len());
    }
}
