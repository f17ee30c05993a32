//! The performance part of the window report.

use std::collections::BTreeMap;

use driftline_events::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::figure::Estimate;

/// How good the predictions were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerformanceReport {
    /// Which labels are in it.
    pub basis: Basis,
    /// What the model predicts.
    pub kind: Task,
    /// The positive class; null unless binary.
    pub positive: Option<String>,
    /// Labelled rows.
    pub rows: u64,
    /// Sum of their weights.
    pub weight: f64,
    /// Whether enough of the predictions have their label to judge by it.
    pub mature: bool,
    /// Predicted against actual class; null for regression.
    pub confusion: Option<ConfusionReport>,
    /// The figures of the whole, by name.
    pub metrics: BTreeMap<String, Estimate>,
    /// The figures of each class; empty for regression.
    pub classes: Vec<ClassReport>,
}

/// Which labels are in a performance figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Those of the predictions made in the window.
    PredictionTime,
    /// Those that arrived in the window.
    LabelTime,
}

/// Predicted against actual class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfusionReport {
    /// The classes in the order of rows and columns; the positive one last for binary models.
    pub classes: Vec<String>,
    /// Sums of weights: a row for each actual class, a column for each predicted one.
    pub counts: Vec<Vec<f64>>,
}

/// One class against the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassReport {
    /// The class.
    pub class: String,
    /// Sum of weights of the rows that are of it.
    pub support: f64,
    /// Its figures, by name.
    pub metrics: BTreeMap<String, Estimate>,
}
