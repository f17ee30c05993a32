//! The columns of the batches that the decoder makes and everything after it reads.
//!
//! A prediction batch belongs to one model and has, in this order: the fixed columns
//! [`TIMESTAMP`] to [`CAPACITY`], one [`feature`] column for each feature of the model's schema, one [`tag`]
//! column for each of its segment dimensions, then, where any row has them, [`invalid`] marks,
//! class [`score`] columns and [`metric`] columns.
//!
//! | column | type | null means |
//! |---|---|---|
//! | `timestamp` | timestamp, milliseconds, UTC | never |
//! | `version` | dictionary of text | never (default is empty text) |
//! | `prediction_id` | text | not sent |
//! | `prediction.label` | dictionary of text | not sent |
//! | `prediction.score`, `prediction.value` | float 64, finite | not sent |
//! | `latency_ms` | float 64, finite, at least 0 | not sent |
//! | `status` | dictionary of text: ok, error, timeout, fallback, other | never |
//! | `variant` | dictionary of text | not sent |
//! | `weight` | float 64, finite, at least 0 | never |
//! | `in_flight`, `capacity` | float 64, finite, at least 0 | not sent |
//! | `feature.x`, numeric | float 64 | missing; NaN is an invalid value |
//! | `feature.x`, categorical or boolean | dictionary of text | missing, or invalid where `invalid.x` is true |
//! | `invalid.x` | boolean | never |
//! | `tag.x` | dictionary of text | not sent |
//! | `score.class`, `metric.x` | float 64, finite | not sent |
//!
//! A label batch has `timestamp`, `prediction_id` (never null), `label` (dictionary of text), `value`
//! (float 64), `retract` (boolean) and `weight`.
//!
//! Dictionaries have 32-bit keys.

/// Event time of the row.
pub const TIMESTAMP: &str = "timestamp";
/// The model's version.
pub const VERSION: &str = "version";
/// The key that labels are joined by.
pub const PREDICTION_ID: &str = "prediction_id";
/// The predicted class.
pub const PREDICTION_LABEL: &str = "prediction.label";
/// The predicted probability of the positive class.
pub const PREDICTION_SCORE: &str = "prediction.score";
/// The predicted number.
pub const PREDICTION_VALUE: &str = "prediction.value";
/// How long the model took.
pub const LATENCY_MS: &str = "latency_ms";
/// How the request ended.
pub const STATUS: &str = "status";
/// Champion, challenger, shadow or canary.
pub const VARIANT: &str = "variant";
/// How many requests the row stands for.
pub const WEIGHT: &str = "weight";
/// Requests the model service was working on.
pub const IN_FLIGHT: &str = "in_flight";
/// Requests the model service can work on at once.
pub const CAPACITY: &str = "capacity";
/// A label batch's class.
pub const LABEL: &str = "label";
/// A label batch's number.
pub const VALUE: &str = "value";
/// Whether a label batch's row takes its label back.
pub const RETRACT: &str = "retract";

/// The column of a feature.
#[must_use]
pub fn feature(name: &str) -> String {
    format!("feature.{name}")
}

/// The column that marks a categorical feature's invalid values.
#[must_use]
pub fn invalid(name: &str) -> String {
    format!("invalid.{name}")
}

/// The column of a segment tag.
#[must_use]
pub fn tag(name: &str) -> String {
    format!("tag.{name}")
}

/// The column of a class's probability.
#[must_use]
pub fn score(class: &str) -> String {
    format!("score.{class}")
}

/// The column of a custom measure.
#[must_use]
pub fn metric(name: &str) -> String {
    format!("metric.{name}")
}
