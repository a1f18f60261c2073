//! Numbers as text.

use super::figures::Summary;

/// The median, with the least and the greatest value if there is more than one round.
pub(crate) fn spread(summary: Summary, format: impl Fn(f64) -> String) -> String {
    let Summary { median, least, greatest, rounds } = summary;
    let median = format(median);
    if rounds == 1 { median } else { format!("{median} ({} to {})", format(least), format(greatest)) }
}

/// Three digits, or more if the integer part has more.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => thousands(value.round() as usize),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Groups the digits by commas.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_commas_between_thousands() {
        let shown: Vec<String> = [1_234_567.4, 999.6, 12.34, 1.234, 0.0].map(number).into();
        assert_eq!(shown, ["1,234,567", "1,000", "12.3", "1.23", "0.00"]);
        assert_eq!(number(-0.5), "-0.50");
    }
}
