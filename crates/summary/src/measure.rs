//! The summary of a custom measure.

use serde::{Deserialize, Serialize};

use crate::{DdSketch, Extremes, Moments};

/// A number that events carry beside the features: moments, extremes and quantiles within 1 %. The default is
/// empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Mean and variance; its tally is that of the rows that carried it.
    pub moments: Moments,
    /// The least and greatest value.
    pub extremes: Extremes,
    positive: DdSketch,
    /// The negative values, by size.
    negative: DdSketch,
}

impl Measure {
    /// Counts a finite value.
    pub fn add(&mut self, value: f64, weight: f64) {
        self.moments.add(value, weight);
        self.extremes.add(value);
        if value < 0.0 {
            self.negative.add(-value, weight);
        } else {
            self.positive.add(value, weight);
        }
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.extremes.merge(&other.extremes);
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
    }

    /// The value that a share `q` (0 to 1) of the weight lies at or below, within 1 %; none without weight.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (negative, positive) = (self.negative.tally.weight, self.positive.tally.weight);
        let total = negative + positive;
        let target = q.clamp(0.0, 1.0) * total;
        if negative > 0.0 && target <= negative {
            self.negative.quantile(1.0 - target / negative).map(|size| -size)
        } else {
            self.positive.quantile((target - negative) / positive)
        }
    }

    pub(crate) fn pack(&mut self) {
        self.positive.pack();
        self.negative.pack();
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.positive.is_whole() && self.negative.is_whole()
    }
}
