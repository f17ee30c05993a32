//! Which columns of a table hold what.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The table `[models.columns]` of the configuration, as written. Features and segment tags are found under
/// their own names; everything else under the name given here, or, where none is given, under its own name if
/// the table has such a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnOptions {
    /// Event time: a timestamp, a date, RFC 3339 text, or epoch milliseconds.
    pub timestamp: Option<String>,
    /// The key that labels are joined by.
    pub prediction_id: Option<String>,
    /// The predicted class; for a regression the predicted number.
    pub prediction: Option<String>,
    /// The predicted probability of the positive class.
    pub score: Option<String>,
    /// The predicted number.
    pub value: Option<String>,
    /// The true class; for a regression the true number.
    pub label: Option<String>,
    /// When the label became known, if that is not what `timestamp` says.
    pub label_timestamp: Option<String>,
    /// How long after its timestamp a label became known, in seconds.
    pub label_delay_seconds: Option<f64>,
    /// The model's version.
    pub version: Option<String>,
    /// How long the model took.
    pub latency_ms: Option<String>,
    /// How the request ended.
    pub status: Option<String>,
    /// Champion, challenger, shadow or canary.
    pub variant: Option<String>,
    /// How many requests the row stands for.
    pub weight: Option<String>,
    /// Requests that the model service was working on.
    pub in_flight: Option<String>,
    /// Requests that the model service can work on at once.
    pub capacity: Option<String>,
    /// The column of each class's probability.
    pub scores: BTreeMap<String, String>,
    /// Columns that are custom measures, under their own names.
    pub metrics: Vec<String>,
}

/// A fault in [`ColumnOptions`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// A column without a name.
    #[error("columns.{key} is empty")]
    Empty {
        /// The key that is empty.
        key: String,
    },
    /// A delay that is negative or no number.
    #[error("columns.label_delay_seconds is {seconds}, it must be 0 or more, and at most a century")]
    Delay {
        /// What was given.
        seconds: f64,
    },
    /// The truth read from the column of the prediction: every model would look perfect.
    #[error("columns.label and columns.{key} are both {column:?}")]
    LabelIsPrediction {
        /// The other key.
        key: &'static str,
        /// The column.
        column: String,
    },
}

/// A role's column, and whether somebody asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) column: String,
    /// Asked for: a table without it is refused. Otherwise the column is used if it is there.
    pub(crate) explicit: bool,
}

/// Which columns of a table hold what; made from [`ColumnOptions`].
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnMap {
    pub(crate) timestamp: Named,
    pub(crate) prediction_id: Named,
    pub(crate) prediction: Named,
    pub(crate) score: Named,
    pub(crate) value: Named,
    pub(crate) label: Named,
    pub(crate) label_timestamp: Option<String>,
    pub(crate) label_delay: Duration,
    pub(crate) version: Named,
    pub(crate) latency_ms: Named,
    pub(crate) status: Named,
    pub(crate) variant: Named,
    pub(crate) weight: Named,
    pub(crate) in_flight: Named,
    pub(crate) capacity: Named,
    pub(crate) scores: BTreeMap<String, String>,
    pub(crate) metrics: Vec<String>,
}

impl Default for ColumnMap {
    fn default() -> Self {
        Self::try_from(ColumnOptions::default()).expect("no column is named, so none is wrong")
    }
}

/// A century: longer delays are a wrong unit.
const LONGEST_DELAY_SECONDS: f64 = 100.0 * 365.25 * 86_400.0;

impl TryFrom<ColumnOptions> for ColumnMap {
    type Error = ColumnError;

    fn try_from(options: ColumnOptions) -> Result<Self, ColumnError> {
        let named = |key: &str, column: Option<String>| match column {
            Some(column) if column.is_empty() => Err(ColumnError::Empty { key: key.into() }),
            Some(column) => Ok(Named { column, explicit: true }),
            None => Ok(Named { column: key.into(), explicit: false }),
        };
        let seconds = options.label_delay_seconds.unwrap_or(0.0);
        if !(0.0..=LONGEST_DELAY_SECONDS).contains(&seconds) {
            return Err(ColumnError::Delay { seconds });
        }
        if let Some(label) = &options.label {
            for (key, column) in [("prediction", &options.prediction), ("value", &options.value)] {
                if column.as_ref() == Some(label) {
                    return Err(ColumnError::LabelIsPrediction { key, column: label.clone() });
                }
            }
        }
        if let Some((class, _)) = options.scores.iter().find(|(_, column)| column.is_empty()) {
            return Err(ColumnError::Empty { key: format!("scores.{class}") });
        }
        if options.metrics.iter().any(String::is_empty) {
            return Err(ColumnError::Empty { key: "metrics".into() });
        }
        if options.label_timestamp.as_ref().is_some_and(String::is_empty) {
            return Err(ColumnError::Empty { key: "label_timestamp".into() });
        }
        Ok(Self {
            timestamp: named("timestamp", options.timestamp)?,
            prediction_id: named("prediction_id", options.prediction_id)?,
            prediction: named("prediction", options.prediction)?,
            score: named("score", options.score)?,
            value: named("value", options.value)?,
            label: named("label", options.label)?,
            label_timestamp: options.label_timestamp,
            label_delay: Duration::from_secs_f64(seconds),
            version: named("version", options.version)?,
            latency_ms: named("latency_ms", options.latency_ms)?,
            status: named("status", options.status)?,
            variant: named("variant", options.variant)?,
            weight: named("weight", options.weight)?,
            in_flight: named("in_flight", options.in_flight)?,
            capacity: named("capacity", options.capacity)?,
            scores: options.scores,
            metrics: options.metrics,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_nobody_named_are_looked_for_under_their_own_names() {
        let map = ColumnMap::try_from(ColumnOptions {
            score: Some("predicted_probability".into()),
            ..ColumnOptions::default()
        })
        .unwrap();
        assert_eq!(map.score, Named { column: "predicted_probability".into(), explicit: true });
        assert_eq!(map.timestamp, Named { column: "timestamp".into(), explicit: false });
    }

    #[test]
    fn faults_are_refused() {
        let fault = |options: ColumnOptions| ColumnMap::try_from(options).unwrap_err().to_string();
        assert_eq!(
            fault(ColumnOptions { score: Some(String::new()), ..ColumnOptions::default() }),
            "columns.score is empty"
        );
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e11] {
            let message =
                fault(ColumnOptions { label_delay_seconds: Some(seconds), ..ColumnOptions::default() });
            assert!(message.starts_with("columns.label_delay_seconds is"), "{message}");
        }
        assert_eq!(
            fault(ColumnOptions {
                label: Some("y".into()),
                prediction: Some("y".into()),
                ..ColumnOptions::default()
            }),
            "columns.label and columns.prediction are both \"y\""
        );
    }
}
