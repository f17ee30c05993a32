//! What a model's windows are compared with, as configuration says it.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use driftline_events::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::ReferenceKind;

/// Where a model's reference comes from, as it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReferenceOptions {
    /// A reference that `driftline reference` built from a table.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// The model's first rows.
    Learned {
        /// How many. Default 10,000: every permille of a distribution then holds about ten rows.
        #[serde(default = "default_learn_rows")]
        learn_rows: u64,
    },
    /// The windows before the one that is judged.
    Trailing {
        /// How many.
        windows: u32,
    },
    /// The same hour of the week in the weeks before.
    Seasonal {
        /// How many weeks.
        weeks: u32,
    },
    /// Another version of the model.
    Version {
        /// Which.
        version: String,
        /// How far back its rows are taken from, counted from the window's end. Default 7 days: every hour of the
        /// week once.
        #[serde(default = "default_lookback")]
        lookback: Span,
    },
}

/// Rows that a learned reference has by default.
pub const DEFAULT_LEARN_ROWS: u64 = 10_000;

const fn default_learn_rows() -> u64 {
    DEFAULT_LEARN_ROWS
}

const fn default_lookback() -> Span {
    Span::from_days(7)
}

impl Default for ReferenceOptions {
    /// Learned: it needs nothing from the user.
    fn default() -> Self {
        Self::Learned { learn_rows: DEFAULT_LEARN_ROWS }
    }
}

/// Where a model's reference comes from, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceSpec {
    /// A reference file.
    File {
        /// Where it is; not empty.
        path: PathBuf,
    },
    /// The model's first rows.
    Learned {
        /// How many.
        learn_rows: NonZeroU64,
    },
    /// The windows before.
    Trailing {
        /// How many.
        windows: NonZeroU32,
    },
    /// The same hour of the week before.
    Seasonal {
        /// How many weeks.
        weeks: NonZeroU32,
    },
    /// Another version of the model.
    Version {
        /// Which.
        version: String,
        /// How far back its rows are taken from; above zero.
        lookback: Duration,
    },
}

/// Reference options that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceSpecError {
    /// A file reference without a path.
    #[error("path is empty")]
    EmptyPath,
    /// A number that must be at least 1.
    #[error("{name} is 0, it must be at least 1")]
    Zero {
        /// Its name.
        name: &'static str,
    },
}

impl ReferenceSpec {
    /// Its kind, as reports name it.
    #[must_use]
    pub const fn kind(&self) -> ReferenceKind {
        match self {
            Self::File { .. } => ReferenceKind::File,
            Self::Learned { .. } => ReferenceKind::Learned,
            Self::Trailing { .. } => ReferenceKind::Trailing,
            Self::Seasonal { .. } => ReferenceKind::Seasonal,
            Self::Version { .. } => ReferenceKind::Version,
        }
    }
}

impl TryFrom<ReferenceOptions> for ReferenceSpec {
    type Error = ReferenceSpecError;

    fn try_from(options: ReferenceOptions) -> Result<Self, ReferenceSpecError> {
        let zero = |name| ReferenceSpecError::Zero { name };
        Ok(match options {
            ReferenceOptions::File { path } if path.as_os_str().is_empty() => {
                return Err(ReferenceSpecError::EmptyPath);
            }
            ReferenceOptions::File { path } => Self::File { path },
            ReferenceOptions::Learned { learn_rows } => {
                Self::Learned { learn_rows: NonZeroU64::new(learn_rows).ok_or(zero("learn_rows"))? }
            }
            ReferenceOptions::Trailing { windows } => {
                Self::Trailing { windows: NonZeroU32::new(windows).ok_or(zero("windows"))? }
            }
            ReferenceOptions::Seasonal { weeks } => {
                Self::Seasonal { weeks: NonZeroU32::new(weeks).ok_or(zero("weeks"))? }
            }
            ReferenceOptions::Version { lookback, .. } if lookback.duration().is_zero() => {
                return Err(zero("lookback"));
            }
            ReferenceOptions::Version { version, lookback } => {
                Self::Version { version, lookback: lookback.duration() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<ReferenceOptions, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    fn defaults_are_filled_in_and_unknown_keys_refused() {
        let learned = read(serde_json::json!({"kind": "learned"})).unwrap();
        assert_eq!(learned, ReferenceOptions::default());
        let version = read(serde_json::json!({"kind": "version", "version": "3", "lookback": "2d"})).unwrap();
        let spec = ReferenceSpec::try_from(version).unwrap();
        assert_eq!(
            spec,
            ReferenceSpec::Version { version: "3".to_owned(), lookback: Duration::from_secs(172_800) }
        );
        let error = read(serde_json::json!({"kind": "trailing", "windows": 3, "weeks": 1})).unwrap_err();
        assert!(error.to_string().contains("weeks"), "{error}");
    }

    #[test]
    fn zero_is_refused_by_name() {
        let error = ReferenceSpec::try_from(ReferenceOptions::Seasonal { weeks: 0 }).unwrap_err();
        assert_eq!(error.to_string(), "weeks is 0, it must be at least 1");
    }
}
