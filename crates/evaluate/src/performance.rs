//! Performance figures with their intervals.

use std::collections::BTreeMap;

use driftline_summary::{CellSummary, Outcomes};

use crate::config::PerformanceSpec;
use crate::performance_report::{Basis, PerformanceReport};
use crate::traffic;

/// Performance of the predictions made in the window.
pub(crate) fn by_prediction_time(current: &CellSummary, spec: &PerformanceSpec) -> PerformanceReport {
    report(current, &current.outcomes, Basis::PredictionTime, traffic::mature(current, spec))
}

/// Performance over the labels that arrived in the window. Mature as soon as there is one: no more will come.
pub(crate) fn by_label_time(current: &CellSummary, _: &PerformanceSpec) -> PerformanceReport {
    report(current, &current.arrivals, Basis::LabelTime, current.arrivals.labels.rows > 0)
}

fn report(current: &CellSummary, outcomes: &Outcomes, basis: Basis, mature: bool) -> PerformanceReport {
    let spec = current.spec();
    PerformanceReport {
        basis,
        kind: spec.task(),
        positive: spec.positive().map(ToString::to_string),
        rows: outcomes.labels.rows,
        weight: outcomes.labels.weight,
        mature,
        confusion: None,
        metrics: BTreeMap::new(),
        classes: Vec::new(),
    }
}
