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
        let weight = outcome.weight;
        if let Some(predicted) = &outcome.predicted.label {
            // A row without weight makes no class known, as none without rows stays known.
            if weight > 0.0 {
                self.widen(&[actual, predicted]);
                let cell = self.position(actual) * self.classes.len() + self.position(predicted);
                self.weights[cell] += weight;
            }
            self.graded.add(weight);
            if actual == predicted {
                self.correct += weight;
            }
        }
        for (class, score) in self.scored(outcome) {
            if let Some(counts) = self.counts(&class) {
                counts.add(score, class == *actual, weight);
            }
        }
        if let Some((log_loss, brier)) = self.losses(outcome, actual) {
            self.log_loss.add(log_loss, weight);
            self.brier.add(brier, weight);
        }
    }

    pub(crate) fn retract(&mut self, outcome: &Outcome, actual: &Arc<str>) {
        let weight = outcome.weight;
        if let Some(predicted) = &outcome.predicted.label {
            if weight > 0.0 {
                self.widen(&[actual, predicted]);
                let cell = self.position(actual) * self.classes.len() + self.position(predicted);
                self.weights[cell] = less(self.weights[cell], weight);
            }
            self.graded.retract(weight);
            if actual == predicted {
                self.correct = less(self.correct, weight);
            }
            self.drop_empty_classes();
        }
        for (class, score) in self.scored(outcome) {
            if let Some(counts) = self.counts(&class) {
                counts.retract(score, class == *actual, weight);
            }
        }
        // Below the limit no class was ever turned away, and one without rows is as if it had never been.
        if self.scores.len() < MAX_CLASSES {
            self.scores.retain(|_, counts| !counts.is_empty());
        }
        if let Some((log_loss, brier)) = self.losses(outcome, actual) {
            self.log_loss.retract(log_loss, weight);
            self.brier.retract(brier, weight);
        }
    }

    /// Adds another's rows.
    pub fn merge(&mut self, other: &Self) {
        self.widen(&other.classes.iter().collect::<Vec<_>>());
        let positions: Vec<usize> = other.classes.iter().map(|class| self.position(class)).collect();
        for (actual, &row) in positions.iter().enumerate() {
            for (predicted, &column) in positions.iter().enumerate() {
                self.weights[row * self.classes.len() + column] += other.weight(actual, predicted);
            }
        }
        self.graded.merge(&other.graded);
        self.correct += other.correct;
        for (class, counts) in &other.scores {
            if let Some(mine) = self.counts(class) {
                mine.merge(counts);
            }
        }
        self.log_loss.merge(&other.log_loss);
        self.brier.merge(&other.brier);
    }

    /// The classes that the outcome has a score of. A binary model's score may also be given by class.
    fn scored(&self, outcome: &Outcome) -> Vec<(Arc<str>, f64)> {
        match &self.positive {
            Some(positive) => positive_score(outcome, positive)
                .map(|score| (Arc::clone(positive), score))
                .into_iter()
                .collect(),
            None => outcome.predicted.scores.as_deref().unwrap_or_default().to_vec(),
        }
    }

    /// The row's log loss and Brier score; none without scores.
    fn losses(&self, outcome: &Outcome, actual: &Arc<str>) -> Option<(f64, f64)> {
        let (of_actual, brier) = if let Some(positive) = &self.positive {
            let score = positive_score(outcome, positive)?;
            if actual == positive {
                (score, (1.0 - score) * (1.0 - score))
            } else {
                (1.0 - score, score * score)
            }
        } else {
            let scores = outcome.predicted.scores.as_deref().filter(|scores| !scores.is_empty())?;
            let of_actual = scores.iter().find(|(class, _)| class == actual).map_or(0.0, |&(_, score)| score);
            let others = scores.iter().filter(|(class, _)| class != actual);
            let brier = others.map(|&(_, score)| score * score).sum::<f64>();
            (of_actual, brier + (1.0 - of_actual) * (1.0 - of_actual))
        };
        Some((-of_actual.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP).ln(), brier))
    }

    /// The counts of a class; none if it is beyond the limit. Kept are the first by name.
    fn counts(&mut self, class: &Arc<str>) -> Option<&mut ScoreCounts> {
        if !self.scores.contains_key(class) {
            if self.scores.len() >= MAX_CLASSES {
                if self.scores.last_key_value().is_some_and(|(last, _)| last < class) {
                    return None;
                }
                self.scores.pop_last();
            }
            self.scores.insert(Arc::clone(class), ScoreCounts::default());
        }
        self.scores.get_mut(class)
    }

    /// The classes that are told apart, without [`OTHER_CLASS`].
    fn named(&self) -> &[Arc<str>] {
        match self.classes.split_last() {
            Some((last, named)) if **last == *OTHER_CLASS => named,
            _ => &self.classes,
        }
    }

    /// Where a class is counted that [`Classification::widen`] was given.
    fn position(&self, class: &Arc<str>) -> usize {
        self.named().binary_search(class).unwrap_or(self.classes.len() - 1)
    }

    /// Makes a place for each of these classes.
    fn widen(&mut self, classes: &[&Arc<str>]) {
        let known = |class: &&Arc<str>| self.classes.get(self.find(class)).is_some();
        if classes.iter().all(known) {
            return;
        }
        let mut names: Vec<Arc<str>> = self.classes.iter().chain(classes.iter().copied()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        let before = names.len();
        names.retain(|name| **name != *OTHER_CLASS);
        let other = names.len() < before || names.len() > MAX_CLASSES;
        names.truncate(MAX_CLASSES);
        if other {
            names.push(OTHER_CLASS.into());
        }
        self.remap(names);
    }

    /// The position of a class, or one past the last.
    fn find(&self, class: &Arc<str>) -> usize {
        match self.named().binary_search(class) {
            Ok(at) => at,
            // Beyond a full list it is pooled.
            Err(at) if at == MAX_CLASSES || **class == *OTHER_CLASS => self.named().len(),
            Err(_) => self.classes.len(),
        }
    }

    /// Moves the weights to another list of classes; those of classes that are not in it to [`OTHER_CLASS`].
    fn remap(&mut self, classes: Vec<Arc<str>>) {
        let next = Self { classes, ..Self::default() };
        let size = next.classes.len();
        let mut weights = vec![0.0; size * size];
        for actual in 0..self.classes.len() {
            for predicted in 0..self.classes.len() {
                let weight = self.weight(actual, predicted);
                if weight != 0.0 {
                    let row = next.position(&self.classes[actual]);
                    weights[row * size + next.position(&self.classes[predicted])] += weight;
                }
            }
        }
        (self.classes, self.weights) = (next.classes, weights);
    }

    /// Forgets classes without rows, unless classes were pooled: then a new one would take the place, but not
    /// the rows, of one that was.
    fn drop_empty_classes(&mut self) {
        let size = self.classes.len();
        if self.named().len() == MAX_CLASSES && size > MAX_CLASSES {
            return;
        }
        let used = |class: usize| {
            (0..size).any(|other| self.weight(class, other) != 0.0 || self.weight(other, class) != 0.0)
        };
        let kept: Vec<Arc<str>> =
            (0..size).filter(|&class| used(class)).map(|class| Arc::clone(&self.classes[class])).collect();
        if kept.len() < size {
            self.remap(kept);
        }
    }

    /// Whether decoded parts fit each other.
    pub(crate) fn is_whole(&self) -> bool {
        self.weights.len() == self.classes.len() * self.classes.len()
            && self.named().len() <= MAX_CLASSES
            && self.named().is_sorted_by(|a, b| a < b)
            && self.scores.len() <= MAX_CLASSES
            && self.scores.values().all(ScoreCounts::is_whole)
    }
}

fn positive_score(outcome: &Outcome, positive: &Arc<str>) -> Option<f64> {
    let predicted = &outcome.predicted;
    let by_class = || {
        let scores = predicted.scores.as_deref()?;
        scores.iter().find(|(class, _)| class == positive).map(|&(_, score)| score)
    };
    predicted.score.or_else(by_class)
}

/// What is left of a weight; what rounding leaves counts as nothing.
fn less(before: f64, weight: f64) -> f64 {
    let after = before - weight;
    if after <= 1e-9 * weight { 0.0 } else { after }
}

#[cfg(test)]
mod tests;
