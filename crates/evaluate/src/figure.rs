//! A number that may be absent, and why.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;

use schemars::{JsonSchema, Schema, SchemaGenerator};
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
    /// All, in their order.
    const ALL: [Self; 21] = [
        Self::NoRows,
        Self::NoValues,
        Self::TooFewRows,
        Self::NoReference,
        Self::EmptyReference,
        Self::ConstantReference,
        Self::BinsDiffer,
        Self::SingleBin,
        Self::NotWatched,
        Self::NoLabels,
        Self::NoPredictions,
        Self::NoScores,
        Self::OneClass,
        Self::OnePredictedClass,
        Self::NoPredictedPositives,
        Self::NoActualPositives,
        Self::NoActualNegatives,
        Self::ClassAbsent,
        Self::ConstantActual,
        Self::ZeroActuals,
        Self::NotFinite,
    ];

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
///
/// A report has a thousand, so it takes no more room than the number: a reason is one of the many bit patterns that are
/// no number.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Figure(NonZeroU64);

/// The bits of a NaN that is no figure: with them turned no figure has only zeros.
const TURNED: u64 = u64::MAX;
/// The bits of a NaN, to which the place of the reason is added.
const ABSENT: u64 = 0x7ff8_0000_0000_0000;

/// A number, or `{"absent": "reason"}`. Never NaN or infinite.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Figure")]
enum Written {
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
        if value.is_finite() { Self::of_bits(value.to_bits()) } else { Self::absent(Reason::NotFinite) }
    }

    /// A figure that does not exist.
    #[must_use]
    pub const fn absent(reason: Reason) -> Self {
        Self::of_bits(ABSENT + reason as u64)
    }

    const fn of_bits(bits: u64) -> Self {
        Self(NonZeroU64::new(bits ^ TURNED).expect("neither a number nor a reason has these bits"))
    }

    /// The number, if there is one.
    #[must_use]
    pub const fn value(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.get() ^ TURNED);
        if value.is_finite() { Some(value) } else { None }
    }

    /// Why there is no number, if there is none.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let place = (self.0.get() ^ TURNED).wrapping_sub(ABSENT);
        usize::try_from(place).ok().and_then(|place| Reason::ALL.get(place)).copied()
    }
}

impl From<Written> for Figure {
    fn from(written: Written) -> Self {
        match written {
            Written::Value(value) => Self::new(value),
            Written::Absent { absent } => Self::absent(absent),
        }
    }
}

impl From<Figure> for Written {
    fn from(figure: Figure) -> Self {
        match (figure.value(), figure.reason()) {
            (Some(value), _) => Self::Value(value),
            (None, reason) => Self::Absent { absent: reason.unwrap_or(Reason::NotFinite) },
        }
    }
}

impl PartialEq for Figure {
    fn eq(&self, other: &Self) -> bool {
        (self.value(), self.reason()) == (other.value(), other.reason())
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written::from(*self).fmt(f)
    }
}

/// That of a number or its reason.
impl JsonSchema for Figure {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Written::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
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
    fn a_figure_is_as_small_as_its_number_and_keeps_every_bit_of_it() {
        assert_eq!((size_of::<Figure>(), size_of::<Option<Figure>>()), (8, 8));
        for value in [0.0, -0.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, -1.0 / 3.0] {
            let figure = Figure::new(value);
            assert_eq!(figure.value().map(f64::to_bits), Some(value.to_bits()));
            assert_eq!(figure.reason(), None, "{figure:?}");
        }
        for reason in Reason::ALL {
            let figure = Figure::absent(reason);
            assert_eq!((figure.value(), figure.reason()), (None, Some(reason)));
            assert_eq!(
                serde_json::to_string(&figure).unwrap(),
                format!(r#"{{"absent":"{}"}}"#, reason.as_str())
            );
        }
        for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Figure::new(value).reason(), Some(Reason::NotFinite));
        }
        assert_eq!(Figure::new(0.0), Figure::new(-0.0));
        assert_ne!(Figure::new(0.0), Figure::absent(Reason::NoRows));
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
