//! Whether it is silent where something should come: requests, or labels.

use std::collections::VecDeque;
use std::time::Duration;

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use super::normal::History;

/// Rows that must have been expected for their absence to be no chance: e^-20 is 2e-9.
const EXPECTED: f64 = 20.0;
/// Windows with rows that say how many are usual.
const BUSY: usize = 12;
/// Gaps that are remembered, the latest.
const GAPS: usize = 32;
/// A silence must be so many times as long as the longest gap so far.
const LONGER: f64 = 2.0;
/// Same hours of former days that must all have had rows to expect some whatever the gaps.
const SAME_HOURS: usize = 5;

/// When something came, how much of it, and the gaps between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Silence {
    /// Rows of windows that had some.
    busy: History,
    /// Rows of all windows, for the same hour of former days.
    all: History,
    first: Option<EventTime>,
    last: Option<EventTime>,
    /// Milliseconds without rows between windows that had some.
    gaps: VecDeque<i64>,
}

/// A silence that is none by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Silent {
    /// How long nothing came.
    pub(crate) seconds: f64,
    /// Rows that used to come in such a time.
    pub(crate) expected: f64,
}

impl Silence {
    /// Takes the rows of a window, and says whether it is silent. `None`: it is not, or it is not known to be unusual.
    ///
    /// It is silent when 20 rows or more would have come in the time without any, by the median of the latest twelve
    /// windows that had some and by the same hour of former days, and when the silence is more than twice the longest
    /// gap there was or the same hour of five former days had rows each time. `known`: how long it must have been watched.
    pub(crate) fn take(
        &mut self,
        end: EventTime,
        length: Duration,
        rows: u64,
        known: Duration,
    ) -> Option<Silent> {
        if rows > 0 {
            self.first.get_or_insert(end);
            if let Some(last) = self.last {
                // The window before this one's start had rows too: no gap.
                let gap = end.as_millis() - last.as_millis() - length.as_millis() as i64;
                if gap > 0 {
                    self.gaps.push_back(gap);
                    self.gaps.drain(..self.gaps.len().saturating_sub(GAPS));
                }
            }
            self.last = self.last.max(Some(end));
            self.busy.learn(end, length, rows as f64);
            self.all.learn(end, length, rows as f64);
            return None;
        }
        let silent = self.silent(end, length, known);
        self.all.learn(end, length, 0.0);
        silent
    }

    /// As [`Silence::take`] of a window without rows, and learns nothing.
    pub(crate) fn silent(&self, end: EventTime, length: Duration, known: Duration) -> Option<Silent> {
        let (first, last) = (self.first?, self.last?);
        if self.busy.known() < BUSY || last.since(first) < known {
            return None;
        }
        let usual = self.busy.recent(BUSY)?;
        let same_hour = self.all.same_hour(end, length);
        let per_window = same_hour.map_or(usual, |same| same.middle.min(usual));
        // The last window that had rows may have had them at its start.
        let seconds = end.since(last).as_secs_f64();
        let expected = per_window * seconds / length.as_secs_f64();
        let longest = self.gaps.iter().copied().max().unwrap_or(0) as f64 / 1e3;
        let always = same_hour.is_some_and(|same| same.days >= SAME_HOURS && same.least > 0.0);
        (expected >= EXPECTED && (always || seconds > LONGER * longest))
            .then_some(Silent { seconds, expected })
    }

    /// Rows came after all in a window that ended then.
    pub(crate) fn came(&mut self, end: EventTime) {
        self.last = self.last.max(Some(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Takes hours of these rows from Monday, 2026-01-05, on and gives those that were silent.
    fn silent(hours: usize, known: Duration, rows: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut silence = Silence::default();
        let end = |at: usize| EventTime::from_millis(1_767_571_200_000 + (at as i64 + 1) * 3_600_000);
        (0..hours).filter(|&at| silence.take(end(at), HOUR, rows(at), known).is_some()).collect()
    }

    #[test]
    fn it_takes_as_long_as_rows_are_rare() {
        assert_eq!(silent(33, Duration::ZERO, |at| if at < 30 { 100 } else { 0 }), [30, 31, 32]);
        // Five an hour: after four hours twenty should have come.
        assert_eq!(silent(36, Duration::ZERO, |at| if at < 30 { 5 } else { 0 }), [33, 34, 35]);
        assert!(silent(60, Duration::ZERO, |_| 0).is_empty());
        assert!(silent(20, Duration::from_secs(86_400), |at| if at < 15 { 100 } else { 0 }).is_empty());
    }

    #[test]
    fn gaps_that_come_every_day_are_no_silence() {
        // Office hours: the first evening cannot be known for one, those after it are.
        let office = |at: usize| if (8..18).contains(&(at % 24)) { 500 } else { 0 };
        let found = silent(5 * 24, Duration::ZERO, office);
        assert!(found.iter().all(|at| *at < 48), "{found:?}");
        // An outage at ten on the second Tuesday is seen at once, though nights are longer.
        let broken = |at: usize| if at >= 8 * 24 + 10 { 0 } else { office(at) };
        assert!(silent(9 * 24, Duration::ZERO, broken).contains(&(8 * 24 + 10)));
        // Two hours in seven without any, so at no hour of the day for sure; then ten.
        let now_and_then = |at: usize| if at % 7 < 5 && at < 250 { 500 } else { 0 };
        assert_eq!(silent(260, Duration::ZERO, now_and_then), [254, 255, 256, 257, 258, 259]);
        // Labels once a day, for longer than a day.
        let nightly = |at: usize| if at % 24 == 3 { 5_000 } else { 0 };
        let found = silent(30 * 24, Duration::from_secs(86_400), nightly);
        assert!(found.is_empty(), "{found:?}");
    }
}
