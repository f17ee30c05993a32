//! The panes of one model: for each slice of event time, a summary for each version and segment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use driftline_events::EventTime;
use driftline_summary::{CellSummary, SummarySpec};

use crate::WindowError;
use crate::key::{CellId, CellSet, KeyTable};
use crate::slice::take;

mod changes;
mod roll_up;

pub use changes::PaneKey;

/// Pane summaries by start and cell. Panes never overlap.
#[derive(Debug)]
pub(crate) struct Panes {
    /// The width that rows are cut by; older panes may be wider.
    width: Duration,
    panes: BTreeMap<EventTime, Pane>,
    changes: changes::Changes,
}

/// One slice of event time.
#[derive(Debug)]
struct Pane {
    width: Duration,
    cells: BTreeMap<CellId, CellSummary>,
    /// Whether its summaries were packed since it changed.
    packed: bool,
}

impl Pane {
    fn new(width: Duration) -> Self {
        Self { width, cells: BTreeMap::new(), packed: false }
    }
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
    pub(crate) fn new(width: Duration) -> Self {
        Self { width, panes: BTreeMap::new(), changes: changes::Changes::default() }
    }

    /// The start of the pane that holds `time`: a wider one where those around it were rolled up.
    fn home(&self, time: EventTime) -> EventTime {
        match self.panes.range(..=time).next_back() {
            Some((&start, pane)) if start.saturating_add(pane.width) > time => start,
            _ => time.floor(self.width),
        }
    }

    fn pane_mut(&mut self, start: EventTime) -> &mut Pane {
        let width = self.width;
        let pane = self.panes.entry(start).or_insert_with(|| Pane::new(width));
        pane.packed = false;
        pane
    }

    /// Packs the summaries of panes that ended by `before` and have changed since they were packed.
    pub(crate) fn pack(&mut self, before: EventTime) {
        for (start, pane) in self.panes.range_mut(..before) {
            if !pane.packed && start.saturating_add(pane.width) <= before {
                pane.cells.values_mut().for_each(CellSummary::pack);
                pane.packed = true;
            }
        }
    }

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
        let start = self.home(start);
        if part == Part::Features && !self.panes.contains_key(&start) {
            // Its pane has expired: there is nothing to complete.
            return Ok(Vec::new());
        }
        let by_cell = rows_by_cell(&sets, keys);
        let cells: Vec<CellId> = by_cell.keys().copied().collect();
        for (cell, places) in by_cell {
            let part_of = take(rows, places)?;
            self.changes.wrote(start, cell);
            let summary =
                self.pane_mut(start).cells.entry(cell).or_insert_with(|| CellSummary::new(Arc::clone(spec)));
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
        let start = self.home(start);
        self.changes.wrote(start, cell);
        self.pane_mut(start).cells.entry(cell).or_insert_with(|| CellSummary::new(Arc::clone(spec)))
    }

    /// The summary of a cell in a pane, if there is one.
    pub(crate) fn existing_mut(&mut self, start: EventTime, cell: CellId) -> Option<&mut CellSummary> {
        let start = self.home(start);
        let pane = self.panes.get_mut(&start)?;
        let summary = pane.cells.get_mut(&cell)?;
        pane.packed = false;
        self.changes.wrote(start, cell);
        Some(summary)
    }

    /// Merges what a cell has in `[start, end)` into `into`.
    pub(crate) fn merge_into(
        &self,
        into: &mut CellSummary,
        start: EventTime,
        end: EventTime,
        cell: CellId,
    ) -> Result<(), WindowError> {
        for (_, pane) in self.panes.range(start..end) {
            if let Some(summary) = pane.cells.get(&cell) {
                into.merge(summary)?;
            }
        }
        Ok(())
    }

    /// The cells that have anything in `[start, end)`.
    pub(crate) fn cells_in(&self, start: EventTime, end: EventTime) -> BTreeSet<CellId> {
        self.panes.range(start..end).flat_map(|(_, pane)| pane.cells.keys().copied()).collect()
    }

    /// The starts of panes before `end` in which a cell has rows, the latest first.
    pub(crate) fn back_from(
        &self,
        end: EventTime,
        cell: CellId,
    ) -> impl Iterator<Item = (EventTime, &CellSummary)> {
        self.panes.range(..end).rev().filter_map(move |(&start, pane)| Some((start, pane.cells.get(&cell)?)))
    }

    /// The starts of all panes.
    pub(crate) fn starts(&self) -> impl Iterator<Item = EventTime> {
        self.panes.keys().copied()
    }

    /// Empties every feature summary: they are counted anew on the grids of `spec`.
    pub(crate) fn reset_features(&mut self, spec: &Arc<SummarySpec>) {
        for (&start, pane) in &mut self.panes {
            pane.packed = false;
            for (&cell, summary) in &mut pane.cells {
                summary.rebase(Arc::clone(spec));
                self.changes.wrote(start, cell);
            }
        }
    }

    /// Gives every summary the features that the model gained.
    ///
    /// # Errors
    /// [`WindowError::Merge`] if they do not fit together, which would be a fault of the program.
    pub(crate) fn widen(&mut self, spec: &Arc<SummarySpec>) -> Result<(), WindowError> {
        for (&start, pane) in &mut self.panes {
            pane.packed = false;
            for (&cell, summary) in &mut pane.cells {
                let mut widened = CellSummary::new(Arc::clone(spec));
                widened.merge(summary)?;
                *summary = widened;
                self.changes.wrote(start, cell);
            }
        }
        Ok(())
    }

    /// Drops panes that end by `floor` and says how many.
    pub(crate) fn expire(&mut self, floor: EventTime) -> usize {
        let mut gone = 0;
        while let Some(entry) = self.panes.first_entry()
            && entry.key().saturating_add(entry.get().width) <= floor
        {
            let (start, pane) = entry.remove_entry();
            pane.cells.keys().for_each(|&cell| self.changes.removed(start, cell));
            gone += 1;
        }
        gone
    }

    /// The period, widened so that it cuts no pane.
    pub(crate) fn whole(&self, start: EventTime, end: EventTime) -> (EventTime, EventTime) {
        let before = |time: EventTime| {
            let pane = self.panes.range(..time).next_back();
            pane.map(|(&start, pane)| (start, start.saturating_add(pane.width)))
                .filter(|&(_, end)| end > time)
        };
        (before(start).map_or(start, |pane| pane.0), before(end).map_or(end, |pane| pane.1))
    }

    pub(crate) fn len(&self) -> usize {
        self.panes.len()
    }

    pub(crate) fn cells(&self) -> usize {
        self.panes.values().map(|pane| pane.cells.len()).sum()
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
