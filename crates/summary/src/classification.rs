//! Predicted against actual classes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Moments, Outcome, ScoreCounts, Tally};

/// Most classes that are told apart.
pub const MAX_CLASSES: usize = 100;
/// The class that all beyond are pooled as.
pub const OTHER_CLASS: &str = "__other__";
/// Scores are kept this far from 0 and 1 in the log loss.
const LOG_LOSS_CLIP: f64 = 1e-15;

/// The confusion matrix, the scores per class, and the losses of scored rows.
///
/// With more than [`MAX_CLASSES`] classes those first by name are kept and the others pooled as
/// [`OTHER_CLASS`] (a choice that no order of rows or merges changes); `correct` stays exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    positive: Option<Arc<str>>,
    classes: Vec<Arc<str>>,
    /// Row by row by actual class, in a row by predicted class.
    weights: Vec<f64>,
    /// Rows with a predicted and an actual class.
    pub graded: Tally,
    /// Weight of the rows whose predicted class is the actual one.
    pub correct: f64,
    /// For binary models of the positive class, otherwise of each class against the rest.
    pub scores: BTreeMap<Arc<str>, ScoreCounts>,
    /// `−ln p` per row, p the probability given to the actual class, clipped to `[1e-15, 1 − 1e-15]`.
    pub log_loss: Moments,
    /// Binary: `(p − y)²` of the positive class; otherwise `Σ (p − y)²` over the classes.
    pub brier: Moments,
}

impl Classification {
    /// Nothing counted yet; `positive` is the class that a binary model's score speaks of.
    #[must_use]
    pub fn new(positive: Option<Arc<str>>) -> Self {
        Self { positive, ..Self::default() }
    }

    /// The class that a binary model's score speaks of; none for other models.
    #[must_use]
    pub fn positive(&self) -> Option<&Arc<str>> {
        self.positive.as_ref()
    }

    /// The classes of the confusion matrix, sorted, [`OTHER_CLASS`] last.
    #[must_use]
    pub fn classes(&self) -> &[Arc<str>] {
        &self.classes
    }

    /// The weight of the rows of the `actual` class that were predicted as `predicted` (positions in
    /// [`Classification::classes`]).
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn weight(&self, actual: usize, predicted: usize) -> f64 {
        assert!(predicted < self.classes.len(), "class {predicted} of {}", self.classes.len());
        self.weights[actual * self.classes.len() + predicted]
    }

    pub(crate) fn add(&mut self, outcome: &Outcome, actual: &Arc<str>) {
        let _ = (outcome, actual, LOG_LOSS_CLIP);
    }

    pub(crate) fn retract(&mut self, outcome: &Outcome, actual: &Arc<str>) {
        let _ = (outcome, actual);
    }

    /// Adds another's rows.
    pub fn merge(&mut self, other: &Self) {
        let _ = other;
    }
}
