//! Columns into summaries.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use arrow::record_batch::RecordBatch;
use driftline_events::{Task, layout};

use crate::columns::{Columns, FoldError, Text, Weights};
use crate::{
    CategoricalSummary, CellSummary, FeatureSummary, NumericSummary, Status, SummarySpec, Tally, Traffic,
};

/// Rows taken at once, so that several passes over them stay in the first-level cache.
const BLOCK: usize = 1024;

/// A feature's column; none where the batch does not have it.
enum Column<'a> {
    Numbers(Option<&'a Float64Array>),
    Text(Option<Text<'a>>),
}

/// The columns of features and predictions. All are found and typed before anything is counted.
struct FeatureColumns<'a> {
    weights: Weights<'a>,
    features: Vec<Column<'a>>,
    prediction: Option<Text<'a>>,
    score: Option<&'a Float64Array>,
    value: Option<&'a Float64Array>,
}

/// The other columns.
struct TrafficColumns<'a> {
    latency_ms: Option<&'a Float64Array>,
    status: Option<Text<'a>>,
    in_flight: Option<&'a Float64Array>,
    capacity: Option<&'a Float64Array>,
    measures: Vec<(&'a str, &'a Float64Array)>,
}

pub(super) fn fold(cell: &mut CellSummary, batch: &RecordBatch) -> Result<(), FoldError> {
    let features = FeatureColumns::of(batch, cell.spec())?;
    let traffic = TrafficColumns::of(batch)?;
    let weights = features.weights.as_deref();
    add_traffic(&mut cell.traffic, &traffic, batch.num_rows(), weights);
    for (name, values) in traffic.measures {
        if values.null_count() < values.len() {
            let measure = cell.measures.entry(Arc::from(name)).or_default();
            each(values, weights, |value, weight| measure.add(value, weight));
        }
    }
    add_features(cell, &features, batch.num_rows());
    Ok(())
}

pub(super) fn fold_features(cell: &mut CellSummary, batch: &RecordBatch) -> Result<(), FoldError> {
    let columns = FeatureColumns::of(batch, cell.spec())?;
    add_features(cell, &columns, batch.num_rows());
    Ok(())
}

impl<'a> FeatureColumns<'a> {
    fn of(batch: &'a RecordBatch, spec: &SummarySpec) -> Result<Self, FoldError> {
        let mut columns = Columns::of(batch);
        let prediction = columns.text(layout::PREDICTION_LABEL, None)?;
        let score = columns.numbers(layout::PREDICTION_SCORE)?;
        let value = columns.numbers(layout::PREDICTION_VALUE)?;
        let weights = columns.weights()?;
        let mut features = Vec::with_capacity(spec.features().len());
        for (feature, names) in spec.features().iter().zip(spec.columns()) {
            features.push(match feature.reducer {
                crate::Reducer::Numeric(_) => Column::Numbers(columns.numbers(&names.values)?),
                crate::Reducer::Categorical(_) => {
                    Column::Text(columns.text(&names.values, Some(&names.invalid))?)
                }
            });
        }
        Ok(Self { weights, features, prediction, score, value })
    }
}

impl<'a> TrafficColumns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, FoldError> {
        let mut columns = Columns::of(batch);
        Ok(Self {
            latency_ms: columns.numbers(layout::LATENCY_MS)?,
            status: columns.text(layout::STATUS, None)?,
            in_flight: columns.numbers(layout::IN_FLIGHT)?,
            capacity: columns.numbers(layout::CAPACITY)?,
            measures: columns.measures()?,
        })
    }
}

