//! From summaries to a report.

use std::collections::BTreeMap;

use driftline_events::EventTime;
use driftline_summary::CellSummary;

use crate::config::{DriftSpec, PerformanceSpec};
use crate::report::{ReferenceKind, ReferenceReport, WindowReport, WindowSpan};
use crate::schema::WINDOW_REPORT_SCHEMA;
use crate::{drift_report, features, performance, traffic};

/// What a window is judged by.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The model's version; empty when none was sent.
    pub version: &'a str,
    /// The segment: tag name to value; empty for all rows.
    pub segment: BTreeMap<String, String>,
    /// The time the window covers.
    pub window: WindowSpan,
    /// How much of it has passed: what rates are per. Its length, once it is final.
    pub covered_seconds: f64,
    /// How often it was evaluated anew after it was final.
    pub revision: u32,
    /// False while it is open.
    pub is_final: bool,
    /// Its summary.
    pub current: &'a CellSummary,
    /// What it is compared with, if there is something yet.
    pub reference: Option<ReferenceSummary<'a>>,
    /// How drift is judged.
    pub drift: &'a DriftSpec,
    /// When performance counts as known.
    pub performance: &'a PerformanceSpec,
}

/// What a window is compared with, and what that is.
#[derive(Clone, Debug)]
pub struct ReferenceSummary<'a> {
    /// Where it comes from.
    pub kind: ReferenceKind,
    /// The model version it was taken from, where that is another one.
    pub version: Option<String>,
    /// The period it was taken from, where it is one.
    pub period: Option<(EventTime, EventTime)>,
    /// Its summary, made by the same spec as the window's.
    pub summary: &'a CellSummary,
}

/// The report on a window. Pure, and defined for everything: what cannot be said is absent with its reason.
///
/// `q_value`s are of three families of tests: the drift of the features; that of prediction, score, value and
/// label; and all data-quality tests.
#[must_use]
pub fn evaluate(input: &Evaluation<'_>) -> WindowReport {
    let current = input.current;
    let judged = features::judge(input);
    let total = current.traffic.total;
    WindowReport {
        schema: WINDOW_REPORT_SCHEMA.to_owned(),
        model: input.model.to_owned(),
        version: input.version.to_owned(),
        segment: input.segment.clone(),
        window: input.window.clone(),
        revision: input.revision,
        is_final: input.is_final,
        reference: input.reference.as_ref().map(|reference| reference_report(reference, input.performance)),
        task: current.spec().task(),
        rows: total.rows,
        weight: total.weight,
        traffic: traffic::traffic(&current.traffic, input.covered_seconds),
        latency: traffic::latency(&current.traffic),
        labels: traffic::labels(current, input.performance),
        performance: performance::by_prediction_time(current, input.performance),
        performance_by_label_time: performance::by_label_time(current),
        measures: traffic::measures(current),
        drift: drift_report::drift(&judged.features),
        features: judged.features,
        prediction: judged.prediction,
        score: judged.score,
        value: judged.value,
        label: judged.label,
    }
}

/// Compares any summary with any other of the same spec, e.g. two periods: [`evaluate`] with default options.
#[must_use]
pub fn compare(
    model: &str,
    window: WindowSpan,
    current: &CellSummary,
    reference: ReferenceSummary<'_>,
) -> WindowReport {
    evaluate(&Evaluation {
        model,
        version: "",
        segment: BTreeMap::new(),
        covered_seconds: window.length_seconds,
        window,
        revision: 0,
        is_final: true,
        current,
        reference: Some(reference),
        drift: &DriftSpec::default(),
        performance: &PerformanceSpec::default(),
    })
}

fn reference_report(reference: &ReferenceSummary<'_>, judged: &PerformanceSpec) -> ReferenceReport {
    // A reference that only features were folded into has no traffic.
    let features = reference.summary.features.iter().map(features::rows);
    let rows = features.chain([reference.summary.traffic.total]).max_by_key(|tally| tally.rows);
    let rows = rows.unwrap_or_default();
    let mut metrics = BTreeMap::new();
    if reference.summary.outcomes.labels.rows > 0 {
        metrics = performance::by_prediction_time(reference.summary, judged).metrics;
        metrics.retain(|_, estimate| estimate.interval().is_some());
    }
    let traffic = traffic::traffic(&reference.summary.traffic, 0.0);
    let latency = traffic::latency(&reference.summary.traffic);
    ReferenceReport {
        kind: reference.kind,
        rows: rows.rows,
        weight: rows.weight,
        version: reference.version.clone(),
        start: reference.period.map(|period| period.0),
        end: reference.period.map(|period| period.1),
        performance: metrics,
        error_ratio: traffic.error_ratio.value(),
        latency_seconds: if latency.count > 0 { latency.quantiles } else { Default::default() },
    }
}
