//! The panes of one model: for each slice of event time, a summary for each version and segment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use driftline_events::EventTime;
use driftline_summary::{CellSummary, SummarySpec};

use crate::WindowError;
use crate::key::{CellId, CellSet, KeyTable};
use crate::slice::take;

/// Pane summaries by start and cell.
#[derive(Debug, Default)]
pub(crate) struct Panes {
    panes: BTreeMap<EventTime, BTreeMap<CellId, CellSummary>>,
}

/// What a fold takes from the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything.
    All,
    /// Only what needs the reference's grids.
    Features,
}

impl Panes {
    /// Folds the rows of one pane, and gives the cells that changed.
    pub(crate) fn fold(
        &mut self,
        spec: &Arc<SummarySpec>,
        start: EventTime,
        rows: &RecordBatch,
        keys: &mut KeyTable,
        part: Part,
    ) -> Result<Vec<CellId>, WindowError> {
        let sets = keys.sets(rows)?;
        if part == Part::Features && !self.panes.contains_key(&start) {
            // Its pane has expired: there is nothing to complete.
            return Ok(Vec::new());
        }
        let pane = self.panes.entry(start).or_default();
        let by_cell = rows_by_cell(&sets, keys);
        let cells: Vec<CellId> = by_cell.keys().copied().collect();
        for (cell, places) in by_cell {
            let part_of = take(rows, places)?;
            let summary = pane.entry(cell).or_insert_with(|| CellSummary::new(Arc::clone(spec)));
            if summary.spec().id() != spec.id() {
                // The model has gained features since the pane was begun.
                let mut widened = CellSummary::new(Arc::clone(spec));
                widened.merge(summary)?;
                *summary = widened;
            }
            match part {
                Part::All => summary.fold(&part_of)?,
                Part::Features => summary.fold_features(&part_of)?,
            }
        }
        Ok(cells)
    }

    /// The summary of a cell in a pane that is still kept or may still be made.
    pub(crate) fn cell_mut(
        &mut self,
        spec: &Arc<SummarySpec>,
        start: EventTime,
        cell: CellId,
    ) -> &mut CellSummary {
        self.panes.entry(start).or_default().entry(cell).or_insert_with(|| CellSummary::new(Arc::clone(spec)))
    }

    /// The summary of a cell in a pane, if there is one.
    pub(crate) fn existing_mut(&mut self, start: EventTime, cell: CellId) -> Option<&mut CellSummary> {
        self.panes.get_mut(&start)?.get_mut(&cell)
    }

    /// Merges what a cell has in `[start, end)` into `into`.
    pub(crate) fn merge_into(
        &self,
        into: &mut CellSummary,
        start: EventTime,
        end: EventTime,
        cell: CellId,
    ) -> Result<(), WindowError> {
        for (_, cells) in self.panes.range(start..end) {
            if let Some(summary) = cells.get(&cell) {
                into.merge(summary)?;
            }
        }
        Ok(())
    }

    /// The cells that have anything in `[start, end)`.
    pub(crate) fn cells_in(&self, start: EventTime, end: EventTime) -> BTreeSet<CellId> {
        self.panes.range(start..end).flat_map(|(_, cells)| cells.keys().copied()).collect()
    }

    /// The starts of panes before `end` in which a cell has rows, the latest first.
    pub(crate) fn back_from(
        &self,
        end: EventTime,
        cell: CellId,
    ) -> impl Iterator<Item = (EventTime, &CellSummary)> {
        self.panes.range(..end).rev().filter_map(move |(&start, cells)| Some((start, cells.get(&cell)?)))
    }

    /// The starts of all panes.
    pub(crate) fn starts(&self) -> impl Iterator<Item = EventTime> {
        self.panes.keys().copied()
    }

    /// Empties every feature summary: they are counted anew on the grids of `spec`.
    pub(crate) fn reset_features(&mut self, spec: &Arc<SummarySpec>) {
        for cell in self.panes.values_mut().flat_map(BTreeMap::values_mut) {
            cell.rebase(Arc::clone(spec));
        }
    }

    /// Drops panes before `floor` and says how many.
    pub(crate) fn expire(&mut self, floor: EventTime) -> usize {
        let kept = self.panes.split_off(&floor);
        std::mem::replace(&mut self.panes, kept).len()
    }

    pub(crate) fn len(&self) -> usize {
        self.panes.len()
    }

    pub(crate) fn cells(&self) -> usize {
        self.panes.values().map(BTreeMap::len).sum()
    }
}

/// For each cell the places of its rows, in their order.
pub(crate) fn rows_by_cell(sets: &[CellSet], keys: &KeyTable) -> BTreeMap<CellId, Vec<u32>> {
    let mut by_cell: BTreeMap<CellId, Vec<u32>> = BTreeMap::new();
    for (row, &set) in sets.iter().enumerate() {
        for &cell in keys.cells(set) {
            by_cell.entry(cell).or_default().push(row as u32);
        }
    }
    by_cell
}
