//! A chart with two points for each contender on a logarithmic axis, the latency without an eviction and that during
//! one, and a stroke for the longest latency.

use super::canvas::{Anchor, Canvas};
use super::style::colour;
use crate::data::figures::Summary;
use crate::data::format::number;

const LEFT: f64 = 210.0;
const TOP: f64 = 98.0;
const WIDTH: f64 = 440.0;
const STEP: f64 = 26.0;
const PLAIN: &str = "#475569";

pub(super) struct Dots {
    pub(super) name: &'static str,
    pub(super) quiet: Summary,
    pub(super) during: Summary,
    pub(super) max: f64,
}

pub(super) fn chart(title: &str, subtitle: &str, dots: &[Dots]) -> String {
    let bottom = TOP + STEP * dots.len() as f64;
    let mut canvas = Canvas::new(LEFT + WIDTH + 80.0, bottom + 54.0, title, subtitle);
    legend(&mut canvas);
    let lowest = dots.iter().map(|of| of.quiet.least.min(of.during.least)).fold(f64::INFINITY, f64::min);
    let highest = dots.iter().map(|of| of.max.max(of.during.greatest)).fold(0.0, f64::max);
    let (from, to) = (lowest.log10().floor() as i32, highest.log10().ceil() as i32);
    let x = |value: f64| LEFT + WIDTH * (value.log10() - f64::from(from)) / f64::from(to - from);
    for power in from..=to {
        let place = x(10_f64.powi(power));
        canvas.grid((place, TOP), (place, bottom));
        canvas.note(&time(power), (place, bottom + 16.0), Anchor::Middle);
    }
    for (index, Dots { name, quiet, during, max }) in dots.iter().enumerate() {
        let middle = TOP + STEP * (index as f64 + 0.5);
        let strong = *name == "cloakroom";
        let shade = if strong { colour(name) } else { PLAIN };
        canvas.label(name, (LEFT - 10.0, middle + 4.0), Anchor::End, strong);
        canvas.stroke((x(during.least), middle), (x(during.greatest), middle), shade, 2.0);
        canvas.stroke((x(*max), middle - 6.0), (x(*max), middle + 6.0), shade, 2.0);
        canvas.dot((x(quiet.median), middle), 4.5, shade, false);
        canvas.dot((x(during.median), middle), 4.5, shade, true);
        let end = x(max.max(during.greatest).max(quiet.median));
        canvas.label(&number(during.median), (end + 10.0, middle + 4.0), Anchor::Start, strong);
    }
    let note = "Points: the median of the rounds; lines: the least and the greatest during the eviction. \
                Numbers: the full points.";
    canvas.note(note, (24.0, bottom + 40.0), Anchor::Start);
    canvas.finish()
}

fn legend(canvas: &mut Canvas) {
    const Y: f64 = 76.0;
    canvas.dot((30.0, Y), 4.5, PLAIN, false);
    canvas.label("99.9 % without an eviction", (42.0, Y + 4.0), Anchor::Start, false);
    canvas.dot((252.0, Y), 4.5, PLAIN, true);
    canvas.label("99.9 % during it", (264.0, Y + 4.0), Anchor::Start, false);
    canvas.stroke((402.0, Y - 6.0), (402.0, Y + 6.0), PLAIN, 2.0);
    canvas.label("the longest during it", (412.0, Y + 4.0), Anchor::Start, false);
}

/// Ten to this power, in microseconds.
fn time(power: i32) -> String {
    match power {
        6.. => format!("{} s", 10_f64.powi(power - 6)),
        3.. => format!("{} ms", 10_f64.powi(power - 3)),
        _ => format!("{} µs", 10_f64.powi(power)),
    }
}
