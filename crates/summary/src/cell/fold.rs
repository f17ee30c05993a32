//! Columns into summaries.

use arrow::record_batch::RecordBatch;

use crate::CellSummary;

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

pub(super) fn fold(cell: &mut CellSummary, batch: &RecordBatch) -> Result<(), FoldError> {
    fold_features(cell, batch)
}

pub(super) fn fold_features(cell: &mut CellSummary, batch: &RecordBatch) -> Result<(), FoldError> {
    let _ = (cell, batch);
    Ok(())
}
