//! The labels of a pane or window, and how the predictions held against them.

use serde::{Deserialize, Serialize};

use crate::{
    Actual, CategoricalSummary, Classification, DdSketch, GridsDiffer, NumericSummary, Outcome, Regression,
    ScoreCounts, SpecParts, SummarySpec, Tally, Task,
};

/// Performance by what the model predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Performance {
    /// Of a binary or multiclass model.
    Classification(Classification),
    /// Of a regression model.
    Regression(Regression),
}

/// Labels and performance. Which pane's they are (the prediction's or the label's) is the caller's choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The labels.
    pub labels: Tally,
    /// Their classes. Stays empty for regression.
    pub label: CategoricalSummary,
    /// Their numbers. Stays empty for classification.
    pub label_value: NumericSummary,
    /// The predictions against them.
    pub performance: Performance,
    /// From prediction to label.
    pub delay_seconds: DdSketch,
}

impl Outcomes {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(spec: &SummarySpec) -> Self {
        Self::of_parts(spec.parts())
    }

    pub(crate) fn of_parts(spec: &SpecParts) -> Self {
        Self {
            labels: Tally::default(),
            label: CategoricalSummary::new(spec.label.clone()),
            label_value: NumericSummary::new(spec.label_value.clone()),
            performance: match spec.task {
                Task::Regression => Performance::Regression(Regression::default()),
                Task::Multiclass => Performance::Classification(Classification::new(None)),
                Task::Binary => Performance::Classification(Classification::new(spec.positive.clone())),
            },
            delay_seconds: DdSketch::default(),
        }
    }

    /// Counts a labelled prediction. A label of the wrong kind for the model's task counts as an invalid label.
    pub fn add(&mut self, outcome: &Outcome) {
        self.add_label(outcome);
        match (&mut self.performance, &outcome.actual) {
            (Performance::Classification(classes), Actual::Class(actual)) => classes.add(outcome, actual),
            (Performance::Regression(errors), Actual::Value(actual)) => {
                if let Some(predicted) = outcome.predicted.value {
                    errors.add(predicted, *actual, outcome.weight);
                }
            }
            _ => {}
        }
        self.labels.add(outcome.weight);
        self.delay_seconds.add(outcome.delay_seconds, outcome.weight);
    }

    /// Takes back a labelled prediction that was counted the same.
    pub fn retract(&mut self, outcome: &Outcome) {
        let weight = outcome.weight;
        match (&mut self.performance, &outcome.actual) {
            (Performance::Classification(classes), Actual::Class(actual)) => {
                classes.retract(outcome, actual);
                self.label.retract(actual, weight);
            }
            (Performance::Regression(errors), Actual::Value(actual)) => {
                if let Some(predicted) = outcome.predicted.value {
                    errors.retract(predicted, *actual, weight);
                }
                self.label_value.retract(*actual, weight);
            }
            (Performance::Classification(_), Actual::Value(_)) => self.label.invalid.retract(weight),
            (Performance::Regression(_), Actual::Class(_)) => self.label_value.invalid.retract(weight),
        }
        self.labels.retract(weight);
        self.delay_seconds.retract(outcome.delay_seconds, weight);
    }

    /// Counts the label alone into the label summaries: to count again what came before the labels' reference
    /// was learned.
    pub fn add_label(&mut self, outcome: &Outcome) {
        let weight = outcome.weight;
        match (&self.performance, &outcome.actual) {
            (Performance::Classification(_), Actual::Class(actual)) => self.label.add(actual, weight),
            (Performance::Regression(_), Actual::Value(actual)) => self.label_value.add(*actual, weight),
            (Performance::Classification(_), Actual::Value(_)) => self.label.invalid.add(weight),
            (Performance::Regression(_), Actual::Class(_)) => self.label_value.invalid.add(weight),
        }
    }

    /// Adds another's outcomes.
    ///
    /// # Errors
    /// [`GridsDiffer`] if the label summaries have other categories or grids or the tasks differ, and nothing is
    /// changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridsDiffer> {
        if !(self.label.same_categories(&other.label) && self.label_value.same_grid(&other.label_value)) {
            return Err(GridsDiffer);
        }
        match (&mut self.performance, &other.performance) {
            (Performance::Classification(mine), Performance::Classification(theirs)) => mine.merge(theirs),
            (Performance::Regression(mine), Performance::Regression(theirs)) => mine.merge(theirs),
            _ => return Err(GridsDiffer),
        }
        self.label.merge(&other.label)?;
        self.label_value.merge(&other.label_value)?;
        self.labels.merge(&other.labels);
        self.delay_seconds.merge(&other.delay_seconds);
        Ok(())
    }

    pub(crate) fn pack(&mut self) {
        self.label.pack();
        self.label_value.pack();
        match &mut self.performance {
            Performance::Classification(classes) => classes.scores.values_mut().for_each(ScoreCounts::pack),
            Performance::Regression(errors) => errors.absolute_sketch.pack(),
        }
        self.delay_seconds.pack();
    }
}
