//! Label events as clients write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::prediction::{Class, Timestamp};

/// What really happened, for one prediction; sent to `POST /v1/labels`.
///
/// It may come before its prediction, or weeks after. A second label for an id replaces the first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Driftline label event")]
pub struct Label {
    /// The model's name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub model: String,
    /// The prediction that it belongs to.
    #[schemars(length(min = 1, max = 256))]
    pub prediction_id: String,
    /// The actual class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Class>,
    /// The actual number (regression).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// When the label became known; by default when the event arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Whether the label is set or taken back; `upsert` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<LabelOp>,
    /// How many requests the label stands for; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub weight: Option<f64>,
}

/// What a label event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelOp {
    /// Sets the label, or replaces it.
    Upsert,
    /// Takes the label back.
    Retract,
}
