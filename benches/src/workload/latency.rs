//! The histogram of latencies that `growth` and `eviction` record.

use hdrhistogram::Histogram;

/// Nanoseconds up to ten seconds, with three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("the bounds are in order")
}
