//! The chart: requests a second of each kind of server.

#[allow(dead_code, reason = "this chart needs a part of it")]
#[path = "../compare/report/charts/canvas.rs"]
mod canvas;

use crate::figures::Summary;
use canvas::{Anchor, Canvas};

const LEFT: f64 = 230.0;
const TOP: f64 = 72.0;
const WIDTH: f64 = 420.0;
const STEP: f64 = 28.0;
const THICK: f64 = 17.0;

pub(crate) fn chart(bars: &[(&str, Summary)]) -> String {
    let bottom = TOP + STEP * bars.len() as f64;
    let subtitle = "thousands a second; one server, the engine and the client on the same two processors";
    let title = "Requests that read a session";
    let mut canvas = Canvas::new(LEFT + WIDTH + 70.0, bottom + 54.0, title, subtitle);
    let most = bars.iter().map(|(_, value)| value.greatest).fold(1.0, f64::max) / 1e3;
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0].into_iter().find(|step| most / step <= 8.0).unwrap_or(100.0);
    let marks = (most / step).ceil();
    let x = |value: f64| LEFT + WIDTH * value / (marks * step);
    for mark in 0..=marks as u32 {
        let value = f64::from(mark) * step;
        canvas.grid((x(value), TOP), (x(value), bottom));
        canvas.note(&format!("{value}"), (x(value), bottom + 16.0), Anchor::Middle);
    }
    for (index, (name, value)) in bars.iter().enumerate() {
        let middle = TOP + STEP * (index as f64 + 0.5);
        let strong = name.starts_with("cloakroom, shared");
        let colour = if strong { "#c2410c" } else { "#93a7c4" };
        canvas.label(name, (LEFT - 10.0, middle + 4.0), Anchor::End, strong);
        canvas.bar((LEFT, middle - THICK / 2.0), x(value.median / 1e3) - LEFT, THICK, colour);
        canvas.stroke((x(value.least / 1e3), middle), (x(value.greatest / 1e3), middle), "#374151", 1.2);
        let label = format!("{:.1}", value.median / 1e3);
        canvas.label(&label, (x(value.greatest / 1e3) + 8.0, middle + 4.0), Anchor::Start, strong);
    }
    let note = "Bars: the median of the rounds; lines: their least and greatest.";
    canvas.note(note, (24.0, bottom + 40.0), Anchor::Start);
    canvas.finish()
}
