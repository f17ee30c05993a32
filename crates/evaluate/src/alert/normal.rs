//! What is normal: learned from former windows of the same length.

use std::collections::VecDeque;
use std::time::Duration;

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use super::options::Season;

/// Latest windows that are kept, none overlapping another.
const RECENT: usize = 48;
/// Windows that are kept for comparison with the same hour: four weeks of hours.
const HOURS: usize = 672;
/// Fewest latest windows that say what is normal.
const FEWEST_RECENT: usize = 12;
/// Fewest windows of the same hour that say what is normal.
const FEWEST_SAME_HOUR: usize = 3;
/// Forecasts whose errors say how far off is normal, at most and at least.
const ERRORS: usize = 168;
const FEWEST_ERRORS: usize = 12;
/// The standard error of a median of n is this times the standard deviation over the root of n.
const MEDIAN_ERROR: f64 = 1.253_314_137_315_500_3;
/// The median absolute deviation of a normal distribution times this is its standard deviation.
const MAD_TO_SD: f64 = 1.482_602_218_505_602;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The figure of one former window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Past(EventTime, f64);

/// The figure of one former window, how far it was from what the same hour before made expect, and what that was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct PastHour(EventTime, f64, Option<(f64, f64)>);

/// Former figures. Bounded: 48 latest windows and four weeks of hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    recent: VecDeque<Past>,
    hours: VecDeque<PastHour>,
}

/// What is normal for a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normal {
    pub(crate) middle: f64,
    /// A robust standard deviation.
    pub(crate) spread: f64,
    /// How many windows the spread is of.
    pub(crate) windows: usize,
    /// The standard error of the middle.
    pub(crate) error: f64,
    /// Where it comes from: `over 40 windows`, `in the same hour of 4 weeks`.
    pub(crate) source: String,
}

/// The figures of the same hour of former days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SameHour {
    pub(crate) middle: f64,
    pub(crate) least: f64,
    pub(crate) days: usize,
}

/// The median, and the values sorted.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Median and 1.4826 MAD of at least twelve figures.
fn around(mut values: Vec<f64>, source: impl Fn(usize) -> String) -> Option<Normal> {
    let windows = values.len();
    if windows < FEWEST_RECENT {
        return None;
    }
    let middle = median(&mut values)?;
    let mut off: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let spread = MAD_TO_SD * median(&mut off)?;
    let error = MEDIAN_ERROR * spread / (windows as f64).sqrt();
    Some(Normal { middle, spread, windows, error, source: source(windows) })
}

/// Monday to Friday, or the weekend, in UTC.
fn is_weekend(end: EventTime) -> bool {
    // 1970-01-01 was a Thursday. A window belongs to the day that it ends in, midnight to the one before.
    let day = (end.as_millis() - 1).div_euclid(DAY.as_millis() as i64);
    (day + 3).rem_euclid(7) >= 5
}

impl History {
    /// Windows that ended whole periods ago, to within half an hour or half a window.
    fn same(&self, end: EventTime, length: Duration, period: Duration) -> impl Iterator<Item = &PastHour> {
        let slack = length.max(HOUR).as_millis() as i64 / 2;
        let period = period.as_millis() as i64;
        self.hours.iter().filter(move |past| {
            let ago = end.as_millis() - past.0.as_millis();
            let off = ago.rem_euclid(period);
            ago > slack && off.min(period - off) <= slack
        })
    }

    /// What the same hour before makes expect: its median and how many there were, by weeks or by days.
    fn forecast(
        &self,
        end: EventTime,
        length: Duration,
        season: Season,
    ) -> Option<(f64, usize, &'static str)> {
        let mut values: Vec<f64> = self.same(end, length, DAY * 7).map(|past| past.1).collect();
        if values.len() >= FEWEST_SAME_HOUR {
            return Some((median(&mut values)?, values.len(), "weeks"));
        }
        if season == Season::Week || length > DAY / 2 {
            return None;
        }
        let days = self.same(end, length, DAY).filter(|past| is_weekend(past.0) == is_weekend(end));
        let mut values: Vec<f64> = days.map(|past| past.1).collect();
        if values.len() < FEWEST_SAME_HOUR {
            return None;
        }
        Some((median(&mut values)?, values.len(), "days"))
    }

