//! The summary of a numeric column.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::{Cells, Extremes, Grid, Moments, RareTally, Tally, moments};

/// Two summaries of one column that were counted by different grids or categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the summaries were made with different grids or categories")]
pub struct GridsDiffer;

/// Rows for each cell from which on they are counted apart: all cells are looked at afterwards.
const ROWS_A_CELL: usize = 8;

/// A numeric column: weight per cell of its grid, moments, extremes, and what was missing or invalid.
///
/// Without a grid (its reference is still being learned) there are no cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumericSummary {
    #[serde(skip)]
    grid: Option<Arc<Grid>>,
    cells: Cells,
    /// Mean and variance; its tally is that of the rows with a value.
    pub moments: Moments,
    /// The least and greatest value.
    pub extremes: Extremes,
    /// Rows without a value.
    pub missing: RareTally,
    /// Rows with a value that is no finite number.
    pub invalid: RareTally,
}

impl NumericSummary {
    /// An empty summary over a grid.
    #[must_use]
    pub fn new(grid: Option<Arc<Grid>>) -> Self {
        Self {
            cells: Cells::new(grid.as_ref().map_or(0, |grid| grid.cells())),
            grid,
            moments: Moments::default(),
            extremes: Extremes::default(),
            missing: RareTally::default(),
            invalid: RareTally::default(),
        }
    }

    /// The grid that the cells are of; none while the reference is being learned.
    #[must_use]
    pub fn grid(&self) -> Option<&Arc<Grid>> {
        self.grid.as_ref()
    }

    /// Weight per cell of the grid; no cells without one.
    #[must_use]
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Rows with a value.
    #[must_use]
    pub fn present(&self) -> Tally {
        self.moments.tally
    }

    /// All rows: with a value, without, and with an invalid one.
    #[must_use]
    pub fn rows(&self) -> Tally {
        let mut rows = self.moments.tally;
        rows.merge(&self.missing);
        rows.merge(&self.invalid);
        rows
    }

    /// The weight below the grid's first cut and from its last cut on: outside the reference's range.
    #[must_use]
    pub fn out_of_range(&self) -> f64 {
        match self.cells.len() {
            0 => 0.0,
            len => self.cells.get(0) + self.cells.get(len - 1),
        }
    }

    /// Counts a value; one that is not finite is invalid.
    pub fn add(&mut self, value: f64, weight: f64) {
        if value.is_finite() {
            self.moments.add(value, weight);
            self.extremes.add(value);
            if let Some(grid) = &self.grid {
                self.cells.add(grid.cell(value), weight);
            }
        } else {
            self.invalid.add(weight);
        }
    }

    /// Takes back a value that was counted with this weight. The extremes do not forget it.
    pub fn retract(&mut self, value: f64, weight: f64) {
        if value.is_finite() {
            self.moments.retract(value, weight);
            if let Some(grid) = &self.grid {
                self.cells.retract(grid.cell(value), weight);
            }
        } else {
            self.invalid.retract(weight);
        }
    }

    /// Counts finite values at once; all weigh one unless weights are given (as many as values).
    pub(crate) fn add_slice(&mut self, values: &[f64], weights: Option<&[f64]>) {
        self.moments.merge(&Moments::of(values, weights));
        self.extremes.merge(&Extremes::of(values));
        self.add_cells(values, weights);
    }

    /// Counts values of weight one at once, in their cells through `counts` where there are any; false, and none is
    /// counted, if one of them is not finite, or might be.
    pub(crate) fn add_finite(&mut self, values: &[f64], counts: Option<&mut Counts>) -> bool {
        let Some((moments, extremes)) = moments::of_all_finite(values) else { return false };
        self.moments.merge(&moments);
        self.extremes.merge(&extremes);
        let (Some(grid), Some(counts)) = (&self.grid, counts) else {
            self.add_cells(values, None);
            return true;
        };
        if !counts.has_room(values.len()) {
            counts.take_into(self.cells.dense_mut());
        }
        grid.each_cell(values, counts.counter(values.len()));
        true
    }

    /// To count so many rows with, where that pays: it must be given back.
    pub(crate) fn counts(&self, rows: usize) -> Option<Counts> {
        let cells = self.cells.len();
        (cells > 0 && rows >= ROWS_A_CELL * cells).then(|| Counts::new(cells))
    }

    /// Takes what [`NumericSummary::counts`] gave back.
    pub(crate) fn take_counts(&mut self, counts: Option<Counts>) {
        if let Some(mut counts) = counts.filter(Counts::has_rows) {
            counts.take_into(self.cells.dense_mut());
        }
    }

    fn add_cells(&mut self, values: &[f64], weights: Option<&[f64]>) {
        let Some(grid) = &self.grid else { return };
        let dense = self.cells.is_dense() || values.len() * 8 > self.cells.len();
        match (dense, weights) {
            (true, None) => {
                let cells = self.cells.dense_mut();
                grid.each_cell(values, |_, cell| cells[cell] += 1.0);
            }
            (true, Some(weights)) => {
                let cells = self.cells.dense_mut();
                grid.each_cell(values, |at, cell| cells[cell] += weights[at]);
            }
            (false, _) => {
                let weight = |at| weights.map_or(1.0, |weights| weights[at]);
                grid.each_cell(values, |at, cell| self.cells.add(cell, weight(at)));
            }
        }
    }

