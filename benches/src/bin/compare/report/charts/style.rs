//! The colours and the axes that the charts share.

use crate::data::figures::Summary;

/// A contender's name and its figure.
pub(super) type Entry = (&'static str, Summary);

/// A bright colour for cloakroom, and a pale one for the floor.
pub(super) fn colour(name: &str) -> &'static str {
    match name {
        "cloakroom" => "#c2410c",
        "floor" => "#9ca3af",
        "one std Mutex" => "#1d4ed8",
        "64 Mutexes" => "#0891b2",
        "DashMap" => "#7c3aed",
        "papaya" => "#15803d",
        "scc HashIndex" | "scc HashMap" => "#a16207",
        "moka" => "#be185d",
        _ => "#64748b",
    }
}

/// The marks of an axis from zero, in steps of 1, 2 or 5 times a power of ten. The last mark is at least `most`.
pub(super) fn marks(most: f64) -> Vec<f64> {
    const FEWEST: f64 = 4.0;
    let power = 10_f64.powf((most / FEWEST).log10().floor());
    let step = [5.0, 2.0, 1.0].map(|factor| factor * power).into_iter().find(|step| most / step >= FEWEST);
    let step = step.unwrap_or(power);
    let count = (most / step).ceil() as usize;
    // Without the error of the multiplication: 0.6, and not 0.6000000000000001.
    let tidy = |value: f64| (value * 1e9).round() / 1e9;
    (0..=count).map(|mark| tidy(mark as f64 * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::marks;

    #[test]
    fn marks_begin_at_zero_and_reach_the_greatest_value() {
        assert_eq!(marks(9.5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(marks(4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(marks(0.7), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        for most in [0.03, 0.7, 1.0, 17.0, 230.0, 5_000.0] {
            let marks = marks(most);
            assert!(marks[marks.len() - 1] >= most && (5..=12).contains(&marks.len()), "{most}: {marks:?}");
        }
    }
}
