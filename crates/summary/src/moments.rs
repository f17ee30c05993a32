//! Mean and variance that merge, and the least and greatest value.

use serde::{Deserialize, Serialize};

use crate::{Tally, packed};

/// Weighted mean and sum of squared deviations (M2); the default is empty.
///
/// # References
/// One value: D. H. D. West (1979), "Updating mean and variance estimates: an improved method", CACM 22(9).
/// Merge: Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample
/// variances", STAN-CS-79-773. Both are undone by solving the same equations for the earlier state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The rows that had a value.
    pub tally: Tally,
    #[serde(with = "packed")]
    mean: f64,
    #[serde(with = "packed")]
    m2: f64,
}

impl Moments {
    /// The moments of finite values, all of weight one unless weights are given (as many as values).
    #[must_use]
    pub fn of(values: &[f64], weights: Option<&[f64]>) -> Self {
        match weights {
            None => Self::of_unweighted(values),
            Some(weights) => {
                let mut moments = Self::default();
                for (&value, &weight) in values.iter().zip(weights) {
                    moments.add(value, weight);
                }
                moments
            }
        }
    }

    /// Two passes over values that are in the cache are both faster and more exact than one of West's.
    fn of_unweighted(values: &[f64]) -> Self {
        Self::around(values, lanes(values, |value| value))
    }

    /// The second pass: the moments of values of weight one, whose sum the first one found.
    fn around(values: &[f64], sum: f64) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let mean = sum / values.len() as f64;
        let m2 = lanes(values, |value| (value - mean) * (value - mean));
        // Neumaier's correction of the second pass is not needed: `mean` is off by a few ulps only.
        Self { tally: Tally::of_rows(values.len() as u64), mean, m2 }
    }

    /// Counts a finite value.
    pub fn add(&mut self, value: f64, weight: f64) {
        self.tally.add(weight);
        if weight > 0.0 {
            let before = value - self.mean;
            self.mean += before * weight / self.tally.weight;
            self.m2 += weight * before * (value - self.mean);
        }
    }

    /// Takes back a value that was counted with this weight.
    pub fn retract(&mut self, value: f64, weight: f64) {
        self.tally.retract(weight);
        if self.tally.is_empty() {
            (self.mean, self.m2) = (0.0, 0.0);
        } else {
            let after = value - self.mean;
            self.mean -= after * weight / self.tally.weight;
            self.m2 = (self.m2 - weight * after * (value - self.mean)).max(0.0);
        }
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        let (mine, theirs) = (self.tally.weight, other.tally.weight);
        self.tally.merge(&other.tally);
        if theirs <= 0.0 {
            return;
        }
        if mine <= 0.0 {
            (self.mean, self.m2) = (other.mean, other.m2);
            return;
        }
        let delta = other.mean - self.mean;
        let share = theirs / (mine + theirs);
        self.mean += delta * share;
        self.m2 += other.m2 + delta * delta * mine * share;
    }

    /// Takes back another's values that were merged into this.
    pub fn subtract(&mut self, other: &Self) {
        let whole = self.tally.weight;
        self.tally.subtract(&other.tally);
        let left = self.tally.weight;
        if self.tally.is_empty() {
            (self.mean, self.m2) = (0.0, 0.0);
        } else if other.tally.weight > 0.0 {
            let mean = self.mean + (self.mean - other.mean) * other.tally.weight / left;
            let delta = other.mean - mean;
            self.m2 = (self.m2 - other.m2 - delta * delta * left * other.tally.weight / whole).max(0.0);
            self.mean = mean;
        }
    }

    /// The weighted mean; none without weight, or where it is beyond the range of f64.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.tally.is_empty() && self.mean.is_finite()).then_some(self.mean)
    }

    /// The weighted sum; none where there is no mean.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        self.mean().map(|mean| mean * self.tally.weight)
    }

    /// The variance of these values as a population, `M2 / Σw` (ddof 0); none without weight.
    #[must_use]
    pub fn population_variance(&self) -> Option<f64> {
        finite(self.m2 / self.tally.weight).filter(|_| !self.tally.is_empty())
    }

    /// The unbiased estimate of the variance these values were drawn from: `M2 / (Σw − Σw²/Σw)`, which is
    /// `M2 / (n − 1)` (ddof 1, what pandas calls `var`) when all weigh one. None below two effective rows.
    #[must_use]
    pub fn sample_variance(&self) -> Option<f64> {
        if self.tally.effective() <= 1.0 + 1e-12 {
            return None;
        }
        finite(self.m2 / (self.tally.weight - self.tally.weight_sq / self.tally.weight))
    }

    /// The standard error of the mean, `√(sample variance / effective sample size)`; none below two rows.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        self.sample_variance().map(|variance| (variance / self.tally.effective()).sqrt())
    }

    /// The sum of squared deviations from the mean, `Σw(x − mean)²`.
    #[must_use]
    pub fn m2(&self) -> f64 {
        self.m2
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Numbers that the processor works on side by side.
const LANES: usize = 8;

/// The sum of `term` over the values in independent lanes, which the processor adds at once.
fn lanes(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            sums[lane] += term(value);
        }
    }
    let rest: f64 = rest.iter().map(|&value| term(value)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Moments and extremes of values of weight one; none if one of them is not finite, or their sum is not.
pub(crate) fn of_all_finite(values: &[f64]) -> Option<(Moments, Extremes)> {
    let (mut sums, mut low, mut high) = ([0.0; LANES], [f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            sums[lane] += value;
            low[lane] = if value < low[lane] { value } else { low[lane] };
            high[lane] = if value > high[lane] { value } else { high[lane] };
        }
    }
    // In the order that `lanes` has, so that both give the same.
    let sum = sums.iter().sum::<f64>() + rest.iter().sum::<f64>();
    // A value that is not finite leaves no sum that is.
    if !sum.is_finite() {
        return None;
    }
    let mut extremes = Extremes::default();
    rest.iter().for_each(|&value| extremes.add(value));
    low.into_iter().zip(high).for_each(|(min, max)| extremes.merge(&Extremes { min, max }));
    Some((Moments::around(values, sum), extremes))
}

/// The least and the greatest value. Merges, but cannot forget: what is retracted stays within them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extremes {
    min: f64,
    max: f64,
}