    /// Adds another's rows.
    ///
    /// # Errors
    /// [`GridsDiffer`], and nothing is changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridsDiffer> {
        if !self.same_grid(other) {
            return Err(GridsDiffer);
        }
        self.cells.merge(&other.cells);
        self.moments.merge(&other.moments);
        self.extremes.merge(&other.extremes);
        self.missing.merge(&other.missing);
        self.invalid.merge(&other.invalid);
        Ok(())
    }

    /// Takes back another's rows that were merged into this. The extremes do not forget them.
    ///
    /// # Errors
    /// [`GridsDiffer`], and nothing is changed.
    pub fn subtract(&mut self, other: &Self) -> Result<(), GridsDiffer> {
        if !self.same_grid(other) {
            return Err(GridsDiffer);
        }
        self.cells.subtract(&other.cells);
        self.moments.subtract(&other.moments);
        self.missing.subtract(&other.missing);
        self.invalid.subtract(&other.invalid);
        Ok(())
    }

    pub(crate) fn pack(&mut self) {
        self.cells.pack();
    }

    pub(crate) fn same_grid(&self, other: &Self) -> bool {
        self.grid.as_ref().map(|grid| grid.id()) == other.grid.as_ref().map(|grid| grid.id())
    }

    /// Gives a decoded summary its grid; false if the cells are not of it.
    pub(crate) fn attach(&mut self, grid: Option<Arc<Grid>>) -> bool {
        let fits = self.cells.len() == grid.as_ref().map_or(0, |grid| grid.cells());
        self.grid = grid;
        fits
    }

    /// The value that a share `q` (0 to 1) of the weight lies at or below, interpolated inside its cell: exact
    /// in cells of one value, elsewhere off by at most the cell's width. None without grid or values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.quantiles([q])[0]
    }

    /// [`NumericSummary::quantile`] of several shares, in one pass over the cells.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [Option<f64>; N] {
        let mut quantiles = [None; N];
        let (Some(grid), Some(min), Some(max)) = (&self.grid, self.extremes.min(), self.extremes.max())
        else {
            return quantiles;
        };
        let cells = self.cells.dense();
        let up_to = running_sums(&cells);
        let total = up_to.last().copied().unwrap_or(0.0);
        if total <= 0.0 {
            return quantiles;
        }
        for (q, quantile) in shares.iter().zip(&mut quantiles) {
            let target = q.clamp(0.0, 1.0) * total;
            // An empty cell has no values that could be the quantile.
            let mut cell = up_to.partition_point(|&sum| sum < target);
            while cells.get(cell).is_some_and(|&weight| weight == 0.0) {
                cell += 1;
            }
            let Some(&weight) = cells.get(cell) else {
                *quantile = Some(max);
                continue;
            };
            let below = if cell == 0 { 0.0 } else { up_to[cell - 1] };
            let (start, end) = grid.bounds(cell);
            let (start, end) = (start.max(min), end.min(max));
            *quantile = Some(if grid.is_single_value(cell) || end <= start {
                start
            } else {
                let share = ((target - below) / weight).clamp(0.0, 1.0);
                start * (1.0 - share) + end * share
            });
        }
        quantiles
    }

    /// Which of about `bins` bins of equal weight each cell belongs to, by this (reference) summary's own
    /// quantiles: bins are unions of neighbouring cells, the first and last are open. None without grid or
    /// values.
    ///
    /// Bin edges are the quantiles `k / bins` (inverted CDF), each taken once, and those at this summary's least
    /// value dropped. They are always cuts where the grid was made from the same rows and `bins` divides
    /// `GRID_QUANTILES`. With at most `bins` distinct values there is a bin for each, which also takes what
    /// lies between it and the next.
    #[must_use]
    pub fn quantile_bins(&self, bins: usize) -> Option<Vec<u32>> {
        let starts = self.quantile_bin_starts(bins)?;
        let cells = 0..self.cells.len();
        Some(cells.map(|cell| starts.partition_point(|&start| start <= cell) as u32).collect())
    }

    /// The cells that the bins of [`NumericSummary::quantile_bins`] start at, ascending; the first bin, which starts
    /// at cell 0, is left out.
    #[must_use]
    pub fn quantile_bin_starts(&self, bins: usize) -> Option<Vec<usize>> {
        let grid = self.grid.as_ref()?;
        let cells = self.cells.dense();
        let up_to = running_sums(&cells);
        let total = up_to.last().copied().unwrap_or(0.0);
        if total <= 0.0 {
            return None;
        }
        let occupied = || (0..cells.len()).filter(|&cell| cells[cell] != 0.0);
        if occupied().nth(bins).is_none() && occupied().all(|cell| grid.is_single_value(cell)) {
            return Some(occupied().skip(1).collect());
        }
        let mut starts = Vec::with_capacity(bins);
        let mut next = 1;
        while next < bins {
            // The quantile is the last cut with less than its share below it.
            let cell = up_to.partition_point(|&sum| sum * (bins as f64) < next as f64 * total);
            let Some(&sum) = up_to.get(cell) else { break };
            while next < bins && sum * bins as f64 >= next as f64 * total {
                next += 1;
            }
            if cell > 0 && up_to[cell - 1] > 0.0 {
                starts.push(cell);
            }
        }
        Some(starts)
    }
}

/// The sum of the weights up to and including each cell.
fn running_sums(cells: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = cells.iter().map(|weight| {
        sum += weight;
        sum
    });
    sums.collect()
}

#[cfg(test)]
mod tests;
