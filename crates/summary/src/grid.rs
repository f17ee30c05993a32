//! The cut points that a numeric column is counted between.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

mod lookup;

use lookup::Lookup;

/// Quantiles that cuts are taken at: `i / 1000`. Also the most distinct values that each get their own cell.
pub const GRID_QUANTILES: usize = 1000;

/// Why a grid cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// No values, so nothing to place cuts by.
    #[error("no grid can be made: there are no values")]
    Empty,
    /// NaN or an infinity.
    #[error("cut {position} is {value}, not a finite number")]
    NotFinite {
        /// Its position.
        position: usize,
        /// What it is.
        value: f64,
    },
    /// A value at or below the one before it.
    #[error("value {position} ({value}) is not above the one before it")]
    NotAscending {
        /// Its position.
        position: usize,
        /// What it is.
        value: f64,
    },
    /// Not the 1,001 quantiles from 0 to 1.
    #[error("a grid needs {} quantiles, not {count}", GRID_QUANTILES + 1)]
    QuantileCount {
        /// How many were given.
        count: usize,
    },
    /// Too many distinct values for a cell each.
    #[error("{count} distinct values are more than {GRID_QUANTILES}")]
    TooManyDistinct {
        /// How many were given.
        count: usize,
    },
}

/// Ascending cut points `c`. Cell `i` is `[c(i-1), c(i))`; cell 0 is all below the first cut, the last cell all
/// from the last cut on.
///
/// Made from a reference's values the first cut is its minimum and the last the next number above its maximum,
/// so the first and last cells count exactly what is out of its range. With at most [`GRID_QUANTILES`] distinct
/// values, each value `v` has cuts at `v` and the next number above it: its cell holds that one value, and the
/// cell after it what the reference never had. With more, cuts are at the quantiles `i/1000` ("inverted CDF":
/// the value at rank `⌈ip n⌉`), and a value that is two or more of them has a cell of its own.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Grid {
    lookup: Lookup,
    id: u64,
}

impl Grid {
    /// A grid with these cuts. The last may be infinite, where the maximum is the greatest number there is.
    ///
    /// # Errors
    /// [`GridError`] if there are no cuts, or they are not finite or not ascending.
    pub fn new(mut cuts: Vec<f64>) -> Result<Self, GridError> {
        let last = cuts.len().checked_sub(1).ok_or(GridError::Empty)?;
        for position in 0..cuts.len() {
            let value = cuts[position] + 0.0;
            cuts[position] = value;
            let endless = value == f64::INFINITY && position == last && position > 0;
            if !(value.is_finite() || endless) {
                return Err(GridError::NotFinite { position, value });
            }
            if position > 0 && cuts[position - 1] >= value {
                return Err(GridError::NotAscending { position, value });
            }
        }
        if cuts.len() > usize::from(u16::MAX) {
            return Err(GridError::TooManyDistinct { count: cuts.len() });
        }
        Ok(Self::tabulated(cuts))
    }

    /// The grid of a reference's values in ascending order; what is not finite is left out.
    ///
    /// # Errors
    /// [`GridError::Empty`] without a finite value, [`GridError::NotAscending`] if they are not sorted.
    pub fn from_sorted(values: &[f64]) -> Result<Self, GridError> {
        if let Some(at) = (1..values.len()).find(|&i| values[i] < values[i - 1]) {
            return Err(GridError::NotAscending { position: at, value: values[at] });
        }
        let start = values.partition_point(|&v| v == f64::NEG_INFINITY);
        let end = values.iter().rposition(|v| v.is_finite()).map_or(start, |at| at + 1);
        let values = &values[start.min(end)..end];
        let mut distinct = Vec::with_capacity(GRID_QUANTILES + 1);
        for &value in values {
            if distinct.last() != Some(&value) {
                distinct.push(value);
                if distinct.len() > GRID_QUANTILES {
                    let at = |i| values[Self::quantile_rank(i, values.len())];
                    return Self::from_quantiles(&(0..=GRID_QUANTILES).map(at).collect::<Vec<_>>());
                }
            }
        }
        Self::from_distinct(&distinct)
    }

    /// The grid of a reference with at most [`GRID_QUANTILES`] distinct values: these, in ascending order.
    ///
    /// # Errors
    /// [`GridError`] if there are none or too many, or they are not finite or not ascending.
    pub fn from_distinct(values: &[f64]) -> Result<Self, GridError> {
        if values.len() > GRID_QUANTILES {
            return Err(GridError::TooManyDistinct { count: values.len() });
        }
        let mut cuts = Vec::with_capacity(2 * values.len());
        for &value in values {
            push_cut(&mut cuts, value);
            cuts.push(value.next_up());
        }
        Self::new(cuts)
    }

