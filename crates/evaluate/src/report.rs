//! The window report: the unit of replay output, read API and history.

use std::collections::BTreeMap;

use driftline_events::{EventTime, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::feature_report::FeatureReport;
use crate::figure::{Estimate, Figure};
use crate::performance_report::PerformanceReport;
use crate::quantiles::Quantiles;
use crate::rfc3339;

/// Everything that is known of one window of one model version and segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowReport {
    /// Always `driftline.window_report.v1`.
    pub schema: String,
    /// The model's name.
    pub model: String,
    /// The model's version; empty when none was sent.
    pub version: String,
    /// The segment: tag name to value; empty for all rows.
    pub segment: BTreeMap<String, String>,
    /// The time it covers.
    pub window: WindowSpan,
    /// How often the window was evaluated anew after it was final.
    pub revision: u32,
    /// False while the window is still open.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What it was compared with; null without a reference.
    pub reference: Option<ReferenceReport>,
    /// What it predicts.
    pub task: Task,
    /// Predictions.
    pub rows: u64,
    /// Sum of their weights.
    pub weight: f64,
    /// How many requests came, and how they ended.
    pub traffic: TrafficReport,
    /// How long the model took.
    pub latency: LatencyReport,
    /// How many predictions have their label, and how long that took.
    pub labels: LabelsReport,
    /// Every feature, in the model's order.
    pub features: Vec<FeatureReport>,
    /// The predicted classes; null for regression.
    pub prediction: Option<FeatureReport>,
    /// The predicted probabilities; null for regression.
    pub score: Option<FeatureReport>,
    /// The predicted numbers; null for classification.
    pub value: Option<FeatureReport>,
    /// The labels that belong to the window's predictions.
    pub label: Option<FeatureReport>,
    /// Performance of the window's predictions, revised as their labels arrive.
    pub performance: PerformanceReport,
    /// Performance over the labels that arrived in the window.
    pub performance_by_label_time: PerformanceReport,
    /// The custom measures, by name.
    pub measures: BTreeMap<String, MeasureReport>,
    /// Drift over all features.
    pub drift: DriftReport,
}

/// The time a window covers: `[start, end)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowSpan {
    /// The window's name, e.g. `1h`.
    pub name: String,
    /// Start, included.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub start: EventTime,
    /// End, excluded.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub end: EventTime,
    /// From start to end.
    pub length_seconds: f64,
    /// How much earlier than the window's own start it begins, to have `min_rows` rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_back_seconds: Option<f64>,
}

impl WindowSpan {
    /// `[start, end)`, as the window that has this name.
    #[must_use]
    pub fn new(name: &str, start: EventTime, end: EventTime) -> Self {
        Self {
            name: name.to_owned(),
            start,
            end,
            length_seconds: end.since(start).as_secs_f64(),
            reached_back_seconds: None,
        }
    }
}

/// What a window was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceReport {
    /// Where it comes from.
    pub kind: ReferenceKind,
    /// Rows in it.
    pub rows: u64,
    /// Sum of their weights.
    pub weight: f64,
    /// The model version it was taken from, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its start in event time, where it is a period.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub start: Option<EventTime>,
    /// Its end in event time, where it is a period.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub end: Option<EventTime>,
    /// Its performance, where it has labels: the figures of the whole, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub performance: BTreeMap<String, Estimate>,
    /// Weighted share of its requests that failed, where it has requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_ratio: Option<f64>,
    /// Quantiles of its latency in seconds, where it has any.
    #[serde(default, skip_serializing_if = "Quantiles::is_empty")]
    pub latency_seconds: Quantiles,
}

/// Where a reference comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReferenceKind {
    /// A table, summarised once.
    File,
    /// The model's first rows.
    Learned,
    /// The windows before.
    Trailing,
    /// The same hour of the week in the weeks before.
    Seasonal,
    /// Another version of the model.
    Version,
    /// A period that somebody asked to compare with.
    Period,
}

/// How many requests came, and how they ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficReport {
    /// Requests (sum of weights) per second of the window.
    pub rate_per_second: Figure,
    /// Rows by status; a status that did not occur is left out.
    pub status: BTreeMap<String, u64>,
    /// Weighted share of rows whose status is `error` or `timeout`.
    pub error_ratio: Figure,
    /// How full the model service was; null where it does not say.
    pub saturation: Option<SaturationReport>,
}

/// How full the model service was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SaturationReport {
    /// Mean number of requests it was working on.
    pub in_flight_mean: Figure,
    /// Most requests it was working on.
    pub in_flight_max: Figure,
    /// Most requests it said it can work on.
    pub capacity: Figure,
    /// `in_flight_mean / capacity`.
    pub ratio: Figure,
}

/// How long the model took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyReport {
    /// Rows with a latency.
    pub count: u64,
    /// Mean.
    pub mean_seconds: Figure,
    /// Quantiles 0.5, 0.9, 0.95, 0.99 and 0.999 in seconds, within 1 %.
    pub quantiles: Quantiles,
}

/// How many predictions have their label, and how long that took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelsReport {
    /// Labels of the window's predictions.
    pub count: u64,
    /// Weighted share of the window's predictions that have a label.
    pub coverage: Figure,
    /// Whether coverage reached the model's `min_label_coverage`.
    pub mature: bool,
    /// Quantiles 0.5 and 0.99 of the time from prediction to label, within 1 %.
    pub delay_seconds: Quantiles,
}

/// A custom measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureReport {
    /// Rows that carry it.
    pub count: u64,
    /// Weighted mean.
    pub mean: Figure,
    /// Weighted sample variance.
    pub variance: Figure,
    /// Smallest.
    pub min: Figure,
    /// Greatest.
    pub max: Figure,
    /// Quantiles 0.5, 0.9 and 0.99, within 1 %.
    pub quantiles: Quantiles,
}

/// Drift over all features of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DriftReport {
    /// Features that drifted.
    pub drifted_features: u64,
    /// `drifted_features / watched`.
    pub share: Figure,
    /// Features with a verdict of drifted or stable.
    pub watched: u64,
    /// Features with at least one data-quality finding.
    pub quality_findings: u64,
}
