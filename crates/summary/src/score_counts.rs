//! Scores counted by what happened.

use serde::{Deserialize, Serialize};

use crate::{Cells, Tally, packed};

/// The fixed cells that scores in `[0, 1]` are counted in; a greater score is never in a lesser cell.
///
/// From 1/32 to 31/32 they are 1/2048 wide. Below 1/32 there are 64 to an octave down to 2^-20 (so they are
/// between 1/64 and 1/128 of their scores wide), then one last from 0. Above 31/32 it is the same for `1 − s`.
#[derive(Clone, Copy, Debug)]
pub struct ScoreGrid;

/// Cells in 1/32 to 31/32.
const MIDDLE: usize = 1920;
/// Cells on either side: 15 octaves of 64, and the last.
const TAIL: usize = 15 * 64 + 1;
/// The leading bits of 2^-20: exponent and six of the mantissa.
const TAIL_START: u64 = (1023 - 20) << 6;

impl ScoreGrid {
    /// The number of cells.
    pub const CELLS: usize = MIDDLE + 2 * TAIL;

    /// The cell of a score; beyond `[0, 1]` the first or last. NaN is taken to the first.
    #[must_use]
    pub fn cell(score: f64) -> usize {
        if score >= 31.0 / 32.0 {
            Self::CELLS - 1 - tail_cell(1.0 - score)
        } else if score >= 1.0 / 32.0 {
            // Scaling by a power of two is exact.
            TAIL + (score * 2048.0) as usize - 64
        } else {
            tail_cell(score)
        }
    }

    /// Where a cell starts and ends. Below 31/32 the start belongs to it, above the end does.
    ///
    /// # Panics
    /// If there is no such cell.
    #[must_use]
    pub fn bounds(cell: usize) -> (f64, f64) {
        assert!(cell < Self::CELLS, "cell {cell} of {}", Self::CELLS);
        if cell < TAIL {
            (tail_start(cell), tail_start(cell + 1))
        } else if cell < TAIL + MIDDLE {
            let start = (cell - TAIL + 64) as f64;
            (start / 2048.0, (start + 1.0) / 2048.0)
        } else {
            let mirrored = Self::CELLS - 1 - cell;
            (1.0 - tail_start(mirrored + 1), 1.0 - tail_start(mirrored))
        }
    }
}

/// The cell of a score at or below 1/32 (which itself is put into the last).
fn tail_cell(score: f64) -> usize {
    if score < f64::from_bits(TAIL_START << 46) || score.is_nan() {
        return 0;
    }
    let cell = (score.to_bits() >> 46) - TAIL_START + 1;
    (cell as usize).min(TAIL - 1)
}

fn tail_start(cell: usize) -> f64 {
    if cell == 0 { 0.0 } else { f64::from_bits((TAIL_START + cell as u64 - 1) << 46) }
}

/// A figure that lies within `bound` of the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// The figure.
    pub value: f64,
    /// The most it can be off by, rounding aside.
    pub bound: f64,
}

/// Bins of equal width that calibration is judged by.
pub const CALIBRATION_BINS: usize = 10;

/// The scores in one tenth of `[0, 1]`: `[k/10, (k+1)/10)`, the last with 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// The rows.
    pub tally: Tally,
    /// Weighted sum of their scores.
    #[serde(with = "packed")]
    pub score_sum: f64,
    /// Weight of the positive ones.
    #[serde(with = "packed")]
    pub positive: f64,
}

impl CalibrationBin {
    fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.score_sum += other.score_sum;
        self.positive += other.positive;
    }

    fn subtract(&mut self, other: &Self) {
        self.tally.subtract(&other.tally);
        if self.tally.is_empty() {
            (self.score_sum, self.positive) = (0.0, 0.0);
        } else {
            self.score_sum -= other.score_sum;
            self.positive = (self.positive - other.positive).max(0.0);
        }
    }
}

/// The scores of one class, split by whether the row was of that class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreCounts {
    /// Rows of the class.
    pub positive: Tally,
    /// Rows of another class.
    pub negative: Tally,
    /// Weight of the rows of the class per cell of [`ScoreGrid`].
    pub positive_cells: Cells,
    /// Weight of the other rows per cell.
    pub negative_cells: Cells,
    /// Scores against outcomes, by tenths.
    pub calibration: [CalibrationBin; CALIBRATION_BINS],
}

