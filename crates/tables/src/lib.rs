//! Tables, that is Parquet, CSV and NDJSON files, as the batches that the rest of Driftline reads.
//!
//! A [`Table`] is streamed: what is in memory is some batches, never the file. Its columns are mapped by the
//! model's [`ColumnOptions`], and its values go through the decoder of `driftline-events`, so that a value
//! means the same in a file as in an event. Every row comes out either in a batch or as a [`RowRejection`].
//! polars stays inside this crate.

mod ahead;
mod batches;
mod cells;
mod columns;
mod figures;
mod files;
mod frames;
mod learn;
mod mapping;
mod reference;
mod table;
#[cfg(test)]
mod testing;

pub use ahead::Batches;
pub use batches::{RowRejection, TableBatch};
pub use columns::{ColumnError, ColumnMap, ColumnOptions};
pub use figures::{Figure, FiguresError, FiguresWriter};
pub use learn::learn_spec;
pub use mapping::{MissingColumn, MissingColumns};
pub use reference::{Progress, ReferenceError, build_reference};
pub use table::{Table, TableError};
