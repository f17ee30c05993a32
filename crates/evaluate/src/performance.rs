//! Performance figures with their intervals.

mod agreement;
mod classes;
mod confusion;
mod errors;
pub(crate) mod intervals;
mod scores;

use std::collections::BTreeMap;

use driftline_events::Task;
use driftline_summary::{CellSummary, Classification, Outcomes, Performance, Regression};

use self::classes::{Average, ClassFigure, average, balanced_accuracy};
use self::confusion::Confusion;
use self::scores::{Auc, average_precision, calibration_error, roc_auc};
use crate::config::PerformanceSpec;
use crate::figure::{Estimate, Interval, Reason};
use crate::performance_report::{Basis, ClassReport, ConfusionReport, PerformanceReport};
use crate::traffic;

type Metrics = BTreeMap<String, Estimate>;

/// Performance of the predictions made in the window.
pub(crate) fn by_prediction_time(current: &CellSummary, spec: &PerformanceSpec) -> PerformanceReport {
    report(current, &current.outcomes, Basis::PredictionTime, traffic::mature(current, spec))
}

/// Performance over the labels that arrived in the window: mature as soon as there is one, no more will come.
pub(crate) fn by_label_time(current: &CellSummary) -> PerformanceReport {
    report(current, &current.arrivals, Basis::LabelTime, current.arrivals.labels.rows > 0)
}

fn report(current: &CellSummary, outcomes: &Outcomes, basis: Basis, mature: bool) -> PerformanceReport {
    let spec = current.spec();
    let none = if outcomes.labels.rows == 0 { Reason::NoLabels } else { Reason::NoPredictions };
    let mut report = PerformanceReport {
        basis,
        kind: spec.task(),
        positive: spec.positive().filter(|_| spec.task() == Task::Binary).map(ToString::to_string),
        rows: outcomes.labels.rows,
        weight: outcomes.labels.weight,
        mature,
        confusion: None,
        metrics: Metrics::new(),
        classes: Vec::new(),
    };
    match &outcomes.performance {
        Performance::Regression(errors) => regression(errors, none, &mut report.metrics),
        Performance::Classification(counted) => classification(counted, none, &mut report),
    }
    report
}

fn put(metrics: &mut Metrics, name: impl Into<String>, figure: Result<Interval, Reason>) {
    metrics.insert(name.into(), figure.into());
}

fn regression(errors: &Regression, none: Reason, metrics: &mut Metrics) {
    put(metrics, "mae", intervals::mean(&errors.absolute, 0.0, none));
    put(metrics, "rmse", errors::rmse(errors, none));
    put(metrics, "mape", errors::mape(errors, none));
    put(metrics, "r2", errors::r2(errors, none));
    put(metrics, "mean_error", intervals::mean(&errors.error, f64::NEG_INFINITY, none));
}

fn classification(counted: &Classification, none: Reason, report: &mut PerformanceReport) {
    let confusion = Confusion::of(counted);
    let matrix = confusion.as_ref().ok_or(none);
    let metrics = &mut report.metrics;
    // `correct` is exact even where rare classes are pooled.
    let accuracy = matrix.map(|matrix| {
        let weight = counted.graded.weight;
        intervals::wilson((counted.correct / weight).clamp(0.0, 1.0), matrix.rows)
    });
    put(metrics, "accuracy", accuracy);
    put(metrics, "balanced_accuracy", matrix.and_then(balanced_accuracy));
    put(metrics, "mcc", matrix.and_then(agreement::mcc));
    put(metrics, "kappa", matrix.and_then(agreement::kappa));
    let no_scores = if none == Reason::NoLabels { none } else { Reason::NoScores };
    put(metrics, "log_loss", intervals::mean(&counted.log_loss, 0.0, no_scores));
    put(metrics, "brier", intervals::mean(&counted.brier, 0.0, no_scores));
    if report.kind == Task::Binary {
        binary(counted, matrix, no_scores, metrics);
    } else {
        multiclass(counted, matrix, no_scores, metrics);
    }
    if let Some(matrix) = confusion {
        report.classes = classes(counted, &matrix, report.kind);
        let counts = matrix.weights.rows().into_iter().map(|row| row.to_vec()).collect();
        report.confusion = Some(ConfusionReport { classes: matrix.classes, counts });
    }
}

fn binary(
    counted: &Classification,
    matrix: Result<&Confusion, Reason>,
    no_scores: Reason,
    metrics: &mut Metrics,
) {
    for figure in ClassFigure::ALL {
        // The positive class is the last.
        let interval = matrix.and_then(|matrix| figure.interval(matrix, matrix.classes.len() - 1));
        put(metrics, figure.name(), interval);
    }
    let scores = counted.positive().and_then(|positive| counted.scores.get(positive)).ok_or(no_scores);
    put(metrics, "roc_auc", scores.and_then(roc_auc).map(Auc::interval));
    put(metrics, "average_precision", scores.and_then(average_precision));
    let calibration = scores.and_then(|scores| calibration_error(scores, counted.brier.mean()));
    put(metrics, "expected_calibration_error", calibration);
}

fn multiclass(
    counted: &Classification,
    matrix: Result<&Confusion, Reason>,
    no_scores: Reason,
    metrics: &mut Metrics,
) {
    for figure in ClassFigure::ALL {
        for (kind, suffix) in [(Average::Macro, "macro"), (Average::Weighted, "weighted")] {
            let interval = matrix.and_then(|matrix| average(figure, kind, matrix));
            put(metrics, format!("{}_{suffix}", figure.name()), interval);
        }
    }
    let areas: Vec<Auc> = counted.scores.values().filter_map(|scores| roc_auc(scores).ok()).collect();
    let reason = if counted.scores.is_empty() { no_scores } else { Reason::OneClass };
    put(metrics, "roc_auc_macro", Auc::mean(&areas).map(Auc::interval).ok_or(reason));
}

fn classes(counted: &Classification, matrix: &Confusion, task: Task) -> Vec<ClassReport> {
    let one = |(class, name): (usize, &String)| {
        let mut metrics = Metrics::new();
        for figure in ClassFigure::ALL {
            put(&mut metrics, figure.name(), figure.interval(matrix, class));
        }
        // A binary model's one score speaks of the positive class: its figures are those of the whole.
        if task != Task::Binary {
            let scores = counted.scores.get(name.as_str()).ok_or(Reason::NoScores);
            put(&mut metrics, "roc_auc", scores.and_then(roc_auc).map(Auc::interval));
            put(&mut metrics, "average_precision", scores.and_then(average_precision));
            let calibration = scores.and_then(|scores| calibration_error(scores, None));
            put(&mut metrics, "expected_calibration_error", calibration);
        }
        ClassReport { class: name.clone(), support: matrix.weights.row(class).sum(), metrics }
    };
    matrix.classes.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests;
