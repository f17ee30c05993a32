//! Columns as they grow, row by row.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBufferBuilder, DictionaryArray, Float64Array, Int32Array, StringArray,
    StringBuilder,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::Int32Type;
use rustc_hash::FxHashMap;

use crate::scalar::Class;

/// A dictionary column of text. Its dictionary holds each value once.
#[derive(Debug, Default)]
pub(crate) struct Categories {
    keys: Vec<i32>,
    nulls: Nulls,
    /// The key of the row before: values come in runs.
    last: usize,
    by_text: FxHashMap<Arc<str>, i32>,
    by_number: FxHashMap<i64, i32>,
    values: Vec<Arc<str>>,
    /// For each value, the first row that has it.
    first_rows: Vec<usize>,
}

impl Categories {
    /// A column that has `rows` nulls so far.
    pub(crate) fn with_nulls(rows: usize) -> Self {
        Self { keys: vec![0; rows], nulls: Nulls::with_nulls(rows), ..Self::default() }
    }

    pub(crate) fn push_null(&mut self) {
        self.keys.push(0);
        self.nulls.push(false);
    }

    /// Takes the last row back, and the value that came with it.
    pub(crate) fn pop(&mut self) {
        self.keys.pop();
        self.nulls.pop();
        if self.first_rows.last() == Some(&self.keys.len())
            && let Some(value) = self.values.pop()
        {
            self.first_rows.pop();
            self.by_text.remove(&value);
            if let Ok(number) = value.parse() {
                self.by_number.remove(&number);
            }
        }
    }

    #[inline]
    pub(crate) fn push_text(&mut self, text: &str) {
        let key = match self.values.get(self.last) {
            Some(last) if last.as_ref() == text => self.last as i32,
            _ => self.intern(text),
        };
        self.keys.push(key);
        self.nulls.push(true);
    }

    /// The key of the last row, which is not null.
    pub(crate) fn last_key(&self) -> Option<i32> {
        self.keys.last().copied()
    }

    /// Adds a value that a row had before.
    #[inline]
    pub(crate) fn push_key(&mut self, key: i32) {
        self.keys.push(key);
        self.nulls.push(true);
    }

    pub(crate) fn push(&mut self, class: &Class<'_>) {
        match class {
            Class::Text(text) => self.push_text(text),
            Class::Whole(value) => {
                let key = match self.by_number.get(value) {
                    Some(&key) => key,
                    None => {
                        let key = self.intern(&value.to_string());
                        self.by_number.insert(*value, key);
                        key
                    }
                };
                self.keys.push(key);
                self.nulls.push(true);
            }
        }
    }

    fn intern(&mut self, text: &str) -> i32 {
        let key = match self.by_text.get(text) {
            Some(&key) => key,
            None => {
                let key = i32::try_from(self.values.len()).expect("Limits::rows keeps to 32 bits");
                let text: Arc<str> = text.into();
                self.values.push(Arc::clone(&text));
                self.first_rows.push(self.keys.len());
                self.by_text.insert(text, key);
                key
            }
        };
        self.last = key as usize;
        key
    }

    pub(crate) fn finish(self) -> ArrayRef {
        let values: StringArray = self.values.iter().map(|value| Some(value.as_ref())).collect();
        let keys = Int32Array::new(self.keys.into(), self.nulls.finish());
        Arc::new(
            DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values)).expect("keys are places of values"),
        )
    }
}

/// A float column.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    values: Vec<f64>,
    nulls: Nulls,
}