fn add_traffic(traffic: &mut Traffic, columns: &TrafficColumns<'_>, rows: usize, weights: Option<&[f64]>) {
    let total = tally(rows, weights);
    traffic.total.merge(&total);
    match columns.status {
        None => traffic.status[Status::Ok as usize].merge(&total),
        Some(status) => {
            let (missing, _) =
                status.count(weights, |name, rows| traffic.status[Status::of(name) as usize].merge(rows));
            traffic.status[Status::Ok as usize].merge(&missing);
        }
    }
    if let Some(latency) = columns.latency_ms {
        each(latency, weights, |ms, weight| traffic.latency_seconds.add(ms / 1e3, weight));
    }
    if let Some(in_flight) = columns.in_flight {
        each(in_flight, weights, |level, weight| traffic.in_flight.add(level, weight));
    }
    if let Some(capacity) = columns.capacity {
        each(capacity, weights, |level, weight| traffic.capacity.add(level, weight));
    }
}

fn add_features(cell: &mut CellSummary, columns: &FeatureColumns<'_>, rows: usize) {
    let weights = columns.weights.as_deref();
    for (summary, column) in cell.features.iter_mut().zip(&columns.features) {
        match (summary, column) {
            (FeatureSummary::Numeric(summary), Column::Numbers(column)) => {
                add_numbers(summary, *column, rows, weights);
            }
            (FeatureSummary::Categorical(summary), Column::Text(column)) => {
                add_text(summary, *column, rows, weights);
            }
            _ => unreachable!("summaries and columns are both made by the spec's reducers"),
        }
    }
    if cell.spec().task() == Task::Regression {
        add_numbers(&mut cell.value, columns.value, rows, weights);
    } else {
        add_text(&mut cell.prediction, columns.prediction, rows, weights);
        add_numbers(&mut cell.score, columns.score, rows, weights);
    }
}

fn add_numbers(
    summary: &mut NumericSummary,
    column: Option<&Float64Array>,
    rows: usize,
    weights: Option<&[f64]>,
) {
    let Some(column) = column else { return summary.missing.merge(&tally(rows, weights)) };
    let no_nulls = column.null_count() == 0;
    let mut counts = if no_nulls && weights.is_none() { summary.counts(rows) } else { None };
    let mut kept = Vec::new();
    let mut kept_weights = Vec::new();
    for (block, values) in column.values().chunks(BLOCK).enumerate() {
        let start = block * BLOCK;
        let weights = weights.map(|weights| &weights[start..start + values.len()]);
        if no_nulls && weights.is_none() && summary.add_finite(values, counts.as_mut()) {
            continue;
        }
        // Without an early exit, so that several are looked at at once.
        if no_nulls
            && weights.is_some()
            && values.iter().fold(true, |finite, value| finite & value.is_finite())
        {
            summary.add_slice(values, weights);
            continue;
        }
        kept.clear();
        kept_weights.clear();
        for (at, &value) in values.iter().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[at]);
            if column.is_null(start + at) {
                summary.missing.add(weight);
            } else if value.is_finite() {
                kept.push(value);
                kept_weights.push(weight);
            } else {
                summary.invalid.add(weight);
            }
        }
        summary.add_slice(&kept, weights.map(|_| &kept_weights[..]));
    }
    summary.take_counts(counts);
}

fn add_text(
    summary: &mut CategoricalSummary,
    column: Option<Text<'_>>,
    rows: usize,
    weights: Option<&[f64]>,
) {
    let Some(column) = column else { return summary.missing.merge(&tally(rows, weights)) };
    let (missing, invalid) = column.count(weights, |value, rows| summary.add_rows(value, rows));
    summary.missing.merge(&missing);
    summary.invalid.merge(&invalid);
}

fn tally(rows: usize, weights: Option<&[f64]>) -> Tally {
    weights.map_or_else(|| Tally::of_rows(rows as u64), Tally::of_weights)
}

/// Calls `add` with each finite value and its weight.
fn each(column: &Float64Array, weights: Option<&[f64]>, mut add: impl FnMut(f64, f64)) {
    for (row, value) in column.iter().enumerate() {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            add(value, weights.map_or(1.0, |weights| weights[row]));
        }
    }
}
