//! A reference that is learned from a model's first rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use driftline_events::{EventTime, ModelSchema};
use driftline_summary::{CellSummary, Reference, SummarySpec};

use crate::WindowError;
use crate::key::KeyTable;
use crate::panes::rows_by_cell;
use crate::slice::take;

/// Rows that are put together into one batch.
const JOINED_ROWS: usize = 1_024;

/// The rows seen so far, kept until there are enough to set the grids by.
#[derive(Debug)]
pub(crate) struct Learning {
    rows_needed: u64,
    batches: Vec<RecordBatch>,
    rows: u64,
}

impl Learning {
    pub(crate) const fn new(rows_needed: u64) -> Self {
        Self { rows_needed, batches: Vec::new(), rows: 0 }
    }

    /// Learning that goes on where it was stored.
    pub(crate) fn restored(rows_needed: u64, batches: Vec<RecordBatch>) -> Self {
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Self { rows_needed, batches, rows }
    }

    /// Takes in rows, which are in no reference yet; says whether there are enough now.
    pub(crate) fn push(&mut self, rows: &RecordBatch) -> bool {
        self.rows += rows.num_rows() as u64;
        // Ten thousand requests of one row each must not hold ten thousand batches.
        let fits = |last: &&RecordBatch| {
            last.num_rows() + rows.num_rows() <= JOINED_ROWS && last.schema() == rows.schema()
        };
        let joined = self.batches.last().filter(fits);
        let joined = joined.and_then(|last| concat_batches(&rows.schema(), [last, rows]).ok());
        match (joined, self.batches.last_mut()) {
            (Some(joined), Some(last)) => *last = joined,
            _ => self.batches.push(rows.clone()),
        }
        self.rows >= self.rows_needed
    }

    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) const fn rows_needed(&self) -> u64 {
        self.rows_needed
    }

    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The reference that the rows make: over all versions, and for each segment.
    pub(crate) fn reference(
        &self,
        schema: &ModelSchema,
        keys: &mut KeyTable,
        created: EventTime,
    ) -> Result<Reference, WindowError> {
        let spec = SummarySpec::learn(schema, &self.batches)?;
        let mut overall = CellSummary::new(Arc::clone(&spec));
        let mut segments: BTreeMap<_, CellSummary> = BTreeMap::new();
        for batch in &self.batches {
            overall.fold(batch)?;
            let sets = keys.sets(batch)?;
            for (cell, places) in rows_by_cell(&sets, keys) {
                // Versions are learned together; a segment's cells differ by version only.
                if let Some(segment) = keys.key(cell).segment.clone() {
                    let rows = take(batch, places)?;
                    segments
                        .entry(segment)
                        .or_insert_with(|| CellSummary::new(Arc::clone(&spec)))
                        .fold(&rows)?;
                }
            }
        }
        let source = format!("the first {} rows", self.rows);
        Ok(Reference { spec, rows: self.rows, overall, segments, source, created })
    }
}
