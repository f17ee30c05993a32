//! A number that may be absent, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a figure does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The window has no rows at all.
    NoRows,
    /// Rows, but none with a value.
    NoValues,
    /// Fewer rows with a value than the figure needs.
    TooFewRows,
    /// No reference to compare with (yet).
    NoReference,
    /// The reference has no value of this feature.
    EmptyReference,
    /// The reference has one distinct value, or no spread.
    ConstantReference,
    /// Reference and current were counted on different bins.
    BinsDiffer,
    /// Both sides fall into one bin, so there is nothing to compare.
    SingleBin,
    /// The feature is not watched for drift.
    NotWatched,
    /// No row has a label.
    NoLabels,
    /// Labelled rows, but none with a prediction.
    NoPredictions,
    /// Labelled rows, but none with a score.
    NoScores,
    /// All labels are of one class.
    OneClass,
    /// All predictions are of one class.
    OnePredictedClass,
    /// The class was never predicted.
    NoPredictedPositives,
    /// The class never occurred.
    NoActualPositives,
    /// Every row is of the class.
    NoActualNegatives,
    /// The class neither occurred nor was predicted.
    ClassAbsent,
    /// All actual values are equal.
    ConstantActual,
    /// Every actual value is zero.
    ZeroActuals,
    /// The calculation overflowed.
    NotFinite,
}

impl Reason {
    /// The reason as reports and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRows => "no_rows",
            Self::NoValues => "no_values",
            Self::TooFewRows => "too_few_rows",
            Self::NoReference => "no_reference",
            Self::EmptyReference => "empty_reference",
            Self::ConstantReference => "constant_reference",
            Self::BinsDiffer => "bins_differ",
            Self::SingleBin => "single_bin",
            Self::NotWatched => "not_watched",
            Self::NoLabels => "no_labels",
            Self::NoPredictions => "no_predictions",
            Self::NoScores => "no_scores",
            Self::OneClass => "one_class",
            Self::OnePredictedClass => "one_predicted_class",
            Self::NoPredictedPositives => "no_predicted_positives",
            Self::NoActualPositives => "no_actual_positives",
            Self::NoActualNegatives => "no_actual_negatives",
            Self::ClassAbsent => "class_absent",
            Self::ConstantActual => "constant_actual",
            Self::ZeroActuals => "zero_actuals",
            Self::NotFinite => "not_finite",
        }
    }
}

/// A number, or `{"absent": "reason"}`. Never NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Figure {
    /// It exists; finite.
    Value(f64),
    /// It does not.
    Absent {
        /// Why.
        absent: Reason,
    },
}

impl Figure {
    /// The figure `value`, absent as [`Reason::NotFinite`] if it is not finite.
    #[must_use]
    pub const fn new(value: f64) -> Self {
        if value.is_finite() { Self::Value(value) } else { Self::absent(Reason::NotFinite) }
    }

    /// A figure that does not exist.
    #[must_use]
    pub const fn absent(reason: Reason) -> Self {
        Self::Absent { absent: reason }
    }

    /// The number, if there is one.
    #[must_use]
    pub const fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Absent { .. } => None,
        }
    }
}

impl From<Result<f64, Reason>> for Figure {
    fn from(result: Result<f64, Reason>) -> Self {
        match result {
            Ok(value) => Self::new(value),
            Err(reason) => Self::absent(reason),
        }
    }
}

/// A figure with its 95 % confidence interval, or `{"absent": "reason"}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Estimate {
    /// It exists.
    Value(Interval),
    /// It does not.
    Absent {
        /// Why.
        absent: Reason,
    },
}

/// A figure and where the truth behind it lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Lower end of the 95 % confidence interval; null where the rows do not give one.
    pub low: Option<f64>,
    /// Upper end of the 95 % confidence interval; null where the rows do not give one.
    pub high: Option<f64>,
    /// The figure of the raw rows is within this of `value`, for certain: what counting in cells can hide.
    /// Left out where `value` is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
}

impl Estimate {
    /// An estimate that does not exist.
    #[must_use]
    pub const fn absent(reason: Reason) -> Self {
        Self::Absent { absent: reason }
    }

    /// The figure and its interval, if it exists.
    #[must_use]
    pub const fn interval(&self) -> Option<&Interval> {
        match self {
            Self::Value(interval) => Some(interval),
            Self::Absent { .. } => None,
        }
    }

    /// The figure alone, if it exists.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.interval().map(|interval| interval.value)
    }
}

impl From<Result<Interval, Reason>> for Estimate {
    fn from(result: Result<Interval, Reason>) -> Self {
        match result {
            Ok(interval) if interval.value.is_finite() => Self::Value(interval.finite()),
            Ok(_) => Self::absent(Reason::NotFinite),
            Err(reason) => Self::absent(reason),
        }
    }
}

impl Interval {
    /// `value` with the ends `low` and `high`.
    #[must_use]
    pub const fn new(value: f64, low: f64, high: f64) -> Self {
        Self { value, low: Some(low), high: Some(high), bound: None }
    }

    /// `value` with no interval.
    #[must_use]
    pub const fn bare(value: f64) -> Self {
        Self { value, low: None, high: None, bound: None }
    }

    /// `value` and a normal interval of `1.96 * se`, cut to `[least, most]`; no interval if `se` is not finite.
    #[must_use]
    pub fn normal(value: f64, se: f64, least: f64, most: f64) -> Self {
        if !se.is_finite() {
            return Self::bare(value);
        }
        let half = crate::Z_95 * se;
        Self::new(value, (value - half).max(least), (value + half).min(most))
    }

    /// The same with a rigorous bound.
    #[must_use]
    pub const fn with_bound(mut self, bound: f64) -> Self {
        self.bound = Some(bound);
        self
    }

    fn finite(mut self) -> Self {
        let both = self.low.is_some_and(f64::is_finite) && self.high.is_some_and(f64::is_finite);
        if !both {
            (self.low, self.high) = (None, None);
        }
        self.bound = self.bound.filter(|bound| bound.is_finite());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_number_or_a_reason() {
        let figures = [Figure::new(0.25), Figure::absent(Reason::NoLabels), Figure::new(f64::NAN)];
        let json = serde_json::to_string(&figures).unwrap();
        assert_eq!(json, r#"[0.25,{"absent":"no_labels"},{"absent":"not_finite"}]"#);
        assert_eq!(serde_json::from_str::<Vec<Figure>>(&json).unwrap(), figures);
    }

    #[test]
    fn a_reason_is_written_the_same_in_json_and_in_text() {
        for reason in [Reason::NoRows, Reason::OneClass, Reason::NoPredictedPositives, Reason::ZeroActuals] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn an_estimate_with_a_nan_end_has_no_interval() {
        let estimate = Estimate::from(Ok(Interval::normal(0.5, f64::NAN, 0.0, 1.0)));
        assert_eq!(serde_json::to_string(&estimate).unwrap(), r#"{"value":0.5,"low":null,"high":null}"#);
        assert_eq!(Estimate::from(Ok(Interval::bare(f64::INFINITY))), Estimate::absent(Reason::NotFinite));
    }
}
