//! Quantiles of positive values with a relative error.

use serde::{Deserialize, Serialize};

use crate::{Cells, Tally, packed};

/// The relative error of a quantile.
const RELATIVE_ERROR: f64 = 0.01;
/// Ratio of a bucket's bounds, `(1 + α) / (1 − α)`.
const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
/// `ln γ`.
const LN_GAMMA: f64 = 0.020_000_666_706_669_54;
/// At or below this a value counts as zero.
const LEAST: f64 = 1e-18;
/// The index of the bucket that [`LEAST`] is the upper bound of, and of the one that holds `1 / LEAST`.
const LAST_INDEX: i32 = 2073;

/// A DDSketch: weight in buckets whose bounds grow by a constant ratio, so that a quantile is off by at most 1 %
/// of itself.
///
/// Buckets cover `1e-18 < x ≤ 1e18`. What is smaller (also negative) is counted as zero, what is greater in the
/// last bucket. The range is fixed, unlike in the paper, so that no bucket is ever collapsed: merges are exact in
/// any order, and what was added can be taken back.
///
/// # References
/// Masson, Rim & Lee (2019), "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
/// Guarantees", PVLDB 12(12).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DdSketch {
    /// The rows.
    pub tally: Tally,
    #[serde(with = "packed")]
    sum: f64,
    #[serde(with = "packed")]
    zero: f64,
    buckets: Cells,
}

impl Default for DdSketch {
    fn default() -> Self {
        let buckets = Cells::new(2 * LAST_INDEX as usize + 1);
        Self { tally: Tally::default(), sum: 0.0, zero: 0.0, buckets }
    }
}

impl DdSketch {
    /// Counts a finite value.
    pub fn add(&mut self, value: f64, weight: f64) {
        self.tally.add(weight);
        self.sum += value * weight;
        match bucket(value) {
            Some(bucket) => self.buckets.add(bucket, weight),
            None => self.zero += weight,
        }
    }

    /// Takes back a value that was counted with this weight.
    pub fn retract(&mut self, value: f64, weight: f64) {
        self.tally.retract(weight);
        self.sum = if self.tally.is_empty() { 0.0 } else { self.sum - value * weight };
        match bucket(value) {
            Some(bucket) => self.buckets.retract(bucket, weight),
            None => self.zero = (self.zero - weight).max(0.0),
        }
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.sum += other.sum;
        self.zero += other.zero;
        self.buckets.merge(&other.buckets);
    }

    /// Takes back another's values that were merged into this.
    pub fn subtract(&mut self, other: &Self) {
        self.tally.subtract(&other.tally);
        self.sum = if self.tally.is_empty() { 0.0 } else { self.sum - other.sum };
        self.zero = (self.zero - other.zero).max(0.0);
        self.buckets.subtract(&other.buckets);
    }

    /// The exact mean; none without weight.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let mean = self.sum / self.tally.weight;
        (!self.tally.is_empty() && mean.is_finite()).then_some(mean)
    }

    /// The exact weighted sum; zero when empty.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The least value that at least a share `q` (0 to 1) of the weight lies at or below, within 1 %; none
    /// without weight.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.zero + self.buckets.total();
        if total <= 0.0 {
            return None;
        }
        let target = q.clamp(0.0, 1.0) * total;
        let mut below = self.zero;
        if below > 0.0 && below >= target {
            return Some(0.0);
        }
        let mut last = 0;
        for (bucket, weight) in self.buckets.iter() {
            below += weight;
            last = bucket;
            if below >= target {
                break;
            }
        }
        Some(middle(last))
    }

    /// The weight of the values at or below `value`, where those within 1 % of it may fall on either side.
    #[must_use]
    pub fn weight_at_most(&self, value: f64) -> f64 {
        let Some(last) = bucket(value) else { return if value < 0.0 { 0.0 } else { self.zero } };
        let buckets = self.buckets.iter().take_while(|&(bucket, _)| bucket <= last);
        self.zero + buckets.map(|(_, weight)| weight).sum::<f64>()
    }

    pub(crate) fn pack(&mut self) {
        self.buckets.pack();
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.buckets.len() == 2 * LAST_INDEX as usize + 1
    }
}

