//! Counts since the start, for the metrics that only ever go up.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type};
use driftline_events::layout;
use driftline_expose::Histogram;
use std::collections::BTreeMap;

/// The counts of one model version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionCounters {
    /// Predictions.
    pub rows: u64,
    /// Requests by status: sums of weights.
    pub status: BTreeMap<String, f64>,
    /// Their latency in seconds.
    pub latency: Histogram,
}

/// Adds rows in the decoder's layout to their versions' counts.
pub(super) fn count(rows: &RecordBatch, versions: &mut BTreeMap<String, VersionCounters>, bound: usize) {
    let (Some(version), Some(status)) = (texts(rows, layout::VERSION), texts(rows, layout::STATUS)) else {
        return;
    };
    let latency = numbers(rows, layout::LATENCY_MS);
    let weights = numbers(rows, layout::WEIGHT);
    let mut next = 0;
    while next < rows.num_rows() {
        // Rows of a version come in runs.
        let name = version(next).unwrap_or_default();
        let known = versions.contains_key(name) || versions.len() < bound;
        let counters =
            versions.entry(if known { name } else { driftline_window::OTHER }.to_owned()).or_default();
        while next < rows.num_rows() && version(next).unwrap_or_default() == name {
            counters.rows += 1;
            if let Some(status) = status(next) {
                let weight = weights.and_then(|column| number(column, next)).unwrap_or(1.0);
                match counters.status.get_mut(status) {
                    Some(count) => *count += weight,
                    None => drop(counters.status.insert(status.to_owned(), weight)),
                }
            }
            if let Some(millis) = latency.and_then(|column| number(column, next)) {
                counters.latency.observe(millis / 1e3);
            }
            next += 1;
        }
    }
}

fn texts<'a>(rows: &'a RecordBatch, name: &str) -> Option<impl Fn(usize) -> Option<&'a str>> {
    let column = rows.column_by_name(name)?.as_dictionary_opt::<Int32Type>()?;
    let values = column.values().as_string_opt::<i32>()?;
    Some(move |row| (!column.is_null(row)).then(|| values.value(column.keys().value(row) as usize)))
}

fn numbers<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a arrow::array::Float64Array> {
    rows.column_by_name(name)?.as_primitive_opt::<Float64Type>()
}

fn number(column: &arrow::array::Float64Array, row: usize) -> Option<f64> {
    (!column.is_null(row)).then(|| column.value(row))
}