    /// The grid of a reference with more than [`GRID_QUANTILES`] distinct values: its values at the
    /// [`Grid::quantile_rank`]s 0 to 1000.
    ///
    /// # Errors
    /// [`GridError`] if there are not 1,001, or they are not finite or fall.
    pub fn from_quantiles(quantiles: &[f64]) -> Result<Self, GridError> {
        if quantiles.len() != GRID_QUANTILES + 1 {
            return Err(GridError::QuantileCount { count: quantiles.len() });
        }
        let mut cuts = Vec::with_capacity(quantiles.len() + 1);
        for run in quantiles.chunk_by(|a, b| a == b) {
            push_cut(&mut cuts, run[0]);
            if run.len() > 1 {
                cuts.push(run[0].next_up());
            }
        }
        let above = quantiles[GRID_QUANTILES].next_up();
        push_cut(&mut cuts, above);
        Self::new(cuts)
    }

    /// The position, among `n` sorted values, of the quantile `i / 1000`: `⌈i n / 1000⌉ − 1`, and 0 for `i` = 0,
    /// in whole numbers so that no rounding moves it.
    ///
    /// # Panics
    /// If `n` is zero.
    #[must_use]
    pub fn quantile_rank(i: usize, n: usize) -> usize {
        assert!(n > 0, "no values have no quantiles");
        let rank = (i as u128 * n as u128).div_ceil(GRID_QUANTILES as u128);
        (rank.max(1) - 1).min(n as u128 - 1) as usize
    }

    fn tabulated(cuts: Vec<f64>) -> Self {
        let mut hash = Xxh3::new();
        for cut in &cuts {
            hash.update(&cut.to_le_bytes());
        }
        Self { id: hash.digest(), lookup: Lookup::new(cuts) }
    }

    /// The cell that a value is in. `-0.0` is `0.0`; NaN, which is in none, is taken to cell 0.
    #[must_use]
    pub fn cell(&self, value: f64) -> usize {
        self.lookup.cell(value)
    }

    /// Calls `each` with the position and the cell of each of these finite values, in order.
    #[inline]
    pub(crate) fn each_cell(&self, values: &[f64], each: impl FnMut(usize, usize)) {
        self.lookup.cells(values, each);
    }

    /// The number of cells: one more than cuts.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cuts().len() + 1
    }

    /// The cut points, ascending. `cuts()[i]` is where cell `i + 1` starts.
    #[must_use]
    pub fn cuts(&self) -> &[f64] {
        self.lookup.cuts()
    }

    /// Where a cell starts and ends, `[start, end)`; infinite at the ends.
    ///
    /// # Panics
    /// If there is no such cell.
    #[must_use]
    pub fn bounds(&self, cell: usize) -> (f64, f64) {
        assert!(cell < self.cells(), "cell {cell} of {}", self.cells());
        let cuts = self.cuts();
        let start = if cell == 0 { f64::NEG_INFINITY } else { cuts[cell - 1] };
        (start, cuts.get(cell).copied().unwrap_or(f64::INFINITY))
    }

    /// Whether a cell can hold one value only.
    #[must_use]
    pub fn is_single_value(&self, cell: usize) -> bool {
        let cuts = self.cuts();
        cell > 0 && cuts.get(cell).is_some_and(|&end| cuts[cell - 1].next_up() == end)
    }

    /// A hash of the cuts that stays the same across versions and machines.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// A value may be the next number above the one before it: the cut is there already.
fn push_cut(cuts: &mut Vec<f64>, cut: f64) {
    if cuts.last() != Some(&cut) {
        cuts.push(cut);
    }
}

impl PartialEq for Grid {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.cuts() == other.cuts()
    }
}

impl fmt::Debug for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grid").field("cuts", &self.cuts()).finish_non_exhaustive()
    }
}

impl TryFrom<Vec<f64>> for Grid {
    type Error = GridError;

    fn try_from(cuts: Vec<f64>) -> Result<Self, GridError> {
        Self::new(cuts)
    }
}

impl From<Grid> for Vec<f64> {
    fn from(grid: Grid) -> Self {
        grid.lookup.into_cuts()
    }
}

#[cfg(test)]
mod tests;
