//! What can go wrong with a batch that the decoder made: faults of the program or
//! of the disk, never of the data.

use driftline_summary::{FoldError, MergeError};

use crate::join::PendingError;

/// A batch or summary that does not fit the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A column of the layout is missing or of another type.
    #[error("the batch has no usable column {name:?}")]
    Column {
        /// The column.
        name: &'static str,
    },
    /// A tag's or version's column is missing or of another type.
    #[error("the batch has no usable column {name:?}")]
    NamedColumn {
        /// The column.
        name: String,
    },
    /// An Arrow kernel refused.
    #[error("rows could not be gathered")]
    Arrow(#[source] arrow::error::ArrowError),
    /// The summary refused the rows.
    #[error("rows could not be folded")]
    Fold(#[from] FoldError),
    /// Summaries of one model do not fit together.
    #[error("summaries could not be merged")]
    Merge(#[from] MergeError),
    /// What is pending cannot be read: nothing of the batch was folded, and it can be pushed again.
    #[error("the label join cannot go on")]
    Pending(#[from] PendingError),
}
