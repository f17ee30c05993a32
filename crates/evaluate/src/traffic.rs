//! The parts of a report that need no reference: traffic, latency, labels, measures.

use std::collections::BTreeMap;

use driftline_summary::{CellSummary, Measure, Status, Traffic};

use crate::config::PerformanceSpec;
use crate::figure::{Figure, Reason};
use crate::quantiles::Quantiles;
use crate::report::{LabelsReport, LatencyReport, MeasureReport, SaturationReport, TrafficReport};

/// A figure that a summary may not have.
pub(crate) fn some_or(value: Option<f64>, reason: Reason) -> Figure {
    value.map_or(Figure::absent(reason), Figure::new)
}

/// The figures at `at`, keyed by it.
pub(crate) fn quantiles(at: &[f64], of: impl Fn(f64) -> Option<f64>, reason: Reason) -> Quantiles {
    at.iter().map(|&q| (q.to_string(), some_or(of(q), reason))).collect()
}

pub(crate) fn traffic(traffic: &Traffic, covered_seconds: f64) -> TrafficReport {
    let total = traffic.total;
    let status = Status::ALL.map(|status| (status.as_str().to_owned(), traffic.with_status(status).rows));
    let failed = traffic.with_status(Status::Error).weight + traffic.with_status(Status::Timeout).weight;
    let (in_flight, capacity) = (&traffic.in_flight, &traffic.capacity);
    let saturation = SaturationReport {
        in_flight_mean: some_or(in_flight.mean(), Reason::NoValues),
        in_flight_max: some_or(in_flight.max(), Reason::NoValues),
        capacity: some_or(capacity.max(), Reason::NoValues),
        ratio: some_or(
            in_flight.mean().zip(capacity.mean()).filter(|load| load.1 > 0.0).map(|load| load.0 / load.1),
            Reason::NoValues,
        ),
    };
    let reported = in_flight.tally.rows > 0 || capacity.tally.rows > 0;
    TrafficReport {
        rate_per_second: some_or(
            (covered_seconds > 0.0).then(|| total.weight / covered_seconds),
            Reason::NoRows,
        ),
        status: status.into_iter().filter(|(_, rows)| *rows > 0).collect(),
        error_ratio: some_or((!total.is_empty()).then(|| failed / total.weight), Reason::NoRows),
        saturation: reported.then_some(saturation),
    }
}

pub(crate) fn latency(traffic: &Traffic) -> LatencyReport {
    let sketch = &traffic.latency_seconds;
    LatencyReport {
        count: sketch.tally.rows,
        mean_seconds: some_or(sketch.mean(), Reason::NoValues),
        quantiles: quantiles(&[0.5, 0.9, 0.95, 0.99, 0.999], |q| sketch.quantile(q), Reason::NoValues),
    }
}

/// Weighted share of the window's predictions that have a label; none without predictions.
pub(crate) fn coverage(current: &CellSummary) -> Option<f64> {
    let total = current.traffic.total;
    (!total.is_empty()).then(|| (current.outcomes.labels.weight / total.weight).min(1.0))
}

/// Whether label coverage reached what performance needs. A window without predictions never has.
pub(crate) fn mature(current: &CellSummary, spec: &PerformanceSpec) -> bool {
    // Sums of weights round: a full coverage of weights 0.1 must count as 1.
    coverage(current).is_some_and(|coverage| coverage >= spec.min_label_coverage() - 1e-9)
}

pub(crate) fn labels(current: &CellSummary, spec: &PerformanceSpec) -> LabelsReport {
    let delay = &current.outcomes.delay_seconds;
    LabelsReport {
        count: current.outcomes.labels.rows,
        coverage: some_or(coverage(current), Reason::NoRows),
        mature: mature(current, spec),
        delay_seconds: quantiles(&[0.5, 0.99], |q| delay.quantile(q), Reason::NoLabels),
    }
}

pub(crate) fn measures(current: &CellSummary) -> BTreeMap<String, MeasureReport> {
    current.measures.iter().map(|(name, measure)| (name.to_string(), measure_report(measure))).collect()
}

fn measure_report(measure: &Measure) -> MeasureReport {
    let moments = &measure.moments;
    MeasureReport {
        count: moments.tally.rows,
        mean: some_or(moments.mean(), Reason::NoValues),
        variance: some_or(moments.sample_variance(), Reason::TooFewRows),
        min: some_or(measure.extremes.min(), Reason::NoValues),
        max: some_or(measure.extremes.max(), Reason::NoValues),
        quantiles: quantiles(&[0.5, 0.9, 0.99], |q| measure.quantile(q), Reason::NoValues),
    }
}
