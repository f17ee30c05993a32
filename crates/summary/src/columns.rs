//! The typed columns of a batch.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use arrow::record_batch::RecordBatch;
use driftline_events::layout;
use rustc_hash::FxHashMap;

use crate::Tally;

/// A batch that does not follow the layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// A column of another type.
    #[error("column {column:?} is {found}, not {expected}")]
    ColumnType {
        /// The column.
        column: String,
        /// What the layout says.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

/// Finds columns by name, first where the layout's order has them.
pub(crate) struct Columns<'a> {
    batch: &'a RecordBatch,
    next: usize,
}

/// A dictionary column, and the column that marks its invalid rows.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    keys: &'a DictionaryArray<Int32Type>,
    values: &'a StringArray,
    invalid: Option<&'a BooleanArray>,
}

/// A batch's weights; none where all are one.
pub(crate) type Weights<'a> = Option<Cow<'a, [f64]>>;

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Self {
        Self { batch, next: 0 }
    }

    fn find(&mut self, name: &str) -> Option<&'a ArrayRef> {
        let schema = self.batch.schema_ref();
        let expected = schema.fields().get(self.next).is_some_and(|field| field.name() == name);
        // Not by `index_of`, which writes down all the names there are where one is not.
        let at = if expected { self.next } else { schema.column_with_name(name)?.0 };
        self.next = at + 1;
        Some(self.batch.column(at))
    }

    pub(crate) fn numbers(&mut self, name: &str) -> Result<Option<&'a Float64Array>, FoldError> {
        let Some(column) = self.find(name) else { return Ok(None) };
        match column.as_primitive_opt::<Float64Type>() {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(other_type(name, "float 64", column.data_type())),
        }
    }

    pub(crate) fn text(&mut self, name: &str, invalid: Option<&str>) -> Result<Option<Text<'a>>, FoldError> {
        let Some(column) = self.find(name) else { return Ok(None) };
        let next = self.next;
        let keys = column.as_dictionary_opt::<Int32Type>();
        let values = keys.and_then(|keys| keys.values().as_string_opt::<i32>());
        let (Some(keys), Some(values)) = (keys, values) else {
            return Err(other_type(name, "a dictionary of text with 32-bit keys", column.data_type()));
        };
        let invalid = match invalid {
            Some(invalid) => self.flags(invalid)?,
            None => None,
        };
        self.next = next;
        Ok(Some(Text { keys, values, invalid }))
    }

    pub(crate) fn flags(&mut self, name: &str) -> Result<Option<&'a BooleanArray>, FoldError> {
        let Some(column) = self.find(name) else { return Ok(None) };
        match column.as_boolean_opt() {
            Some(flags) => Ok(Some(flags)),
            None => Err(other_type(name, "boolean", column.data_type())),
        }
    }

    pub(crate) fn weights(&mut self) -> Result<Weights<'a>, FoldError> {
        let Some(weights) = self.numbers(layout::WEIGHT)? else { return Ok(None) };
        let weights = if weights.null_count() == 0 {
            Cow::Borrowed(&weights.values()[..])
        } else {
            Cow::Owned(weights.iter().map(|weight| weight.unwrap_or(1.0)).collect())
        };
        Ok(weights.iter().any(|&weight| weight != 1.0).then_some(weights))
    }

    /// The custom measures and their names.
    pub(crate) fn measures(&mut self) -> Result<Vec<(&'a str, &'a Float64Array)>, FoldError> {
        let prefix = layout::metric("");
        let schema = self.batch.schema_ref();
        let names = schema.fields().iter().filter_map(|field| field.name().strip_prefix(&prefix));
        let mut measures = Vec::new();
        for name in names {
            measures.extend(self.numbers(&layout::metric(name))?.map(|numbers| (name, numbers)));
        }
        Ok(measures)
    }
}

fn other_type(column: &str, expected: &'static str, found: &DataType) -> FoldError {
    FoldError::ColumnType { column: column.to_owned(), expected, found: found.to_string() }
}

impl<'a> Text<'a> {
    /// The rows of each value that occurs, and those that are missing and invalid. Costs by rows, not by the size
    /// of the dictionary, which slices of a batch share.
    pub(crate) fn count(
        &self,
        weights: Option<&[f64]>,
        mut each: impl FnMut(&'a str, &Tally),
    ) -> (Tally, Tally) {
        let (mut missing, mut invalid) = (Tally::default(), Tally::default());
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let mut other = |row: usize| {
            let marked = self.invalid.is_some_and(|flags| flags.is_valid(row) && flags.value(row));
            if marked { invalid.add(weight(row)) } else { missing.add(weight(row)) }
        };
        let (keys, size) = (self.keys.keys(), self.values.len());
        let present = |row: usize| keys.is_valid(row) && self.values.is_valid(keys.value(row) as usize);
        let whole = keys.null_count() == 0 && self.values.null_count() == 0;
        if size <= 4 * keys.len() + 1024 {
            let mut tallies = vec![Tally::default(); size];
            for (row, &key) in keys.values().iter().enumerate() {
                if whole || present(row) {
                    tallies[key as usize].add(weight(row));
                } else {
                    other(row);
                }
            }
            let occurring = tallies.iter().enumerate().filter(|(_, tally)| tally.rows > 0);
            occurring.for_each(|(key, tally)| each(self.values.value(key), tally));
        } else {
            let mut tallies: FxHashMap<i32, Tally> = FxHashMap::default();
            for (row, &key) in keys.values().iter().enumerate() {
                if whole || present(row) {
                    tallies.entry(key).or_default().add(weight(row));
                } else {
                    other(row);
                }
            }
            tallies.iter().for_each(|(&key, tally)| each(self.values.value(key as usize), tally));
        }
        (missing, invalid)
    }
}
