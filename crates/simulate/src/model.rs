//! The churn model: a logistic regression over one-hot and standardised inputs, fitted at start.

use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::customer::Customer;
use crate::inputs::{CATEGORICAL, Inputs, NUMERIC};
use crate::regression::{FitError, LogisticRegression};

/// Customers in the training sample: coefficients are steady to a few hundredths, and fitting takes
/// milliseconds.
const TRAINING_ROWS: usize = 4000;
/// Penalty on the coefficients of standardised inputs: makes the one-hot columns, which add up to one,
/// identifiable, and changes little else.
const RIDGE: f64 = 1.0;
/// Streams of one seed's generator are independent; each use has its own.
pub(crate) const TRAINING_STREAM: u64 = 1;
pub(crate) const TRAFFIC_STREAM: u64 = 2;
pub(crate) const REFERENCE_STREAM: u64 = 3;
pub(crate) const OUTSIDE_STREAM: u64 = 4;

/// The generator of `seed` for one use.
pub(crate) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A model of who leaves, as a telecom would have it: trained once, on customers of a healthy time.
#[derive(Clone, Debug)]
pub struct ChurnModel {
    means: [f64; NUMERIC.len()],
    deviations: [f64; NUMERIC.len()],
    regression: LogisticRegression,
    training_auc: f64,
}

impl ChurnModel {
    /// Trains on a sample of the seed's customers.
    ///
    /// # Errors
    /// [`FitError`], for a sample that cannot be fitted (no seed is known to draw one).
    pub fn train(seed: u64) -> Result<Self, FitError> {
        let mut rng = generator(seed, TRAINING_STREAM);
        let (inputs, targets): (Vec<Inputs>, Vec<bool>) = (0..TRAINING_ROWS)
            .map(|_| {
                let customer = Customer::draw(&mut rng);
                let left = rng.random::<f64>() < customer.churn_probability();
                (customer.inputs(), left)
            })
            .unzip();
        let (mut means, mut deviations) = ([0.0; NUMERIC.len()], [0.0; NUMERIC.len()]);
        for feature in 0..NUMERIC.len() {
            let values = || inputs.iter().filter_map(|row| row.numbers[feature]);
            let count = values().count() as f64;
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            (means[feature], deviations[feature]) = (mean, variance.sqrt());
        }
        let encoded: Vec<Vec<f64>> = inputs.iter().map(|row| encode(&means, &deviations, row)).collect();
        let design = Array2::from_shape_fn((encoded.len(), encoded[0].len()), |(i, j)| encoded[i][j]);
        let regression = LogisticRegression::fit(&design, &targets, RIDGE)?;
        let scores = encoded.iter().map(|row| regression.probability(row));
        let training_auc = roc_auc(scores.zip(targets).collect());
        Ok(Self { means, deviations, regression, training_auc })
    }

    /// Area under the ROC curve on the sample it was trained on.
    #[must_use]
    pub const fn training_auc(&self) -> f64 {
        self.training_auc
    }

    /// The standard deviation of a numeric feature in the training sample.
    pub(crate) const fn deviation(&self, feature: usize) -> f64 {
        self.deviations[feature]
    }

    /// The probability that the customer leaves. A missing number counts as the training mean, an unknown
    /// category as none of the known ones.
    pub(crate) fn score(&self, inputs: &Inputs) -> f64 {
        self.regression.probability(&encode(&self.means, &self.deviations, inputs))
    }
}

fn encode(means: &[f64], deviations: &[f64], inputs: &Inputs) -> Vec<f64> {
    let mut row = Vec::with_capacity(32);
    for ((value, mean), deviation) in inputs.numbers.iter().zip(means).zip(deviations) {
        row.push(value.map_or(0.0, |value| (value - mean) / deviation));
    }
    for ((_, known), category) in CATEGORICAL.iter().zip(&inputs.categories) {
        row.extend(known.iter().map(|name| f64::from(u8::from(name == category))));
    }
    row.push(f64::from(u8::from(inputs.autopay)));
    row
}

/// Area under the ROC curve by ranks (Mann-Whitney U); ties count half. NaN if a class is missing.
pub(crate) fn roc_auc(mut scored: Vec<(f64, bool)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut negatives, mut positives, mut wins) = (0.0, 0.0, 0.0);
    for tie in scored.chunk_by(|a, b| a.0 == b.0) {
        let tied_positives = tie.iter().filter(|(_, positive)| *positive).count() as f64;
        let tied_negatives = tie.len() as f64 - tied_positives;
        wins += tied_positives * (negatives + tied_negatives / 2.0);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    wins / (positives * negatives)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn every_seed_gives_a_model_that_ranks_well_but_not_perfectly() {
        for seed in 0..10 {
            let auc = ChurnModel::train(seed).unwrap().training_auc();
            assert!((0.80..=0.88).contains(&auc), "seed {seed}: AUC {auc}");
        }
    }

    #[test]
    fn auc_is_that_of_scikit_learn() {
        // scikit-learn 1.6.0: roc_auc_score([0,0,1,1,0,1], [.1,.4,.35,.8,.4,.4]) = 0.6666666666666667
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4];
        let classes = [false, false, true, true, false, true];
        assert!((roc_auc(scores.into_iter().zip(classes).collect()) - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn missing_numbers_and_unknown_categories_still_get_a_score() {
        let model = ChurnModel::train(1).unwrap();
        let categories = ["?"; CATEGORICAL.len()].map(Cow::Borrowed);
        let inputs = Inputs { numbers: [None; NUMERIC.len()], categories, autopay: false };
        let score = model.score(&inputs);
        assert!(score > 0.0 && score < 1.0, "{score}");
    }
}