impl Default for Extremes {
    fn default() -> Self {
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Extremes {
    /// The extremes of finite values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut lanes = [Self::default(); 8];
        let (chunks, rest) = values.as_chunks::<8>();
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                lane.widen(value);
            }
        }
        let mut all = Self::default();
        rest.iter().for_each(|&value| all.widen(value));
        lanes.iter().for_each(|lane| all.merge(lane));
        all
    }

    /// Takes in a value.
    pub fn add(&mut self, value: f64) {
        self.merge(&Self { min: value, max: value });
    }

    /// Takes in another's.
    pub fn merge(&mut self, other: &Self) {
        let min = if other.min < self.min { other.min } else { self.min };
        let max = if other.max > self.max { other.max } else { self.max };
        // Adding zero turns -0.0 into 0.0, whichever came first.
        (self.min, self.max) = (min + 0.0, max + 0.0);
    }

    fn widen(&mut self, value: f64) {
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
    }

    /// The least value; none without any.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.min.is_finite().then_some(self.min)
    }

    /// The greatest value; none without any.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.max.is_finite().then_some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) {
        assert!(a.is_some_and(|a| (a - b).abs() <= 1e-12 * b.abs()), "{a:?} is not {b}");
    }

    #[test]
    fn moments_are_those_of_numpy() {
        let values = [1.5, 2.5, -3.0, 1e3, 0.25];
        let plain = Moments::of(&values, None);
        // numpy 2.0.2: x.mean(), x.var(), x.var(ddof=1).
        close(plain.mean(), 200.25);
        close(plain.population_variance(), 159903.45);
        close(plain.sample_variance(), 199879.3125);
        let weighted = Moments::of(&values, Some(&[1.0, 2.0, 0.5, 4.0, 1.25]));
        // numpy 2.0.2: np.average(x, weights=w), np.cov(x, aweights=w, ddof=0), np.cov(x, aweights=w, ddof=1).
        close(weighted.mean(), 457.75);
        close(weighted.population_variance(), 247610.00357142856);
        close(weighted.sample_variance(), 352700.2957848837);
    }

    #[test]
    fn one_pass_for_both_gives_the_same_bits() {
        let bits = |moments: &Moments, extremes: &Extremes| {
            [moments.mean, moments.m2, extremes.min, extremes.max].map(f64::to_bits)
        };
        for count in [0, 1, 7, 8, 9, 100, 1024] {
            let mut values: Vec<f64> = (0..count).map(|i| f64::from(i * 37 % 101).sin() * 1e3).collect();
            let (moments, extremes) = of_all_finite(&values).unwrap();
            assert_eq!(bits(&moments, &extremes), bits(&Moments::of(&values, None), &Extremes::of(&values)));
            assert_eq!(moments.tally.rows, values.len() as u64);
            for position in 0..values.len() {
                for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    let good = std::mem::replace(&mut values[position], bad);
                    assert_eq!(of_all_finite(&values), None, "{bad} at {position} of {count}");
                    values[position] = good;
                }
            }
        }
        let zeros = of_all_finite(&[-0.0; 9]).unwrap().1;
        assert!(!zeros.min.is_sign_negative() && !zeros.max.is_sign_negative());
        assert_eq!(of_all_finite(&[f64::INFINITY, f64::NEG_INFINITY]), None);
        // Whether they are finite is then to be looked at.
        assert_eq!(of_all_finite(&[f64::MAX; 9]), None);
    }

    #[test]
    fn a_great_offset_does_not_eat_the_variance() {
        let values: Vec<f64> = (0..10_000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let mut halves = Moments::of(&values[..5000], None);
        halves.merge(&Moments::of(&values[5000..], None));
        close(halves.population_variance(), 0.25);
        let mut single = Moments::default();
        values.iter().for_each(|&value| single.add(value, 1.0));
        assert!((single.population_variance().unwrap() - 0.25).abs() < 1e-9);
    }

    #[test]
    fn nothing_and_one_value_have_no_variance_to_estimate() {
        let mut moments = Moments::default();
        assert_eq!(
            (moments.mean(), moments.population_variance(), moments.sample_variance()),
            (None, None, None)
        );
        moments.add(3.0, 0.0);
        assert_eq!((moments.mean(), moments.tally.rows), (None, 1));
        moments.add(3.0, 10.0);
        assert_eq!((moments.mean(), moments.population_variance()), (Some(3.0), Some(0.0)));
        assert_eq!((moments.sample_variance(), moments.standard_error()), (None, None));
    }

    #[test]
    fn beyond_the_number_range_there_is_no_figure() {
        let moments = Moments::of(&[f64::MAX, f64::MIN, 1.0], None);
        assert_eq!(moments.population_variance(), None);
    }

    #[test]
    fn both_zeros_are_zero() {
        for values in [[0.0, -0.0], [-0.0, 0.0]] {
            let mut extremes = Extremes::default();
            values.iter().for_each(|&value| extremes.add(value));
            let signs = [extremes.min(), extremes.max()].map(|zero| zero.unwrap().is_sign_negative());
            assert_eq!(signs, [false, false]);
        }
        assert_eq!((Extremes::default().min(), Extremes::default().max()), (None, None));
        let values: Vec<f64> = (0..19).map(|i| f64::from(i * 7 % 19) - 9.0).collect();
        assert_eq!((Extremes::of(&values).min(), Extremes::of(&values).max()), (Some(-9.0), Some(9.0)));
    }
}
