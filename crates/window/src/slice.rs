//! Cutting a batch into the panes, versions and segments its rows belong to.

use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use driftline_events::{EventTime, layout};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

use crate::WindowError;

/// The event time of every row.
///
/// # Errors
/// [`WindowError::Column`] if the batch has no timestamp column of the layout's type.
pub(crate) fn times(batch: &RecordBatch) -> Result<&[i64], WindowError> {
    column(batch, layout::TIMESTAMP)?
        .as_primitive_opt::<TimestampMillisecondType>()
        .map(|times| times.values().as_ref())
        .ok_or(WindowError::Column { name: layout::TIMESTAMP })
}

pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, WindowError> {
    batch.column_by_name(name).ok_or(WindowError::Column { name })
}

/// Cuts a batch by pane: for each pane that has rows, its start and those rows in their order.
///
/// A batch whose rows come pane after pane is cut without a copy; otherwise rows are gathered with Arrow's `take`.
///
/// # Errors
/// [`WindowError`] if the batch has no usable timestamps.
pub fn slice_by_pane(
    batch: &RecordBatch,
    pane: Duration,
) -> Result<BTreeMap<EventTime, RecordBatch>, WindowError> {
    let times = times(batch)?;
    let width = i64::try_from(pane.as_millis()).unwrap_or(i64::MAX);
    let mut runs: Vec<(i64, usize, usize)> = Vec::new();
    for (row, &time) in times.iter().enumerate() {
        let index = time.div_euclid(width);
        match runs.last_mut() {
            Some((last, _, end)) if *last == index => *end = row + 1,
            _ => runs.push((index, row, row + 1)),
        }
    }
    let start_of = |index: i64| EventTime::from_millis(index * width);
    let mut by_pane: FxHashMap<i64, Vec<u32>> = FxHashMap::default();
    let mut distinct: Vec<i64> = runs.iter().map(|&(index, ..)| index).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == runs.len() {
        return Ok(runs
            .into_iter()
            .map(|(index, start, end)| (start_of(index), batch.slice(start, end - start)))
            .collect());
    }
    for (index, start, end) in runs {
        by_pane.entry(index).or_default().extend(start as u32..end as u32);
    }
    by_pane.into_iter().map(|(index, rows)| Ok((start_of(index), take(batch, rows)?))).collect()
}

/// The rows of a batch at the given places.
pub(crate) fn take(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, WindowError> {
    if rows.len() == batch.num_rows() && rows.iter().enumerate().all(|(place, &row)| place == row as usize) {
        return Ok(batch.clone());
    }
    take_record_batch(batch, &UInt32Array::from(rows)).map_err(WindowError::Arrow)
}

/// A dictionary column's keys and the values they stand for; a null row has key -1.
pub(crate) struct Keys<'a> {
    keys: &'a arrow::array::DictionaryArray<Int32Type>,
    values: &'a arrow::array::StringArray,
}

impl<'a> Keys<'a> {
    /// Reads a dictionary column.
    ///
    /// # Errors
    /// [`WindowError::Column`] if it is missing or of another type.
    pub(crate) fn try_new(batch: &'a RecordBatch, name: &str) -> Result<Self, WindowError> {
        let wrong = || WindowError::NamedColumn { name: name.to_owned() };
        let array = batch.column_by_name(name).ok_or_else(wrong)?;
        let keys = array.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
        let values = keys.values().as_string_opt::<i32>().ok_or_else(wrong)?;
        Ok(Self { keys, values })
    }

    /// The row's key, or -1 for null.
    pub(crate) fn key(&self, row: usize) -> i32 {
        if self.keys.is_null(row) { -1 } else { self.keys.keys().value(row) }
    }

    /// The texts of all keys from 0 on.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Option<&'a str>> {
        self.values.iter()
    }

    /// The text a key stands for; `None` for -1.
    pub(crate) fn text(&self, key: i32) -> Option<&'a str> {
        let key = usize::try_from(key).ok()?;
        (!self.values.is_null(key)).then(|| self.values.value(key))
    }
}

/// A column of finite numbers or nulls.
pub(crate) fn numbers<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a arrow::array::Float64Array, WindowError> {
    column(batch, name)?
        .as_primitive_opt::<arrow::datatypes::Float64Type>()
        .ok_or(WindowError::Column { name })
}

/// The value at `row`, if there is one.
pub(crate) fn number_at(array: &arrow::array::Float64Array, row: usize) -> Option<f64> {
    (!array.is_null(row)).then(|| array.value(row))
}

/// The earliest event time in a batch; `None` if it has no rows or no timestamps.
#[must_use]
pub fn earliest(batch: &RecordBatch) -> Option<EventTime> {
    times(batch).ok()?.iter().copied().min().map(EventTime::from_millis)
}
