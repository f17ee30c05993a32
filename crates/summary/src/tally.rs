//! How many rows, and how much weight.

use serde::{Deserialize, Serialize};

use crate::packed;

/// Rows and their weight: every count is one of these. The default is the empty tally.
///
/// `rows` is exact; `weight` and `weight_sq` are exact while they are whole numbers below 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows, each counted once.
    pub rows: u64,
    /// Sum of the rows' weights.
    #[serde(with = "packed")]
    pub weight: f64,
    /// Sum of the squares of the rows' weights.
    #[serde(with = "packed")]
    pub weight_sq: f64,
}

impl Tally {
    /// `rows` rows of weight one.
    #[must_use]
    pub fn of_rows(rows: u64) -> Self {
        Self { rows, weight: rows as f64, weight_sq: rows as f64 }
    }

    /// The tally of these weights.
    #[must_use]
    pub fn of_weights(weights: &[f64]) -> Self {
        let (mut weight, mut weight_sq) = (0.0, 0.0);
        for &w in weights {
            weight += w;
            weight_sq += w * w;
        }
        Self { rows: weights.len() as u64, weight, weight_sq }
    }

    /// Counts one row of weight `weight`.
    pub fn add(&mut self, weight: f64) {
        self.rows += 1;
        self.weight += weight;
        self.weight_sq += weight * weight;
    }

    /// Takes back one row that was counted with this weight.
    pub fn retract(&mut self, weight: f64) {
        self.subtract(&Self { rows: 1, weight, weight_sq: weight * weight });
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.weight_sq += other.weight_sq;
    }

    /// Takes back another tally that was merged into this one. With no rows left the weights are exactly
    /// zero, whatever was rounded before.
    pub fn subtract(&mut self, other: &Self) {
        self.rows = self.rows.saturating_sub(other.rows);
        if self.rows == 0 {
            *self = Self::default();
        } else {
            self.weight = (self.weight - other.weight).max(0.0);
            self.weight_sq = (self.weight_sq - other.weight_sq).max(0.0);
        }
    }

    /// The effective sample size, `(Σw)² / Σw²`: the number of equally weighted rows that would say as much
    /// (Kish 1965, "Survey Sampling", §11.7). Zero without weight; equal to `rows` when all weigh the same.
    #[must_use]
    pub fn effective(&self) -> f64 {
        if self.weight_sq > 0.0 { self.weight * self.weight / self.weight_sq } else { 0.0 }
    }

    /// Whether there is nothing to divide by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weight <= 0.0
    }
}