/// The bucket `⌈log_γ x⌉`, counted from the least; none for what counts as zero.
fn bucket(value: f64) -> Option<usize> {
    (value > LEAST).then(|| {
        let index = (value.ln() / LN_GAMMA).ceil() as i32;
        (index.clamp(-LAST_INDEX, LAST_INDEX) + LAST_INDEX) as usize
    })
}

/// The value that is within 1 % of all in the bucket, `2γ^i / (γ + 1)`.
fn middle(bucket: usize) -> f64 {
    let index = bucket as i32 - LAST_INDEX;
    2.0 * (f64::from(index) * LN_GAMMA).exp() / (GAMMA + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![1 => Just(0.0), 4 => (-15.0..15.0).prop_map(|power: f64| 10_f64.powf(power)), 4 => 0.5..2.0]
    }

    fn sketch_of(values: &[f64]) -> DdSketch {
        let mut sketch = DdSketch::default();
        values.iter().for_each(|&value| sketch.add(value, 1.0));
        sketch
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_one_percent(values in vec(any_value(), 1..200), k in 0_usize..=20) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            // Twentieths of the weight times 20, so that no rounding moves the rank.
            let exact = sorted[(k * values.len()).div_ceil(20).max(1) - 1];
            let next = sorted[((k * values.len()) / 20).min(values.len() - 1)];
            let got = sketch_of(&values).quantile(k as f64 / 20.0).unwrap();
            let near = |exact: f64| (got - exact).abs() <= exact * (RELATIVE_ERROR + 1e-9);
            prop_assert!(near(exact) || near(next), "{got} {exact}");
        }

        #[test]
        fn merging_in_any_order_is_one_pass_and_can_be_undone(
            a in vec(any_value(), 0..50), b in vec(any_value(), 0..50)
        ) {
            let (left, right, both) = (sketch_of(&a), sketch_of(&b), sketch_of(&[&a[..], &b].concat()));
            let (mut sum, mut turned) = (left.clone(), right.clone());
            sum.merge(&right);
            turned.merge(&left);
            prop_assert_eq!(&sum.buckets, &both.buckets);
            prop_assert_eq!((sum.zero, sum.tally), (both.zero, both.tally));
            prop_assert_eq!(&sum.buckets, &turned.buckets);
            sum.subtract(&right);
            prop_assert_eq!(&sum.buckets, &left.buckets);
            prop_assert_eq!((sum.zero, sum.tally), (left.zero, left.tally));
            for &value in &b {
                turned.retract(value, 1.0);
            }
            prop_assert_eq!(&turned.buckets, &left.buckets);
            prop_assert_eq!((turned.zero, turned.tally), (left.zero, left.tally));
        }
    }

    #[test]
    fn what_is_out_of_range_is_counted_at_the_ends() {
        let sketch = sketch_of(&[-1.0, 1e-30, 1e30]);
        assert_eq!((sketch.tally.rows, sketch.zero), (3, 2.0));
        assert!((sketch.quantile(1.0).unwrap() / 1e18 - 1.0).abs() < 0.03, "{sketch:?}");
        assert_eq!(sketch.quantile(0.5), Some(0.0));
    }

    #[test]
    fn nothing_has_no_quantile() {
        let empty = DdSketch::default();
        assert_eq!((empty.quantile(0.5), empty.mean(), empty.sum()), (None, None, 0.0));
    }

    #[test]
    fn weights_count() {
        let mut sketch = DdSketch::default();
        sketch.add(1.0, 9.0);
        sketch.add(100.0, 1.0);
        assert!((sketch.quantile(0.9).unwrap() - 1.0).abs() < 0.01);
        assert!((sketch.quantile(0.91).unwrap() - 100.0).abs() < 1.0);
        assert_eq!(sketch.weight_at_most(2.0), 9.0);
        assert_eq!(sketch.mean(), Some(10.9));
    }
}
