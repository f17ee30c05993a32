//! When scenarios are on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use driftline_events::{Span, SpanError};
use serde::{Deserialize, Serialize};

use crate::scenario::{Scenario, UnknownScenario};

/// A scenario and when it is on: `[from, to)`, in wall time since the start of the run.
///
/// Written `covariate-shift@60s..120s`, with offsets like [`Span`]'s (`90s`, `1m 30s`, `500ms`). An empty start is
/// the start of the run, an empty end is its end, and a scenario without `@` is always on.
///
/// # Examples
/// ```
/// use driftline_simulate::{Scenario, ScheduledScenario};
/// use std::time::Duration;
/// let shift: ScheduledScenario = "covariate-shift@60s..2m".parse().unwrap();
/// assert_eq!(shift.scenario, Scenario::CovariateShift);
/// assert_eq!((shift.from, shift.to), (Duration::from_secs(60), Some(Duration::from_secs(120))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ScheduledScenario {
    /// What goes wrong.
    pub scenario: Scenario,
    /// The first instant that it does.
    pub from: Duration,
    /// The first instant that it no longer does; `None`: to the end of the run.
    pub to: Option<Duration>,
}

/// Any number of spans; a scenario is on while any of its spans says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule {
    /// The spans, in any order.
    pub spans: Vec<ScheduledScenario>,
}

/// A schedule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The part before `@` is no scenario's name.
    #[error(transparent)]
    Scenario(#[from] UnknownScenario),
    /// The part after `@` has no `..`.
    #[error("{span:?} does not say from when to when: write {scenario}@60s..120s")]
    Range {
        /// What was written.
        span: String,
        /// The scenario in it.
        scenario: Scenario,
    },
    /// An offset is no length of time.
    #[error("{span:?} has no time since the start of the run")]
    Offset {
        /// What was written.
        span: String,
        /// What is wrong with the offset.
        #[source]
        source: SpanError,
    },
    /// The end is not after the start.
    #[error("{span:?} ends before it has begun")]
    Backwards {
        /// What was written.
        span: String,
    },
}

impl ScheduledScenario {
    /// Whether `elapsed` lies in it.
    #[must_use]
    pub fn contains(&self, elapsed: Duration) -> bool {
        self.from <= elapsed && self.to.is_none_or(|to| elapsed < to)
    }
}

impl FromStr for ScheduledScenario {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, times) = match text.split_once('@') {
            Some((name, times)) => (name, Some(times)),
            None => (text, None),
        };
        let scenario: Scenario = name.trim().parse()?;
        let Some(times) = times else { return Ok(Self { scenario, from: Duration::ZERO, to: None }) };
        let span = || text.to_owned();
        let (from, to) =
            times.split_once("..").ok_or_else(|| ScheduleError::Range { span: span(), scenario })?;
        let offset = |part: &str| match part.trim() {
            "" => Ok(None),
            part => match part.parse::<Span>() {
                Ok(offset) => Ok(Some(offset.duration())),
                Err(source) => Err(ScheduleError::Offset { span: span(), source }),
            },
        };
        let (from, to) = (offset(from)?.unwrap_or_default(), offset(to)?);
        if to.is_some_and(|to| to <= from) {
            return Err(ScheduleError::Backwards { span: span() });
        }
        Ok(Self { scenario, from, to })
    }
}

impl fmt::Display for ScheduledScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}..", self.scenario, humantime::format_duration(self.from))?;
        self.to.map_or(Ok(()), |to| write!(f, "{}", humantime::format_duration(to)))
    }
}

impl From<ScheduledScenario> for String {
    fn from(span: ScheduledScenario) -> Self {
        span.to_string()
    }
}

impl TryFrom<String> for ScheduledScenario {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Schedule {
    /// The scenarios that are on after `elapsed`, in [`Scenario`]'s order.
    #[must_use]
    pub fn active(&self, elapsed: Duration) -> Vec<Scenario> {
        Scenario::ALL
            .into_iter()
            .filter(|&scenario| {
                self.spans.iter().any(|span| span.scenario == scenario && span.contains(elapsed))
            })
            .collect()
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// Spans separated by commas; empty text is the empty schedule.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Self { spans: parts.map(str::parse).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, span) in self.spans.iter().enumerate() {
            write!(f, "{}{span}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromIterator<ScheduledScenario> for Schedule {
    fn from_iter<I: IntoIterator<Item = ScheduledScenario>>(spans: I) -> Self {
        Self { spans: spans.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests;
