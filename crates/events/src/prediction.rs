//! Prediction events as clients write them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventTime;

/// One prediction of a model in production, sent to `POST /v1/predictions`.
///
/// Fields that are absent and fields that are null are both missing. Unknown fields are ignored and counted.
///
/// # Examples
/// ```
/// use driftline_events::{FeatureValue, Prediction};
/// let event = Prediction {
///     prediction_id: Some("req-17".into()),
///     features: [("age".to_owned(), FeatureValue::Number(41.0))].into(),
///     ..Prediction::new("churn")
/// };
/// assert_eq!(
///     serde_json::to_string(&event).unwrap(),
///     r#"{"model":"churn","prediction_id":"req-17","features":{"age":41.0}}"#,
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Driftline prediction event")]
pub struct Prediction {
    /// The model's name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub model: String,
    /// The model's version; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The key that labels are joined by, and that duplicates are known by. Needed where either is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub prediction_id: Option<String>,
    /// When the prediction was made; by default when the event arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The model's inputs by name. A null is a missing value; a value of the wrong type is an invalid one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, FeatureValue>,
    /// What the model answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Answer>,
    /// How long the model took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub latency_ms: Option<f64>,
    /// How the request ended; `ok` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Segment dimensions, such as the country. They are not watched for drift.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The part that this model plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// Custom measures: summarised and alerted on, no part of input drift.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// How many requests the event stands for; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub weight: Option<f64>,
    /// The share of requests that is sent, instead of `weight`: 0.1 means weight 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1.0))]
    pub sample_rate: Option<f64>,
    /// Requests that the model service was working on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub in_flight: Option<f64>,
    /// Requests that the model service can work on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub capacity: Option<f64>,
}

impl Prediction {
    /// An event of a model, with nothing else in it.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }
}

/// A time: RFC 3339 text, or milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Timestamp {
    /// RFC 3339 with an offset or `Z`.
    Text(#[schemars(extend("format" = "date-time"))] String),
    /// Milliseconds since the Unix epoch.
    Millis(i64),
}

impl From<EventTime> for Timestamp {
    fn from(time: EventTime) -> Self {
        Self::Millis(time.as_millis())
    }
}

/// A feature's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FeatureValue {
    /// Missing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A category.
    Text(String),
}

/// A class: text, or a whole number or boolean, which stand for their text (`1` is `"1"`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Class {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A name.
    Text(String),
}

impl From<&str> for Class {
    fn from(name: &str) -> Self {
        Self::Text(name.to_owned())
    }
}

/// What a model answered: a class with its probability, or a number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The predicted class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Class>,
    /// The probability of the positive class (binary), or of the predicted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: Option<f64>,
    /// The probability of each class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, f64>,
    /// The predicted number (regression).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The model answered.
    Ok,
    /// It failed.
    Error,
    /// It took too long.
    Timeout,
    /// Something simpler answered in its place.
    Fallback,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// The part that a model plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The one that decides.
    Champion,
    /// One that might replace it.
    Challenger,
    /// One that runs beside it and decides nothing.
    Shadow,
    /// One that decides for a small share of requests.
    Canary,
}
