//! Predicted against actual numbers.

use serde::{Deserialize, Serialize};

use crate::{DdSketch, Moments, Tally};

/// The errors `e = predicted − actual` of a regression model. Each loss is kept with its variance, for intervals.
/// The default is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// `e`: its mean is the bias.
    pub error: Moments,
    /// `|e|`: its mean is the MAE.
    pub absolute: Moments,
    /// `e²`: its mean is the MSE.
    pub squared: Moments,
    /// `|e / y|` of the rows with `y ≠ 0`: its mean is the MAPE.
    pub percentage: Moments,
    /// `y`: its M2 is what R² compares the squared errors with.
    pub actual: Moments,
    /// `|e|`, for quantiles.
    pub absolute_sketch: DdSketch,
}

impl Regression {
    /// Counts a row.
    pub fn add(&mut self, predicted: f64, actual: f64, weight: f64) {
        let error = predicted - actual;
        if !error.is_finite() {
            return;
        }
        self.error.add(error, weight);
        self.absolute.add(error.abs(), weight);
        self.squared.add(error * error, weight);
        if actual != 0.0 {
            self.percentage.add((error / actual).abs(), weight);
        }
        self.actual.add(actual, weight);
        self.absolute_sketch.add(error.abs(), weight);
    }

    /// Takes back a row that was counted the same way.
    pub fn retract(&mut self, predicted: f64, actual: f64, weight: f64) {
        let error = predicted - actual;
        if !error.is_finite() {
            return;
        }
        self.error.retract(error, weight);
        self.absolute.retract(error.abs(), weight);
        self.squared.retract(error * error, weight);
        if actual != 0.0 {
            self.percentage.retract((error / actual).abs(), weight);
        }
        self.actual.retract(actual, weight);
        self.absolute_sketch.retract(error.abs(), weight);
    }

    /// Adds another's rows.
    pub fn merge(&mut self, other: &Self) {
        self.error.merge(&other.error);
        self.absolute.merge(&other.absolute);
        self.squared.merge(&other.squared);
        self.percentage.merge(&other.percentage);
        self.actual.merge(&other.actual);
        self.absolute_sketch.merge(&other.absolute_sketch);
    }

    /// Takes back another's rows that were merged into this.
    pub fn subtract(&mut self, other: &Self) {
        self.error.subtract(&other.error);
        self.absolute.subtract(&other.absolute);
        self.squared.subtract(&other.squared);
        self.percentage.subtract(&other.percentage);
        self.actual.subtract(&other.actual);
        self.absolute_sketch.subtract(&other.absolute_sketch);
    }

    /// The rows.
    #[must_use]
    pub fn graded(&self) -> Tally {
        self.error.tally
    }
}