impl Default for ScoreCounts {
    fn default() -> Self {
        Self {
            positive: Tally::default(),
            negative: Tally::default(),
            positive_cells: Cells::new(ScoreGrid::CELLS),
            negative_cells: Cells::new(ScoreGrid::CELLS),
            calibration: Default::default(),
        }
    }
}

impl ScoreCounts {
    /// Counts a score in `[0, 1]` of a row that was (or was not) of the class.
    pub fn add(&mut self, score: f64, positive: bool, weight: f64) {
        self.calibration[tenth(score)].merge(&calibration_row(score, positive, weight));
        if positive {
            self.positive.add(weight);
            self.positive_cells.add(ScoreGrid::cell(score), weight);
        } else {
            self.negative.add(weight);
            self.negative_cells.add(ScoreGrid::cell(score), weight);
        }
    }

    /// Takes back a score that was counted the same way.
    pub fn retract(&mut self, score: f64, positive: bool, weight: f64) {
        self.calibration[tenth(score)].subtract(&calibration_row(score, positive, weight));
        if positive {
            self.positive.retract(weight);
            self.positive_cells.retract(ScoreGrid::cell(score), weight);
        } else {
            self.negative.retract(weight);
            self.negative_cells.retract(ScoreGrid::cell(score), weight);
        }
    }

    /// Adds another's scores.
    pub fn merge(&mut self, other: &Self) {
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
        self.positive_cells.merge(&other.positive_cells);
        self.negative_cells.merge(&other.negative_cells);
        for (mine, theirs) in self.calibration.iter_mut().zip(&other.calibration) {
            mine.merge(theirs);
        }
    }

    /// Takes back another's scores that were merged into this.
    pub fn subtract(&mut self, other: &Self) {
        self.positive.subtract(&other.positive);
        self.negative.subtract(&other.negative);
        self.positive_cells.subtract(&other.positive_cells);
        self.negative_cells.subtract(&other.negative_cells);
        for (mine, theirs) in self.calibration.iter_mut().zip(&other.calibration) {
            mine.subtract(theirs);
        }
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> Tally {
        let mut rows = self.positive;
        rows.merge(&self.negative);
        rows
    }

    /// The area under the ROC curve: the probability that a row of the class scores above another, ties half.
    /// Rows of one cell count as tied, so it is off by at most half the weight of the pairs that share one. None
    /// unless there are both kinds.
    ///
    /// # References
    /// Hanley & McNeil (1982), "The meaning and use of the area under a ROC curve", Radiology 143(1).
    #[must_use]
    pub fn roc_auc(&self) -> Option<Bounded> {
        let pairs = self.positive_cells.total() * self.negative_cells.total();
        if pairs <= 0.0 {
            return None;
        }
        let mut negatives = self.negative_cells.iter().peekable();
        let (mut below, mut above, mut tied) = (0.0, 0.0, 0.0);
        for (cell, weight) in self.positive_cells.iter() {
            while let Some((_, negative)) = negatives.next_if(|&(at, _)| at < cell) {
                below += negative;
            }
            above += weight * below;
            if let Some(&(_, negative)) = negatives.peek().filter(|&&(at, _)| at == cell) {
                tied += weight * negative;
            }
        }
        Some(Bounded { value: (above + tied / 2.0) / pairs, bound: tied / 2.0 / pairs })
    }

    pub(crate) fn pack(&mut self) {
        self.positive_cells.pack();
        self.negative_cells.pack();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.positive.rows == 0 && self.negative.rows == 0
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.positive_cells.len() == ScoreGrid::CELLS && self.negative_cells.len() == ScoreGrid::CELLS
    }
}

fn tenth(score: f64) -> usize {
    ((score * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1)
}

fn calibration_row(score: f64, positive: bool, weight: f64) -> CalibrationBin {
    let tally = Tally { rows: 1, weight, weight_sq: weight * weight };
    CalibrationBin { tally, score_sum: score * weight, positive: if positive { weight } else { 0.0 } }
}

#[cfg(test)]
mod tests;
