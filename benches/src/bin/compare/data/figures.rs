//! Figures by row, contender and round: medians, spreads, and ratios within a round.

use super::records::Record;
use cloakroom_benches::workload::{Row, Variant};
use std::collections::BTreeMap;

/// The metric of most rows: the nanoseconds that an operation takes each thread.
pub(crate) const NS: &str = "ns";

/// The subject of a comparison: one metric of one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) variant: Variant,
    pub(crate) row: Row,
    pub(crate) metric: String,
}

/// By round.
type Rounds = BTreeMap<usize, f64>;

#[derive(Default)]
pub(crate) struct Figures(BTreeMap<Subject, BTreeMap<String, Rounds>>);

/// The median of some values, with the least and the greatest of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
    pub(crate) rounds: usize,
}

impl Summary {
    /// `None` if there is no value.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&least, &greatest) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, least, greatest, rounds: values.len() })
    }

    /// Applies `f`, which must be monotonic, to each value.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        let (a, b) = (f(self.least), f(self.greatest));
        Self { median: f(self.median), least: a.min(b), greatest: a.max(b), rounds: self.rounds }
    }
}

impl Figures {
    pub(crate) fn new(records: &[Record]) -> Self {
        let mut figures = Self::default();
        for Record { round, contender, variant, measured } in records {
            for measured in measured {
                let (row, metric) = (measured.row.clone(), measured.metric.clone());
                let subject = Subject { variant: *variant, row, metric };
                let of_subject = figures.0.entry(subject).or_default();
                of_subject.entry(contender.clone()).or_default().insert(*round, measured.value);
            }
        }
        figures
    }

    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.0.keys()
    }

    /// The contenders that have a figure, in alphabetical order.
    pub(crate) fn contenders<'a>(&'a self, subject: &Subject) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(subject).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    fn rounds(&self, subject: &Subject, contender: &str) -> Option<&Rounds> {
        self.0.get(subject)?.get(contender)
    }

    pub(crate) fn summary(&self, subject: &Subject, contender: &str) -> Option<Summary> {
        Summary::of(self.rounds(subject, contender)?.values().copied())
    }

    /// The ratio of `upper` to `lower` in each round. A round that one of the two lacks does not count.
    pub(crate) fn ratio(&self, subject: &Subject, upper: &str, lower: &str) -> Option<Summary> {
        let (upper, lower) = (self.rounds(subject, upper)?, self.rounds(subject, lower)?);
        Summary::of(upper.iter().filter_map(|(round, value)| Some(value / lower.get(round)?)))
    }

    /// The ratio of two metrics of one contender in each round.
    pub(crate) fn ratio_of(&self, upper: &Subject, lower: &Subject, contender: &str) -> Option<Summary> {
        let (upper, lower) = (self.rounds(upper, contender)?, self.rounds(lower, contender)?);
        Summary::of(upper.iter().filter_map(|(round, value)| Some(value / lower.get(round)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloakroom_benches::workload::{Measured, Scene};

    fn record(round: usize, contender: &str, value: f64) -> Record {
        let row = Row { name: "get".to_owned(), sessions: 1, threads: 1 };
        let measured = vec![Measured { row, metric: "ns".to_owned(), value }];
        Record { round, contender: contender.to_owned(), variant: Variant::new(Scene::Small), measured }
    }

    #[test]
    fn ratios_are_within_a_round_and_rounds_without_a_partner_do_not_count() {
        let figures = Figures::new(&[
            record(0, "a", 10.0),
            record(0, "b", 5.0),
            record(1, "b", 100.0),
            record(1, "a", 300.0),
            record(2, "a", 7.0),
        ]);
        let subject = figures.subjects().next().unwrap();
        let ratio = figures.ratio(subject, "a", "b").unwrap();
        assert_eq!(ratio, Summary { median: 2.5, least: 2.0, greatest: 3.0, rounds: 2 });
        assert_eq!(figures.summary(subject, "a").unwrap().median, 10.0);
        assert_eq!(figures.ratio(subject, "a", "c"), None);
    }

    #[test]
    fn a_falling_function_swaps_the_least_and_the_greatest() {
        let summary = Summary { median: 2.0, least: 1.0, greatest: 4.0, rounds: 3 };
        assert_eq!(summary.map(|value| 4.0 / value), Summary { median: 2.0, least: 1.0, greatest: 4.0, rounds: 3 });
    }
}
