//! Windows and event time as configuration writes them, and as they hold.

use std::sync::Arc;
use std::time::Duration;

use driftline_events::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named window: `{ name = "1h", length = "1h" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowOptions {
    /// Its name, the value of the `window` label of every metric.
    pub name: String,
    /// How much event time it covers; a whole number of panes.
    pub length: Span,
    /// How often one ends; a whole number of panes. Its length (tumbling) if not given; less slides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// A window with fewer rows reaches back over earlier panes until it has them. 0 (never) if not given.
    #[serde(default)]
    pub min_rows: u64,
    /// How far it may reach back, its own length included. Four times its length if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<Span>,
}

/// How a model's event time runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeOptions {
    /// Width of a pane, the shortest slice of event time that is kept.
    pub pane: Span,
    /// How far events may lag behind the latest one before their window closes without them.
    pub allowed_lateness: Span,
    /// With no events for this long the watermark follows the clock; `None`: it never does.
    pub idle_timeout: Option<Span>,
    /// How long panes are kept, and so how late an event may be.
    pub retention: Span,
    /// How long after its prediction a label still counts.
    pub label_horizon: Span,
    /// How old panes are merged into hours; 24 times as old into days. Only as far as every window allows.
    pub roll_up_after: Span,
}

impl Default for TimeOptions {
    fn default() -> Self {
        Self {
            pane: Span::from_mins(1),
            allowed_lateness: Span::from_mins(1),
            idle_timeout: Some(Span::from_mins(5)),
            // A week of labels, and a day for the windows that hold their predictions.
            retention: Span::from_days(8),
            label_horizon: Span::from_days(7),
            // Most late events come within minutes.
            roll_up_after: Span::from_mins(120),
        }
    }
}

/// A setting of event time or of a window that cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowConfigError {
    /// A pane shorter than a second.
    #[error("pane = \"{pane}\" is too short; the shortest is 1s")]
    PaneTooShort {
        /// What was written.
        pane: Span,
    },
    /// A pane that days cannot be cut into.
    #[error("pane = \"{pane}\" does not divide a day; use for instance 1m, 5m, 1h or 1day")]
    PaneDividesNoDay {
        /// What was written.
        pane: Span,
    },
    /// Labels may come after their panes are gone.
    #[error("label_horizon = \"{horizon}\" is longer than retention = \"{retention}\"; raise retention")]
    HorizonBeyondRetention {
        /// The label horizon.
        horizon: Span,
        /// The retention.
        retention: Span,
    },
    /// A window without a name.
    #[error("a window needs a name")]
    Unnamed,
    /// Two windows of one name.
    #[error("two windows are named {name:?}")]
    NamedTwice {
        /// The name.
        name: String,
    },
    /// A length or step that is no whole number of panes.
    #[error("window {name:?}: {key} = \"{value}\" is not a whole number of panes of {pane}")]
    NotWholePanes {
        /// The window.
        name: String,
        /// `length`, `every` or `max_length`.
        key: &'static str,
        /// What was written.
        value: Span,
        /// The pane's width.
        pane: Span,
    },
    /// A step longer than the window leaves events out.
    #[error(
        "window {name:?}: every = \"{every}\" is longer than its length \"{length}\", so events would be left out"
    )]
    Gaps {
        /// The window.
        name: String,
        /// The step.
        every: Span,
        /// The length.
        length: Span,
    },
    /// A reach shorter than the window.
    #[error("window {name:?}: max_length = \"{max_length}\" is shorter than its length \"{length}\"")]
    ReachTooShort {
        /// The window.
        name: String,
        /// The longest it may get.
        max_length: Span,
        /// The length.
        length: Span,
    },
    /// A window longer than what is kept.
    #[error("window {name:?}: \"{length}\" (with its reach) is longer than retention = \"{retention}\"")]
    BeyondRetention {
        /// The window.
        name: String,
        /// Its longest length.
        length: Span,
        /// The retention.
        retention: Span,
    },
}

/// A named window that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    pub(crate) name: Arc<str>,
    pub(crate) length: Duration,
    pub(crate) every: Duration,
    pub(crate) min_rows: u64,
    pub(crate) max_length: Duration,
}

impl WindowSpec {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How much event time it covers.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// How often one ends.
    #[must_use]
    pub const fn every(&self) -> Duration {
        self.every
    }
}

/// Event time and windows of a model that hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeSpec {
    pub(crate) pane: Duration,
    pub(crate) allowed_lateness: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) retention: Duration,
    pub(crate) label_horizon: Duration,
    roll_up_after: Duration,
    pub(crate) windows: Vec<WindowSpec>,
}

impl TimeSpec {
    /// Checks a model's event time and windows. With no windows given: five minutes every minute, an hour
    /// every five minutes, a day every hour, as far as panes and retention allow.
    ///
    /// # Errors
    /// Every fault that was found, in the order written.
    pub fn try_new(time: &TimeOptions, windows: &[WindowOptions]) -> Result<Self, Vec<WindowConfigError>> {
        let mut faults = time_faults(time);
        let mut specs: Vec<WindowSpec> = Vec::with_capacity(windows.len());
        // With a pane that is wrong itself, its windows' faults would only be noise.
        if faults.iter().all(|fault| matches!(fault, WindowConfigError::HorizonBeyondRetention { .. })) {
            for window in windows {
                if specs.iter().any(|other| *other.name == *window.name) {
                    faults.push(WindowConfigError::NamedTwice { name: window.name.clone() });
                }
                match window_spec(window, time) {
                    Ok(spec) => specs.push(spec),
                    Err(found) => faults.extend(found),
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if windows.is_empty() {
            specs = default_windows(time);
        }
        Ok(Self {
            pane: time.pane.duration(),
            allowed_lateness: time.allowed_lateness.duration(),
            idle_timeout: time.idle_timeout.map(Span::duration),
            retention: time.retention.duration(),
            label_horizon: time.label_horizon.duration(),
            roll_up_after: time.roll_up_after.duration(),
            windows: specs,
        })
    }

    /// The named windows.
    #[must_use]
    pub fn windows(&self) -> &[WindowSpec] {
        &self.windows
    }

    /// Width of a pane.
    #[must_use]
    pub const fn pane(&self) -> Duration {
        self.pane
    }

    /// How old panes must be to become how wide: as wide as divides every window's length and step, so that no
    /// window, however old, comes to begin or end inside a pane.
    pub(crate) fn roll_ups(&self) -> impl Iterator<Item = (Duration, Duration)> {
        let grain =
            self.windows.iter().flat_map(|window| [window.length, window.every]).reduce(common_divisor);
        let pane = self.pane;
        [(1, 3_600), (24, 86_400)].into_iter().filter_map(move |(times, seconds)| {
            let width = common_divisor(grain?, Duration::from_secs(seconds));
            (width > pane).then(|| (self.roll_up_after.saturating_mul(times), width))
        })
    }

    /// How long panes are kept for late events.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        self.retention
    }
}

fn common_divisor(one: Duration, other: Duration) -> Duration {
    let (mut one, mut other) = (one.as_millis() as u64, other.as_millis() as u64);
    while other > 0 {
        (one, other) = (other, one % other);
    }
    Duration::from_millis(one)
}

fn time_faults(time: &TimeOptions) -> Vec<WindowConfigError> {
    let mut faults = Vec::new();
    let pane = time.pane.duration();
    if pane < Duration::from_secs(1) {
        faults.push(WindowConfigError::PaneTooShort { pane: time.pane });
    } else if !Span::from_days(1).duration().as_millis().is_multiple_of(pane.as_millis()) {
        faults.push(WindowConfigError::PaneDividesNoDay { pane: time.pane });
    }
    if time.label_horizon > time.retention {
        faults.push(WindowConfigError::HorizonBeyondRetention {
            horizon: time.label_horizon,
            retention: time.retention,
        });
    }
    faults
}

fn is_whole(length: Duration, pane: Duration) -> bool {
    !length.is_zero() && length.as_nanos().is_multiple_of(pane.as_nanos())
}

fn window_spec(window: &WindowOptions, time: &TimeOptions) -> Result<WindowSpec, Vec<WindowConfigError>> {
    let name = || window.name.clone();
    let mut faults = Vec::new();
    if window.name.is_empty() {
        faults.push(WindowConfigError::Unnamed);
    }
    let length = window.length;
    let every = window.every.unwrap_or(length);
    let mut check = |key, value: Span| {
        if !is_whole(value.duration(), time.pane.duration()) {
            faults.push(WindowConfigError::NotWholePanes { name: name(), key, value, pane: time.pane });
        }
    };
    check("length", length);
    if window.every.is_some() {
        check("every", every);
    }
    if let Some(max_length) = window.max_length {
        check("max_length", max_length);
    }
    if every > length {
        faults.push(WindowConfigError::Gaps { name: name(), every, length });
    }
    if let Some(max_length) = window.max_length.filter(|&max_length| max_length < length) {
        faults.push(WindowConfigError::ReachTooShort { name: name(), max_length, length });
    }
    let reach = match (window.max_length, window.min_rows) {
        (Some(max_length), _) => max_length.duration(),
        (None, 0) => length.duration(),
        (None, _) => (length.duration() * 4).min(time.retention.duration()),
    };
    let longest = reach.max(length.duration());
    if longest > time.retention.duration() {
        faults.push(WindowConfigError::BeyondRetention {
            name: name(),
            length: if reach > length.duration() { window.max_length.unwrap_or(length) } else { length },
            retention: time.retention,
        });
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(WindowSpec {
        name: window.name.as_str().into(),
        length: length.duration(),
        every: every.duration(),
        min_rows: window.min_rows,
        max_length: reach,
    })
}

fn default_windows(time: &TimeOptions) -> Vec<WindowSpec> {
    [("5m", 5, 1), ("1h", 60, 5), ("1d", 1_440, 60)]
        .into_iter()
        .filter_map(|(name, length, every)| {
            let window = WindowOptions {
                name: name.to_owned(),
                length: Span::from_mins(length),
                every: Some(Span::from_mins(every)),
                min_rows: 0,
                max_length: None,
            };
            window_spec(&window, time).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(name: &str, length: &str, every: Option<&str>) -> WindowOptions {
        WindowOptions {
            name: name.to_owned(),
            length: length.parse().unwrap(),
            every: every.map(|every| every.parse().unwrap()),
            min_rows: 0,
            max_length: None,
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let time = TimeOptions { label_horizon: Span::from_days(9), ..TimeOptions::default() };
        let windows = [window("a", "90s", None), window("b", "1h", Some("2h")), window("b", "30days", None)];
        let faults: Vec<_> =
            TimeSpec::try_new(&time, &windows).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "label_horizon = \"9days\" is longer than retention = \"8days\"; raise retention",
                "window \"a\": length = \"1m 30s\" is not a whole number of panes of 1m",
                "window \"b\": every = \"2h\" is longer than its length \"1h\", so events would be left out",
                "window \"b\": \"30days\" (with its reach) is longer than retention = \"8days\"",
            ]
        );
    }

    #[test]
    fn without_windows_there_are_three_that_slide() {
        let spec = TimeSpec::try_new(&TimeOptions::default(), &[]).unwrap();
        let names: Vec<_> = spec.windows().iter().map(|window| window.name().as_ref()).collect();
        assert_eq!(names, ["5m", "1h", "1d"]);
    }
}
