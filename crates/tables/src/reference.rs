//! A reference from a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, DictionaryArray, Float64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, Int32Type};
use driftline_events::{EventTime, ModelSchema, layout};
use driftline_summary::{
    Actual, CellSummary, FoldError, GridError, Outcome, Predicted, Reference, SegmentKey,
};
use rustc_hash::FxHashMap;

use crate::ahead::Batches;
use crate::batches::{Reading, TableBatch};
use crate::columns::ColumnMap;
use crate::learn::Learned;
use crate::table::{Table, TableError};

/// The segment of all other values.
const OTHER_SEGMENTS: &str = "__other__";

/// Why a table does not make a reference.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Rows that do not fit the model.
    #[error("the rows do not fit the model")]
    Fold(#[source] FoldError),
    /// Numbers that make no grid.
    #[error("a column has no quantiles")]
    Grid(#[source] GridError),
    /// Nothing to compare with.
    #[error("the table has no usable row: {read} were read, {rejected} of them rejected")]
    NoRows {
        /// Rows that were read.
        read: u64,
        /// Rows that were rejected.
        rejected: u64,
    },
}

/// How far the building of a reference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being made: `categories`, `quantiles`, then `summaries`.
    pub step: &'static str,
    /// Rows read in this step.
    pub rows: u64,
    /// Rows that the step will read, where that is known.
    pub total: Option<u64>,
}

/// Builds a reference from a table: learns what to count by, as [`crate::learn_spec`] does, then counts all of
/// it and each segment: the `segment_values` heaviest values of each tag, the rest pooled as `__other__`. Labels in
/// the table give it its label distribution and its performance. Timestamps play no part.
///
/// # Errors
/// [`ReferenceError`] if the table cannot be read, lacks columns or has no usable row.
pub fn build_reference(
    table: &Table,
    schema: &ModelSchema,
    columns: &ColumnMap,
    segment_values: usize,
    created: EventTime,
    source: String,
    progress: &mut dyn FnMut(Progress),
) -> Result<Reference, ReferenceError> {
    let learned = Learned::read(table, schema, columns, progress)?;
    let spec = learned.spec(schema);
    let mut kept: FxHashMap<Arc<str>, Vec<Arc<str>>> = FxHashMap::default();
    for tag in schema.segments() {
        kept.insert(Arc::clone(tag), learned.heaviest(tag, segment_values));
    }
    let mut overall = CellSummary::new(Arc::clone(&spec));
    let mut segments: BTreeMap<SegmentKey, CellSummary> = BTreeMap::new();
    let (mut read, mut rejected, mut rows) = (0, 0, 0);
    let jobs = table.reference_jobs(schema, columns)?;
    for batch in Batches::new(Reading::reference(jobs, Arc::new(schema.clone()), created)) {
        let batch = batch?;
        read += batch.read;
        rejected += batch.rejected.len() as u64;
        progress(Progress { step: "summaries", rows: read, total: table.rows() });
        let TableBatch { rows: Some(batch_rows), actual, .. } = batch else { continue };
        rows += batch_rows.num_rows() as u64;
        let outcomes = actual.as_ref().map(|actual| outcomes(&batch_rows, actual)).unwrap_or_default();
        fold(&mut overall, &batch_rows, &outcomes, None)?;
        for tag in schema.segments() {
            for (value, rows_of) in rows_by_value(&batch_rows, tag, &kept[tag]) {
                let summary = segments
                    .entry((Arc::clone(tag), value))
                    .or_insert_with(|| CellSummary::new(Arc::clone(&spec)));
                fold(summary, &batch_rows, &outcomes, Some(&rows_of))?;
            }
        }
    }
    if rows == 0 {
        return Err(ReferenceError::NoRows { read, rejected });
    }
    Ok(Reference { spec, rows, overall, segments, source, created })
}