impl Numbers {
    /// A column that has `rows` nulls so far.
    pub(crate) fn with_nulls(rows: usize) -> Self {
        Self { values: vec![0.0; rows], nulls: Nulls::with_nulls(rows) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Option<f64>) {
        self.values.push(value.unwrap_or_default());
        self.nulls.push(value.is_some());
    }

    /// Adds rows that all have a value.
    pub(crate) fn extend(&mut self, values: impl ExactSizeIterator<Item = f64>) {
        self.nulls.extend(values.len());
        self.values.extend(values);
    }

    /// Takes the last row back.
    pub(crate) fn pop(&mut self) {
        self.values.pop();
        self.nulls.pop();
    }

    pub(crate) fn finish(self) -> ArrayRef {
        Arc::new(Float64Array::new(self.values.into(), self.nulls.finish()))
    }
}

/// A text column.
#[derive(Debug, Default)]
pub(crate) struct Texts(StringBuilder);

impl Texts {
    pub(crate) fn push(&mut self, text: Option<&Class<'_>>) {
        match text {
            None => self.0.append_null(),
            Some(Class::Text(text)) => self.0.append_value(text),
            Some(Class::Whole(number)) => {
                write!(self.0, "{number}").expect("writing to memory cannot fail");
                self.0.append_value("");
            }
        }
    }

    pub(crate) fn finish(mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Which rows are there: a bit for each, the first in the lowest of a word.
#[derive(Debug, Default)]
struct Nulls {
    rows: usize,
    full: Vec<u64>,
    /// The word of the rows to come.
    word: u64,
}

impl Nulls {
    fn with_nulls(rows: usize) -> Self {
        Self { rows, full: vec![0; rows / 64], word: 0 }
    }

    #[inline]
    fn push(&mut self, there: bool) {
        self.word |= u64::from(there) << (self.rows % 64);
        self.rows += 1;
        if self.rows.is_multiple_of(64) {
            self.full.push(self.word.to_le());
            self.word = 0;
        }
    }

    /// Adds so many rows that are there.
    fn extend(&mut self, mut rows: usize) {
        while rows > 0 {
            if rows >= 64 && self.rows.is_multiple_of(64) {
                self.full.push(u64::MAX);
                self.rows += 64;
                rows -= 64;
            } else {
                self.push(true);
                rows -= 1;
            }
        }
    }

    fn pop(&mut self) {
        if self.rows.is_multiple_of(64) {
            self.word = self.full.pop().map_or(0, u64::from_le);
        }
        self.rows -= 1;
        self.word &= !(1 << (self.rows % 64));
    }

    /// None if all rows are there.
    fn finish(mut self) -> Option<NullBuffer> {
        self.full.push(self.word.to_le());
        let nulls = NullBuffer::new(BooleanBuffer::new(self.full.into(), 0, self.rows));
        (nulls.null_count() > 0).then_some(nulls)
    }
}

/// The rows that have a value, and the values.
type SparseColumn = Vec<(u32, f64)>;

/// Float columns whose names come from the events, few of them in a row or a batch.
#[derive(Debug, Default)]
pub(crate) struct NamedNumbers {
    places: FxHashMap<Box<str>, usize>,
    columns: Vec<(Box<str>, SparseColumn)>,
}

impl NamedNumbers {
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Sets a value of the row; rows come in rising order, each name once a row.
    pub(crate) fn push(&mut self, row: u32, name: &str, value: f64) {
        let place = match self.places.get(name) {
            Some(&place) => place,
            None => {
                self.places.insert(name.into(), self.columns.len());
                self.columns.push((name.into(), Vec::new()));
                self.columns.len() - 1
            }
        };
        self.columns[place].1.push((row, value));
    }

    /// The columns by name, each with `rows` rows.
    pub(crate) fn finish(mut self, rows: usize) -> impl Iterator<Item = (Box<str>, ArrayRef)> {
        self.columns.sort_by(|a, b| a.0.cmp(&b.0));
        self.columns.into_iter().map(move |(name, cells)| {
            let mut values = vec![0.0; rows];
            let mut there = BooleanBufferBuilder::new(rows);
            there.append_n(rows, false);
            for (row, value) in cells {
                values[row as usize] = value;
                there.set_bit(row as usize, true);
            }
            let nulls = NullBuffer::new(there.finish());
            let array: ArrayRef = Arc::new(Float64Array::new(values.into(), Some(nulls)));
            debug_assert_eq!(array.len(), rows);
            (name, array)
        })
    }
}
