//! A chart with a bar for each contender, the longest first, and its value at the end of the bar.

use super::canvas::{Anchor, Canvas};
use super::style::{Entry, colour, marks};
use crate::data::format::number;

const LEFT: f64 = 210.0;
const TOP: f64 = 72.0;
const WIDTH: f64 = 440.0;
const STEP: f64 = 24.0;
const THICK: f64 = 15.0;

pub(super) fn chart(title: &str, subtitle: &str, bars: &[Entry]) -> String {
    let bottom = TOP + STEP * bars.len() as f64;
    let mut canvas = Canvas::new(LEFT + WIDTH + 80.0, bottom + 54.0, title, subtitle);
    let greatest = bars.iter().map(|(_, value)| value.greatest).fold(0.0, f64::max);
    let marks = marks(greatest);
    let most = marks[marks.len() - 1];
    let x = |value: f64| LEFT + WIDTH * value / most;
    for mark in marks {
        canvas.grid((x(mark), TOP), (x(mark), bottom));
        canvas.note(&format!("{mark}"), (x(mark), bottom + 16.0), Anchor::Middle);
    }
    for (index, (name, value)) in bars.iter().enumerate() {
        let middle = TOP + STEP * (index as f64 + 0.5);
        let strong = *name == "cloakroom";
        let shade = match *name {
            "cloakroom" | "floor" => colour(name),
            _ => "#93a7c4",
        };
        canvas.label(name, (LEFT - 10.0, middle + 4.0), Anchor::End, strong);
        canvas.bar((LEFT, middle - THICK / 2.0), x(value.median) - LEFT, THICK, shade);
        whisker(&mut canvas, (x(value.least), x(value.greatest)), middle);
        canvas.label(&number(value.median), (x(value.greatest) + 8.0, middle + 4.0), Anchor::Start, strong);
    }
    let note = "Bars: the median of the rounds; whiskers: their least and greatest. \
                The floor is not a store: it can only look up.";
    canvas.note(note, (24.0, bottom + 40.0), Anchor::Start);
    canvas.finish()
}

fn whisker(canvas: &mut Canvas, (from, to): (f64, f64), y: f64) {
    const INK: &str = "#374151";
    if to - from < 1.0 {
        return;
    }
    canvas.stroke((from, y), (to, y), INK, 1.2);
    for end in [from, to] {
        canvas.stroke((end, y - 3.5), (end, y + 3.5), INK, 1.2);
    }
}
