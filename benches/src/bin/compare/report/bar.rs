//! The bar: for each of its rows the figure of cloakroom, the best peer, and whether the bar is met.

use crate::data::figures::{Figures, NS, Subject, Summary};
use crate::data::format::{number, spread, thousands};
use crate::data::records::Settings;
use cloakroom_benches::contender::Extent;
use cloakroom_benches::contenders::ALL;
use cloakroom_benches::ids::Ids;
use cloakroom_benches::workload::{Row, Scene, Sizes, Variant};
use std::fmt::Write;

const OURS: &str = "cloakroom";
const FLOOR: &str = "floor";

#[derive(Clone, Copy)]
enum Demand {
    /// At least this many times the speed of the best peer.
    Peers(f64),
    /// At least this many times the speed of the floor.
    Floor(f64),
    /// At most this value.
    AtMost(f64),
    /// At most this many times another metric of cloakroom.
    Times(f64, &'static str),
}

struct Line {
    scene: Scene,
    ids: Ids,
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
const TEN: fn(&Sizes) -> usize = |_| 10;

fn lines() -> Vec<Line> {
    let line = |scene, row, size, threads, metric, demand| Line {
        scene,
        ids: Ids::default(),
        row,
        size,
        threads,
        metric,
        demand,
    };
    // The rates of a row with one, two and more threads.
    let speeds = |scene, row, size, threads: &[usize], demand: Demand| -> Vec<Line> {
        threads.iter().map(|&threads| line(scene, row, size, threads, NS, demand)).collect()
    };
    let with_ids = |ids, lines: Vec<Line>| lines.into_iter().map(move |line| Line { ids, ..line });
    let few = [1, 2];
    let all = [1, 2, 4];
    let mut lines = Vec::new();
    lines.extend(speeds(Scene::Small, "get hot", SMALL, &few, Demand::Peers(1.0)));
    lines.extend(speeds(Scene::Small, "get uniform", SMALL, &few, Demand::Peers(1.0)));
    lines.extend(speeds(Scene::Small, "read hot", SMALL, &few, Demand::Floor(0.8)));
    lines.extend(speeds(Scene::Middle, "get uniform", MIDDLE, &few, Demand::Peers(1.0)));
    lines.extend(speeds(Scene::Large, "get uniform", LARGE, &few, Demand::Peers(1.15)));
    lines.extend(speeds(Scene::Large, "get zipf", LARGE, &few, Demand::Peers(1.15)));
    lines.extend(speeds(Scene::Mixed, "mixed", MIDDLE, &all, Demand::Peers(1.05)));
    for ids in [Ids::System, Ids::UserSpace] {
        lines.extend(with_ids(ids, speeds(Scene::Churn, "churn", BUSY, &all, Demand::Peers(1.2))));
        lines.extend(with_ids(ids, speeds(Scene::Churn, "login", BUSY, &few, Demand::Peers(1.2))));
    }
    lines.extend(speeds(Scene::Large, "miss", LARGE, &few, Demand::Peers(0.6)));
    lines.extend([
        line(Scene::Evict, "evict", LARGE, 2, "ms", Demand::AtMost(40.0)),
        line(Scene::Evict, "evict", LARGE, 2, "during p99.9 us", Demand::Times(1.5, "quiet p99.9 us")),
        line(Scene::Growth, "growth", LARGE, 1, "longest us", Demand::AtMost(150.0)),
        line(Scene::Footprint, "footprint", LARGE, 1, "bytes", Demand::AtMost(165.0)),
        line(Scene::Footprint, "footprint", LARGE, 1, "bytes left", Demand::AtMost(8.0)),
        line(Scene::Footprint, "store of ten", TEN, 1, "bytes in all", Demand::AtMost(256.0 * 1024.0)),
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
        let ids = if line.ids == Ids::UserSpace { ", ids from user space" } else { "" };
        let metric = if line.metric == NS { String::new() } else { format!(", {}", line.metric) };
        let _ = write!(text, "| {name}, {}, {threads}{ids}{metric} |", thousands(*sessions));
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
        Subject { variant: Variant { ids: self.ids, ..Variant::new(self.scene) }, row, metric: self.metric.to_owned() }
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