    /// What is normal for the window that ends at `end`; none while too little is known. `relative`: it spreads in
    /// proportion to its size.
    ///
    /// With a season it is the median of the same hour before, and the spread is 1.4826 times the median absolute
    /// error of the forecasts so made for the last week of hours. Without, it is median and 1.4826 MAD of the latest
    /// windows; while the season is not known yet, of all hours of the last days.
    pub(crate) fn normal(
        &self,
        end: EventTime,
        length: Duration,
        season: Season,
        relative: bool,
    ) -> Option<Normal> {
        let seasonal = || {
            let (middle, count, unit) = self.forecast(end, length, season)?;
            let errors = self.hours.iter().rev().filter_map(|past| past.2).take(ERRORS);
            let spread = |scale: &dyn Fn(f64) -> f64| {
                let errors = errors.clone().map(|(error, of)| (error / scale(of)).abs());
                let mut errors: Vec<f64> = errors.filter(|error| error.is_finite()).collect();
                let known = errors.len();
                (known >= FEWEST_ERRORS).then(|| Some((MAD_TO_SD * median(&mut errors)?, known)))?
            };
            // Some figures spread more where they are greater, whether that is in their nature or not.
            let with_size = spread(&f64::abs).map(|(spread, known)| (spread * middle.abs(), known));
            let (spread, windows) = match spread(&|_| 1.0).filter(|_| !relative) {
                Some(flat) => with_size.filter(|sized| sized.0 > flat.0).unwrap_or(flat),
                None => with_size?,
            };
            let error = MEDIAN_ERROR * spread / (count as f64).sqrt();
            let source = format!("in the same hour of {count} {unit}");
            Some(Normal { middle, spread, windows, error, source })
        };
        match season {
            Season::None => self.latest(end),
            Season::Auto => seasonal().or_else(|| self.whole_days(end)),
            Season::Day | Season::Week => seasonal(),
        }
    }

    /// Median and spread of all hours of up to a week, once a day of them is known: its ups and downs are then part of
    /// the spread.
    fn whole_days(&self, end: EventTime) -> Option<Normal> {
        let first = self.hours.len().saturating_sub(ERRORS);
        let known = self.hours.range(first..).filter(|past| past.0 < end);
        let values: Vec<f64> = known.clone().map(|past| past.1).collect();
        let span = known.clone().next().map_or(Duration::ZERO, |first| end.since(first.0));
        let days = span.as_secs_f64() / DAY.as_secs_f64();
        if days < 1.0 {
            return None;
        }
        // What comes once a day is far out, and normal: nine in ten hours are within two of this.
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let tail = sorted.len() / 20;
        let range = sorted[sorted.len() - 1 - tail] - sorted[tail];
        let normal = around(values, |n| format!("over the last {n} hours"))?;
        Some(Normal { spread: normal.spread.max(range / 2.0), ..normal })
    }

    /// Median and spread of the latest windows.
    fn latest(&self, end: EventTime) -> Option<Normal> {
        let known = self.recent.iter().filter(|past| past.0 < end);
        around(known.map(|past| past.1).collect(), |n| format!("over {n} windows"))
    }

    /// The same hour of former days of the same kind, however few there were; for what is expected at all.
    pub(crate) fn same_hour(&self, end: EventTime, length: Duration) -> Option<SameHour> {
        let same = self.same(end, length, DAY).filter(|past| is_weekend(past.0) == is_weekend(end));
        let mut values: Vec<f64> = same.map(|past| past.1).collect();
        let middle = median(&mut values)?;
        Some(SameHour { middle, least: values[0], days: values.len() })
    }

