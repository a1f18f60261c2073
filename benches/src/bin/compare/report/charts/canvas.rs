//! A page with a title, and the elements of a drawing.

use svg::node::element::{Circle, Line, Polyline, Rectangle, Text};
use svg::{Document, Node};

const TEXT: &str = "#1f2937";
const PALE: &str = "#6b7280";
const GRID: &str = "#e5e7eb";

/// The part of a text that lies at its position.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

pub(super) struct Canvas(Document);

impl Canvas {
    /// The page is white, so that the chart is readable on a dark web page too.
    pub(super) fn new(width: f64, height: f64, title: &str, subtitle: &str) -> Self {
        let page = Rectangle::new().set("width", width).set("height", height).set("fill", "white");
        let document = Document::new()
            .set("viewBox", (0, 0, width, height))
            .set("width", width)
            .set("height", height)
            .set("font-family", "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif")
            .add(page);
        let mut canvas = Self(document);
        canvas.write(title, (24.0, 32.0), Anchor::Start, 16, TEXT, true);
        canvas.write(subtitle, (24.0, 52.0), Anchor::Start, 12, PALE, false);
        canvas
    }

    fn add(&mut self, node: impl Into<Box<dyn Node>>) {
        self.0.append(node);
    }

    fn write(&mut self, text: &str, (x, y): (f64, f64), anchor: Anchor, size: u32, colour: &str, bold: bool) {
        let text = Text::new(text)
            .set("x", short(x))
            .set("y", short(y))
            .set("text-anchor", anchor.name())
            .set("font-size", size)
            .set("fill", colour);
        self.add(if bold { text.set("font-weight", "bold") } else { text });
    }

    pub(super) fn label(&mut self, text: &str, at: (f64, f64), anchor: Anchor, strong: bool) {
        self.write(text, at, anchor, 12, TEXT, strong);
    }

    pub(super) fn coloured_label(&mut self, text: &str, at: (f64, f64), colour: &str, strong: bool) {
        self.write(text, at, Anchor::Start, 12, colour, strong);
    }

    pub(super) fn note(&mut self, text: &str, at: (f64, f64), anchor: Anchor) {
        self.write(text, at, anchor, 11, PALE, false);
    }

    pub(super) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.stroke(from, to, GRID, 1.0);
    }

    pub(super) fn stroke(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let line = Line::new()
            .set("x1", short(from.0))
            .set("y1", short(from.1))
            .set("x2", short(to.0))
            .set("y2", short(to.1))
            .set("stroke", colour)
            .set("stroke-width", width);
        self.add(line);
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str, width: f64, dashed: bool) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", short(*x), short(*y))).collect();
        let path = Polyline::new()
            .set("points", points.join(" "))
            .set("fill", "none")
            .set("stroke", colour)
            .set("stroke-width", width);
        self.add(if dashed { path.set("stroke-dasharray", "6 4") } else { path });
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: &str) {
        let bar = Rectangle::new()
            .set("x", short(x))
            .set("y", short(y))
            .set("width", short(width))
            .set("height", short(height))
            .set("fill", colour);
        self.add(bar);
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str, filled: bool) {
        let dot = Circle::new()
            .set("cx", short(x))
            .set("cy", short(y))
            .set("r", radius)
            .set("stroke", colour)
            .set("stroke-width", 2)
            .set("fill", if filled { colour } else { "white" });
        self.add(dot);
    }

    pub(super) fn finish(self) -> String {
        self.0.to_string() + "\n"
    }
}

/// Rounds to a tenth of a pixel.
fn short(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
