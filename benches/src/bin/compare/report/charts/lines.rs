//! A chart with a line for each contender over the number of threads, and its name at the end of the line.

use super::canvas::{Anchor, Canvas};
use super::style::{colour, marks};
use crate::data::figures::Summary;

const LEFT: f64 = 64.0;
const TOP: f64 = 76.0;
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 320.0;
const BOTTOM: f64 = TOP + HEIGHT;
/// The distance from the axis to the first point.
const INSET: f64 = 40.0;
/// The least distance between two names.
const NAME: f64 = 16.0;

/// A contender's name, and its figures by the number of threads.
pub(super) type Line = (&'static str, Vec<(usize, Summary)>);

pub(super) fn chart(title: &str, subtitle: &str, axis: &str, lines: &[Line]) -> String {
    let mut canvas = Canvas::new(LEFT + WIDTH + 170.0, BOTTOM + 76.0, title, subtitle);
    let values = || lines.iter().flat_map(|(_, points)| points);
    let marks = marks(values().map(|(_, value)| value.greatest).fold(0.0, f64::max));
    let most = marks[marks.len() - 1];
    let y = |value: f64| BOTTOM - HEIGHT * value / most;
    for mark in marks {
        canvas.grid((LEFT, y(mark)), (LEFT + WIDTH, y(mark)));
        canvas.note(&format!("{mark}"), (LEFT - 8.0, y(mark) + 4.0), Anchor::End);
    }
    let mut columns: Vec<usize> = values().map(|(threads, _)| *threads).collect();
    columns.sort_unstable();
    columns.dedup();
    let gap = (WIDTH - 2.0 * INSET) / (columns.len() - 1).max(1) as f64;
    let x =
        |threads: usize| LEFT + INSET + gap * columns.iter().position(|known| *known == threads).unwrap_or(0) as f64;
    for &threads in &columns {
        canvas.label(&threads.to_string(), (x(threads), BOTTOM + 20.0), Anchor::Middle, false);
    }
    canvas.label(axis, (LEFT + WIDTH / 2.0, BOTTOM + 40.0), Anchor::Middle, false);
    for (name, points) in lines {
        let width = if *name == "cloakroom" { 3.5 } else { 2.0 };
        let places: Vec<_> = points.iter().map(|(threads, value)| (x(*threads), y(value.median))).collect();
        canvas.path(&places, colour(name), width, *name == "floor");
        for ((threads, value), place) in points.iter().zip(places) {
            canvas.stroke((x(*threads), y(value.least)), (x(*threads), y(value.greatest)), colour(name), 1.2);
            canvas.dot(place, 3.0, colour(name), true);
        }
    }
    for ((name, _), height) in lines.iter().zip(names(lines, y)) {
        canvas.coloured_label(name, (LEFT + WIDTH + 8.0, height + 4.0), colour(name), *name == "cloakroom");
    }
    let mut note = "Points: the median of the rounds; strokes: their least and greatest.".to_owned();
    if lines.iter().any(|(name, _)| *name == "floor") {
        note += " The floor is not a store: it can only look up.";
    }
    canvas.note(&note, (24.0, BOTTOM + 62.0), Anchor::Start);
    canvas.finish()
}

/// The heights of the names: those of the ends of the lines, moved upwards where two names would overlap.
fn names(lines: &[Line], y: impl Fn(f64) -> f64) -> Vec<f64> {
    let end = |(_, points): &Line| points.last().map_or(BOTTOM, |(_, value)| y(value.median));
    let mut heights: Vec<f64> = lines.iter().map(end).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|&a, &b| heights[b].total_cmp(&heights[a]));
    for pair in order.windows(2) {
        heights[pair[1]] = heights[pair[1]].min(heights[pair[0]] - NAME);
    }
    heights
}