    /// Notes the figure of a window. One that overlaps the last noted one is left out, as is one within the hour
    /// from what the hours are compared by.
    pub(crate) fn learn(&mut self, end: EventTime, length: Duration, value: f64) {
        if self.recent.back().is_none_or(|last| end.since(last.0) >= length && end > last.0) {
            self.recent.push_back(Past(end, value));
            self.recent.drain(..self.recent.len().saturating_sub(RECENT));
        }
        if self.hours.back().is_none_or(|last| end.since(last.0) >= length.max(HOUR)) {
            let expected = self.forecast(end, length, Season::Day);
            let error = expected.map(|(expected, ..)| (value - expected, expected));
            self.hours.push_back(PastHour(end, value, error));
            self.hours.drain(..self.hours.len().saturating_sub(HOURS));
        }
    }

    /// The median of the latest `count` windows.
    pub(crate) fn recent(&self, count: usize) -> Option<f64> {
        let mut values: Vec<f64> = self.recent.iter().rev().take(count).map(|past| past.1).collect();
        median(&mut values)
    }

    /// How many latest windows are known.
    pub(crate) fn known(&self) -> usize {
        self.recent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of the `at`-th hour from Monday, 2026-01-05, on.
    fn hour(at: usize) -> EventTime {
        EventTime::from_millis(1_767_571_200_000 + at as i64 * 3_600_000)
    }

    fn learned(hours: usize, figure: impl Fn(usize) -> f64) -> History {
        let mut history = History::default();
        (1..=hours).for_each(|at| history.learn(hour(at), HOUR, figure(at)));
        history
    }

    /// By the hour of the day, with something that looks like noise.
    fn daily(at: usize) -> f64 {
        (at % 24) as f64 * 100.0 + (at * 7_919 % 13) as f64
    }

    #[test]
    fn the_same_hour_counts_as_soon_as_it_is_known() {
        let at = |hours, season| learned(hours, daily).normal(hour(hours + 1), HOUR, season, false);
        assert_eq!(at(60, Season::Day), None);
        // Thursday evening: three days, and half a day of errors of their forecasts.
        let normal = at(85, Season::Day).unwrap();
        assert!((normal.middle - 1_400.0).abs() < 13.0 && normal.spread < 15.0, "{normal:?}");
        assert_eq!(normal.source, "in the same hour of 3 days");
        // A Saturday is no weekday.
        assert_eq!(at(5 * 24 + 10, Season::Day), None);
        let all = at(5 * 24 + 10, Season::Auto).unwrap();
        assert!(all.spread > 500.0, "{all:?}");
        assert_eq!(at(14 * 24 + 5, Season::Week), None);
        assert_eq!(at(22 * 24, Season::Week).unwrap().source, "in the same hour of 3 weeks");
    }

    #[test]
    fn the_latest_windows_are_median_and_mad() {
        assert_eq!(learned(11, |at| at as f64).normal(hour(12), HOUR, Season::None, false), None);
        let normal = learned(13, |at| if at == 5 { 1e9 } else { at as f64 });
        let normal = normal.normal(hour(14), HOUR, Season::None, false).unwrap();
        assert_eq!((normal.middle, normal.windows), (8.0, 13));
        // numpy 2.0.2: x = [1, 2, 3, 4, 1e9, 6, ..., 13]; np.median(abs(x - np.median(x))) is 4
        assert!((normal.spread - 4.0 * MAD_TO_SD).abs() < 1e-12, "{normal:?}");
    }

    #[test]
    fn windows_that_overlap_are_one() {
        let mut history = History::default();
        (0..600).for_each(|at| {
            let end = EventTime::from_millis(hour(0).as_millis() + at * 300_000);
            history.learn(end, HOUR, at as f64);
        });
        assert_eq!((history.recent.len(), history.hours.len()), (RECENT, 50));
        assert_eq!(learned(2_000, daily).hours.len(), HOURS);
    }

    #[test]
    fn relative_spread_grows_with_the_figure() {
        let history = learned(90, |at| ((at % 24) as f64 + 1.0) * (100.0 + (at * 7_919 % 13) as f64));
        let spread = |at: usize| history.normal(hour(at), HOUR, Season::Day, true).unwrap().spread;
        assert!(spread(95) > 10.0 * spread(97), "{} {}", spread(95), spread(97));
    }
}