/// Adds rows and their outcomes, all or those that are marked.
fn fold(
    summary: &mut CellSummary,
    rows: &RecordBatch,
    outcomes: &[Option<Outcome>],
    marked: Option<&BooleanArray>,
) -> Result<(), ReferenceError> {
    match marked {
        None => summary.fold(rows).map_err(ReferenceError::Fold)?,
        Some(marked) => {
            let rows = filter_record_batch(rows, marked).map_err(TableError::Arrow)?;
            summary.fold(&rows).map_err(ReferenceError::Fold)?;
        }
    }
    for (row, outcome) in outcomes.iter().enumerate() {
        if let Some(outcome) = outcome.as_ref().filter(|_| marked.is_none_or(|marked| marked.value(row))) {
            summary.outcomes.add(outcome);
        }
    }
    Ok(())
}

/// The rows of each value of a tag; rows without the tag are in none.
fn rows_by_value(rows: &RecordBatch, tag: &str, kept: &[Arc<str>]) -> Vec<(Arc<str>, BooleanArray)> {
    let Some(column) = rows.column_by_name(&layout::tag(tag)) else { return Vec::new() };
    let texts = Texts::of(column.as_dictionary::<Int32Type>());
    let mut marks: BTreeMap<Arc<str>, Vec<bool>> = BTreeMap::new();
    for row in 0..rows.num_rows() {
        let Some(value) = texts.get(row) else { continue };
        let value = if kept.contains(&value) { value } else { Arc::from(OTHER_SEGMENTS) };
        marks.entry(value).or_insert_with(|| vec![false; rows.num_rows()])[row] = true;
    }
    marks.into_iter().map(|(value, marks)| (value, BooleanArray::from(marks))).collect()
}

/// What was predicted and what happened, row by row; `None` without a label.
fn outcomes(rows: &RecordBatch, actual: &dyn Array) -> Vec<Option<Outcome>> {
    let numbers = |name: &str| -> Option<&Float64Array> {
        rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>())
    };
    let at = |column: Option<&Float64Array>, row: usize| {
        column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
    };
    let predicted = rows.column_by_name(layout::PREDICTION_LABEL);
    let predicted = predicted.and_then(|column| column.as_dictionary_opt::<Int32Type>()).map(Texts::of);
    let (score, value) = (numbers(layout::PREDICTION_SCORE), numbers(layout::PREDICTION_VALUE));
    let weight = numbers(layout::WEIGHT);
    let score_prefix = layout::score("");
    let schema = rows.schema();
    let scores: Vec<(Arc<str>, &Float64Array)> = schema
        .fields()
        .iter()
        .filter_map(|field| {
            let class = field.name().strip_prefix(&score_prefix)?;
            Some((Arc::from(class), numbers(field.name())?))
        })
        .collect();
    let classes = actual.as_dictionary_opt::<Int32Type>().map(Texts::of);
    let values = actual.as_primitive_opt::<Float64Type>();
    let outcome = |row: usize| {
        let actual = match &classes {
            Some(classes) => Actual::Class(classes.get(row)?),
            None => Actual::Value(at(values, row)?),
        };
        let scores_of_row: Vec<(Arc<str>, f64)> = scores
            .iter()
            .filter_map(|(class, column)| Some((Arc::clone(class), at(Some(*column), row)?)))
            .collect();
        Some(Outcome {
            predicted: Predicted {
                label: predicted.as_ref().and_then(|predicted| predicted.get(row)),
                score: at(score, row),
                value: at(value, row),
                scores: (!scores_of_row.is_empty()).then(|| scores_of_row.into()),
            },
            actual,
            weight: at(weight, row).unwrap_or(1.0),
            delay_seconds: 0.0,
        })
    };
    (0..rows.num_rows()).map(outcome).collect()
}

/// A column of dictionary text, each text shared.
struct Texts<'a> {
    keys: &'a arrow::array::Int32Array,
    values: Vec<Arc<str>>,
}

impl<'a> Texts<'a> {
    fn of(column: &'a DictionaryArray<Int32Type>) -> Self {
        let values = column.values().as_string::<i32>().iter();
        Self { keys: column.keys(), values: values.map(|text| Arc::from(text.unwrap_or_default())).collect() }
    }

    fn get(&self, row: usize) -> Option<Arc<str>> {
        self.keys.is_valid(row).then(|| Arc::clone(&self.values[self.keys.value(row) as usize]))
    }
}

#[cfg(test)]
mod tests;
