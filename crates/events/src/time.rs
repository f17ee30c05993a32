//! Event time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant of event time: milliseconds since the Unix epoch, UTC.
///
/// Shown as RFC 3339 with a `Z`, with milliseconds only where there are some.
///
/// # Examples
/// ```
/// use driftline_events::EventTime;
/// let time = EventTime::parse("2026-01-01T10:00:00.123Z").unwrap();
/// assert_eq!(time.as_millis(), 1_767_261_600_123);
/// assert_eq!(time.to_string(), "2026-01-01T10:00:00.123Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(i64);

/// The instants that RFC 3339 can write: from year 0000 on, and up to 9999-12-30T22:00:00Z, which is still
/// year 9999 in every time zone and the last whole second that jiff has.
const EARLIEST_MILLIS: i64 = -62_167_219_200_000;
const LATEST_MILLIS: i64 = 253_402_207_200_000;

impl EventTime {
    /// The earliest instant that RFC 3339 can write.
    pub const MIN: Self = Self(EARLIEST_MILLIS);
    /// The latest instant that RFC 3339 can write.
    pub const MAX: Self = Self(LATEST_MILLIS);

    /// The instant `millis` milliseconds after the epoch, clamped to the years 0000 to 9999.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < EARLIEST_MILLIS {
            Self::MIN
        } else if millis > LATEST_MILLIS {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// Reads an RFC 3339 timestamp (an offset or `Z` is required). Digits past milliseconds are cut off.
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Some(Self::from_millis(timestamp.as_nanosecond().div_euclid(1_000_000) as i64))
    }

    /// This instant and `duration`, at most [`EventTime::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(duration)))
    }

    /// This instant less `duration`, at least [`EventTime::MIN`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis(duration)))
    }

    /// The start of the `width`-wide slice, aligned to the epoch, that this instant is in.
    ///
    /// # Panics
    /// If `width` is below a millisecond.
    #[must_use]
    pub fn floor(self, width: Duration) -> Self {
        let width = millis(width);
        Self::from_millis(self.0.div_euclid(width) * width)
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp =
            jiff::Timestamp::from_millisecond(self.0).expect("the constructors keep to jiff's range");
        write!(f, "{timestamp}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_goes_down_on_both_sides_of_the_epoch() {
        let minute = Duration::from_secs(60);
        assert_eq!(EventTime::from_millis(60_001).floor(minute), EventTime::from_millis(60_000));
        assert_eq!(EventTime::from_millis(-1).floor(minute), EventTime::from_millis(-60_000));
    }

    #[test]
    fn an_offset_is_needed_and_honoured() {
        assert_eq!(EventTime::parse("2026-01-01T10:00:00"), None);
        assert_eq!(EventTime::parse("2026-01-01T11:00:00+01:00"), EventTime::parse("2026-01-01T10:00:00Z"));
    }

    #[test]
    fn every_instant_can_be_shown() {
        assert_eq!(EventTime::from_millis(i64::MAX).to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(EventTime::from_millis(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
    }
}
