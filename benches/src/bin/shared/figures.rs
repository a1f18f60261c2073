//! Figures by round, measurement and kind.

use serde_json::json;

#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

struct Figure {
    round: usize,
    what: String,
    kind: String,
    value: f64,
}

/// The median of the rounds, and their least and greatest.
#[derive(Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Figures {
    pub(crate) fn note(&mut self, round: usize, what: &str, kind: &str, value: f64) {
        self.0.push(Figure { round, what: what.to_owned(), kind: kind.to_owned(), value });
    }

    /// The measurements, in the order in which they were made.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for figure in &self.0 {
            if !names.contains(&figure.what) {
                names.push(figure.what.clone());
            }
        }
        names
    }

    /// The kinds of a measurement, in the order in which they were noted first.
    pub(crate) fn kinds(&self, what: &str) -> Vec<String> {
        let mut kinds = Vec::new();
        for figure in self.0.iter().filter(|figure| figure.what == what) {
            if !kinds.contains(&figure.kind) {
                kinds.push(figure.kind.clone());
            }
        }
        kinds
    }

    fn value(&self, round: usize, what: &str, kind: &str) -> Option<f64> {
        let is_it = |figure: &&Figure| figure.round == round && figure.what == what && figure.kind == kind;
        self.0.iter().find(is_it).map(|figure| figure.value)
    }

    fn rounds(&self) -> usize {
        self.0.iter().map(|figure| figure.round + 1).max().unwrap_or(0)
    }

    pub(crate) fn of(&self, what: &str, kind: &str) -> Summary {
        Summary::of((0..self.rounds()).filter_map(|round| self.value(round, what, kind)))
    }

    /// The ratio to the first kind of the measurement, round by round.
    pub(crate) fn ratio(&self, what: &str, kind: &str) -> Summary {
        let first = self.kinds(what).swap_remove(0);
        let ratio = |round| Some(self.value(round, what, kind)? / self.value(round, what, &first)?);
        Summary::of((0..self.rounds()).filter_map(ratio))
    }

    pub(crate) fn lines(&self) -> String {
        let line = |figure: &Figure| {
            let Figure { round, what, kind, value } = figure;
            json!({ "round": round, "what": what, "kind": kind, "value": value }).to_string() + "\n"
        };
        self.0.iter().map(line).collect()
    }
}

impl Summary {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&greatest)) = (values.first(), values.last()) else {
            return Self { median: f64::NAN, least: f64::NAN, greatest: f64::NAN };
        };
        Self { median: (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0, least, greatest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_each_round() {
        let mut figures = Figures::default();
        for (round, (one, two)) in [(1.0, 3.0), (10.0, 10.0), (100.0, 200.0)].into_iter().enumerate() {
            figures.note(round, "rate", "one", one);
            figures.note(round, "rate", "two", two);
        }
        let Summary { median, least, greatest } = figures.ratio("rate", "two");
        assert_eq!((median, least, greatest), (2.0, 1.0, 3.0));
        assert_eq!(figures.of("rate", "one").median, 10.0);
    }
}
