//! A feature's column as it grows.

use crate::column::{Categories, Numbers};
use crate::prediction_batch::row_number;
use crate::scalar::Cell;
use crate::{FeatureKind, ModelSchema};

/// A feature's values so far.
#[derive(Debug)]
pub(crate) enum FeatureColumn {
    Numeric(Numbers),
    Categorical { values: Categories, rows: u32, invalid: Vec<u32> },
}

impl FeatureColumn {
    /// A column that has `rows` nulls so far.
    pub(crate) fn with_nulls(kind: FeatureKind, rows: usize) -> Self {
        match kind {
            FeatureKind::Numeric => Self::Numeric(Numbers::with_nulls(rows)),
            FeatureKind::Categorical | FeatureKind::Boolean => Self::Categorical {
                values: Categories::with_nulls(rows),
                rows: row_number(rows),
                invalid: Vec::new(),
            },
        }
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Numeric(numbers) => numbers.len(),
            Self::Categorical { rows, .. } => *rows as usize,
        }
    }

    /// Takes the last row back.
    #[cold]
    pub(crate) fn pop(&mut self) {
        match self {
            Self::Numeric(numbers) => numbers.pop(),
            Self::Categorical { values, rows, invalid } => {
                values.pop();
                *rows -= 1;
                if invalid.last() == Some(rows) {
                    invalid.pop();
                }
            }
        }
    }

    /// The key of the class that was pushed last; none in a column of numbers.
    pub(crate) fn last_key(&self) -> Option<i32> {
        match self {
            Self::Numeric(_) => None,
            Self::Categorical { values, .. } => values.last_key(),
        }
    }

    /// Adds a class by the key that [`FeatureColumn::last_key`] gave.
    #[inline]
    pub(crate) fn push_key(&mut self, key: i32) {
        match self {
            Self::Numeric(numbers) => numbers.push(Some(f64::NAN)),
            Self::Categorical { values, rows, .. } => {
                values.push_key(key);
                *rows += 1;
            }
        }
    }

    pub(crate) fn push(&mut self, cell: &Cell<'_>) {
        match self {
            Self::Numeric(numbers) => match cell {
                Cell::Number(number) => numbers.push(Some(*number)),
                Cell::Missing => numbers.push(None),
                Cell::Invalid | Cell::Class(_) => numbers.push(Some(f64::NAN)),
            },
            Self::Categorical { values, rows, invalid } => {
                match cell {
                    Cell::Class(class) => values.push(class),
                    Cell::Missing => values.push_null(),
                    Cell::Invalid | Cell::Number(_) => {
                        values.push_null();
                        invalid.push(*rows);
                    }
                }
                *rows += 1;
            }
        }
    }
}

/// The features of the row to come. Its values go straight into their columns, and are taken back if the row turns out to
/// be of no use.
pub(crate) struct FeatureRow<'b> {
    schema: &'b ModelSchema,
    columns: &'b mut [FeatureColumn],
    /// Whole rows so far.
    rows: usize,
}

impl<'b> FeatureRow<'b> {
    pub(crate) const fn new(schema: &'b ModelSchema, columns: &'b mut [FeatureColumn], rows: usize) -> Self {
        Self { schema, columns, rows }
    }

    pub(crate) const fn schema(&self) -> &'b ModelSchema {
        self.schema
    }

    /// The column at a place with what it holds; none if the row has its value already.
    #[inline]
    pub(crate) fn column(&mut self, place: usize) -> Option<(&mut FeatureColumn, FeatureKind)> {
        let column = &mut self.columns[place];
        (column.len() == self.rows).then(|| (column, self.schema.features()[place].kind))
    }
}
