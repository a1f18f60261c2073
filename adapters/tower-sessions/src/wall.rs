//! The time of day, because a record's expiry date is one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::Clock;
use time::OffsetDateTime;

/// A clock of the table that also gives the time of day. Both then agree on whether a session has expired, even if the
/// machine has slept or its clock has been set.
#[derive(Clone)]
pub(crate) struct Wall {
    /// The time of day at which `clock` stood at zero.
    origin: OffsetDateTime,
    clock: Arc<dyn Clock>,
}

impl Wall {
    /// The system's time of day.
    pub(crate) fn system() -> Self {
        let origin = SystemTime::now();
        Self { origin: origin.into(), clock: Arc::new(Since(origin)) }
    }

    /// Starts at the system's time of day, and continues with another clock.
    pub(crate) fn by(clock: Arc<dyn Clock>) -> Self {
        let reading = time::Duration::try_from(clock.now()).unwrap_or(time::Duration::MAX);
        Self { origin: OffsetDateTime::now_utc().saturating_sub(reading), clock }
    }

    /// The clock for the table.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        let since = time::Duration::try_from(self.clock.now()).unwrap_or(time::Duration::MAX);
        self.origin.saturating_add(since)
    }

    /// The time until `date`. `None` if `date` has passed.
    pub(crate) fn until(&self, date: OffsetDateTime) -> Option<Duration> {
        Duration::try_from(date - self.now()).ok().filter(|left| !left.is_zero())
    }
}

/// The system's time of day, as the time since the store was made. If the system's clock is set to an earlier time, it
/// reads zero.
struct Since(SystemTime);

impl Clock for Since {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(self.0).unwrap_or_default()
    }
}

/// Dates as seconds since 1970 and nanoseconds, for `serde`.
#[cfg(feature = "serde")]
pub(crate) mod date {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};
    use time::OffsetDateTime;

    pub(crate) fn serialize<S: Serializer>(date: &OffsetDateTime, to: S) -> Result<S::Ok, S::Error> {
        (date.unix_timestamp(), date.nanosecond()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OffsetDateTime, D::Error> {
        let (seconds, nanoseconds) = Deserialize::deserialize(from)?;
        let date = OffsetDateTime::from_unix_timestamp(seconds).map_err(D::Error::custom)?;
        date.replace_nanosecond(nanoseconds).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloakroom::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_systems_wall_gives_the_time_of_day() {
        let wall = Wall::system();
        let (before, told, after) = (OffsetDateTime::now_utc(), wall.now(), OffsetDateTime::now_utc());
        assert!(before <= told && told <= after);
    }

    #[test]
    fn a_given_clock_moves_the_time_of_day() {
        let clock = ManualClock::new();
        clock.set(1_000 * SECOND);
        let wall = Wall::by(Arc::new(clock.clone()));
        let made = wall.now();
        assert!((OffsetDateTime::now_utc() - made).unsigned_abs() < 60 * SECOND);
        clock.advance(SECOND);
        assert_eq!(wall.now() - made, SECOND);
        assert_eq!(wall.until(made + 3 * SECOND), Some(2 * SECOND));
        assert_eq!([wall.until(made + SECOND), wall.until(made)], [None, None]);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_date_is_written_to_the_nanosecond() {
        for nanoseconds in [0, 1, -1, 1_764_115_200_123_456_789, 253_402_300_799_999_999_999] {
            let date = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).expect("a date");
            let mut text = Vec::new();
            date::serialize(&date, &mut serde_json::Serializer::new(&mut text)).expect("JSON");
            assert_eq!(date::deserialize(&mut serde_json::Deserializer::from_slice(&text)).expect("a date"), date);
        }
    }

    #[test]
    fn the_largest_clock_reading_is_in_range() {
        let clock = ManualClock::new();
        let wall = Wall::by(Arc::new(clock.clone()));
        clock.set(Duration::MAX);
        assert!(wall.now() > OffsetDateTime::now_utc());
        assert_eq!(wall.until(OffsetDateTime::now_utc()), None);
    }
}
