//! Everything that is known of one pane, version and segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::codec::{self, Kind};
use crate::columns::FoldError;
use crate::{
    CategoricalSummary, DecodeError, GridsDiffer, Measure, NumericSummary, Outcomes, Reducer, Shared,
    SummarySpec, Traffic,
};

mod fold;
mod stored;

pub(crate) use stored::{StoredCell, StoredCellRef};

/// Two summaries that cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A column was counted by different grids or categories.
    #[error(
        "the summaries of {feature:?} were made with different grids or categories: they are not of the same reference"
    )]
    GridsDiffer {
        /// The feature, or `score`, `value`, `prediction`, `label`.
        feature: Arc<str>,
    },
    /// One is not a continuation of the other's features.
    #[error("feature {position} is {left:?} in one summary and {right:?} in the other")]
    FeaturesDiffer {
        /// Its position.
        position: usize,
        /// Its name in the one.
        left: Arc<str>,
        /// Its name in the other.
        right: Arc<str>,
    },
    /// They are of models with different tasks or positive classes.
    #[error("the summaries are of models with different tasks or positive classes")]
    TasksDiffer,
}

/// The summary of a feature, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FeatureSummary {
    /// Of a numeric feature.
    Numeric(NumericSummary),
    /// Of a categorical or boolean feature.
    Categorical(CategoricalSummary),
}

impl FeatureSummary {
    /// An empty summary.
    #[must_use]
    pub fn new(reducer: &Reducer) -> Self {
        match reducer {
            Reducer::Numeric(grid) => Self::Numeric(NumericSummary::new(grid.clone())),
            Reducer::Categorical(categories) => {
                Self::Categorical(CategoricalSummary::new(categories.clone()))
            }
        }
    }

    /// Adds another's rows.
    ///
    /// # Errors
    /// [`GridsDiffer`], also for different kinds, and nothing is changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridsDiffer> {
        match (self, other) {
            (Self::Numeric(mine), Self::Numeric(theirs)) => mine.merge(theirs),
            (Self::Categorical(mine), Self::Categorical(theirs)) => mine.merge(theirs),
            _ => Err(GridsDiffer),
        }
    }
}

/// Everything that is known of one pane, version and segment; also, after merging, of a window or a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSummary {
    spec: Arc<SummarySpec>,
    /// Requests, latency and load.
    pub traffic: Traffic,
    /// The features, in the order of the spec.
    pub features: Vec<FeatureSummary>,
    /// Predicted classes. Stays empty for regression.
    pub prediction: CategoricalSummary,
    /// Scores of the positive class. Stays empty for regression.
    pub score: NumericSummary,
    /// Predicted numbers. Stays empty for classification.
    pub value: NumericSummary,
    /// Custom measures, by name.
    pub measures: BTreeMap<Arc<str>, Measure>,
    /// Labels and performance by prediction time.
    pub outcomes: Shared<Outcomes>,
    /// Labels and performance by label time.
    pub arrivals: Shared<Outcomes>,
}

impl CellSummary {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(spec: Arc<SummarySpec>) -> Self {
        Self {
            traffic: Traffic::default(),
            features: spec.features().iter().map(|feature| FeatureSummary::new(&feature.reducer)).collect(),
            prediction: CategoricalSummary::new(spec.prediction().cloned()),
            score: NumericSummary::new(spec.score().cloned()),
            value: NumericSummary::new(spec.value().cloned()),
            measures: BTreeMap::new(),
            outcomes: spec.no_outcomes().clone(),
            arrivals: spec.no_outcomes().clone(),
            spec,
        }
    }

    /// What it was made by.
    #[must_use]
    pub fn spec(&self) -> &Arc<SummarySpec> {
        &self.spec
    }

    /// Counts the rows of a prediction batch: traffic, features, predictions and measures. A column that the
    /// batch does not have is missing in all its rows; a row without a weight weighs one.
    ///
    /// # Errors
    /// [`FoldError`] if a column is of another type than the layout says, and nothing is counted.
    pub fn fold(&mut self, batch: &RecordBatch) -> Result<(), FoldError> {
        fold::fold(self, batch)
    }

    /// Counts only the features and predictions of a batch whose traffic is counted already: after
    /// [`CellSummary::rebase`].
    ///
    /// # Errors
    /// As [`CellSummary::fold`].
    pub fn fold_features(&mut self, batch: &RecordBatch) -> Result<(), FoldError> {
        fold::fold_features(self, batch)
    }

    /// Takes another spec of the same model: features, predictions and label summaries start empty (fold the
    /// rows again with [`CellSummary::fold_features`] and [`Outcomes::add_label`]); traffic, measures and
    /// performance stay.
    pub fn rebase(&mut self, spec: Arc<SummarySpec>) {
        let fresh = Self::new(spec);
        let old = std::mem::replace(self, fresh);
        let former = old.spec;
        self.traffic = old.traffic;
        self.measures = old.measures;
        for (mine, old) in [(&mut self.outcomes, old.outcomes), (&mut self.arrivals, old.arrivals)] {
            // Those that never had a label stay the ones that all share.
            if !old.is(former.no_outcomes()) {
                mine.labels = old.labels;
                mine.performance = old.performance.clone();
                mine.delay_seconds = old.delay_seconds.clone();
            }
        }
    }

    /// Adds another's rows. Where one has further features after the other's, the sum has them too.
    ///
    /// # Errors
    /// [`MergeError`] if they were not made by the same reference, and nothing is changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.spec.id() != other.spec.id() {
            self.spec.check_mergeable(&other.spec)?;
            if other.features.len() > self.features.len() {
                let further = &other.spec.features()[self.features.len()..];
                self.features.extend(further.iter().map(|feature| FeatureSummary::new(&feature.reducer)));
                self.spec = Arc::clone(&other.spec);
            }
        }
        let spec = Arc::clone(&self.spec);
        for ((mine, theirs), feature) in self.features.iter_mut().zip(&other.features).zip(spec.features()) {
            mine.merge(theirs).map_err(|GridsDiffer| MergeError::grids(&feature.name))?;
        }
        self.prediction.merge(&other.prediction).map_err(|GridsDiffer| MergeError::grids("prediction"))?;
        self.score.merge(&other.score).map_err(|GridsDiffer| MergeError::grids("score"))?;
        self.value.merge(&other.value).map_err(|GridsDiffer| MergeError::grids("value"))?;
        for (mine, theirs) in [(&mut self.outcomes, &other.outcomes), (&mut self.arrivals, &other.arrivals)] {
            // Specs that merge have the same labels, so there is nothing to find out about those without any.
            if !theirs.is(other.spec.no_outcomes()) {
                mine.merge(theirs).map_err(|GridsDiffer| MergeError::grids("label"))?;
            }
        }
        self.traffic.merge(&other.traffic);
        for (name, measure) in &other.measures {
            self.measures.entry(Arc::clone(name)).or_default().merge(measure);
        }
        Ok(())
    }

    /// Takes as little memory as it can until it is changed: for panes that have their rows. Nothing else can be told
    /// of it; merging it into others costs no more than before.
    pub fn pack(&mut self) {
        for feature in &mut self.features {
            match feature {
                FeatureSummary::Numeric(summary) => summary.pack(),
                FeatureSummary::Categorical(summary) => summary.pack(),
            }
        }
        self.traffic.latency_seconds.pack();
        self.prediction.pack();
        self.score.pack();
        self.value.pack();
        self.measures.values_mut().for_each(Measure::pack);
        for outcomes in [&mut self.outcomes, &mut self.arrivals] {
            // Those that are shared have nothing to pack.
            outcomes.own_mut().into_iter().for_each(Outcomes::pack);
        }
    }

    /// The encoded summary, without its spec.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::seal(Kind::Cell, &StoredCellRef::of(self))
    }

    /// Decodes a summary that was made by this spec.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are damaged, from a newer version, or of another spec.
    pub fn decode(bytes: &[u8], spec: &Arc<SummarySpec>) -> Result<Self, DecodeError> {
        codec::open::<StoredCell>(Kind::Cell, bytes)?.attach(spec)
    }
}

impl MergeError {
    pub(crate) fn grids(feature: &str) -> Self {
        Self::GridsDiffer { feature: feature.into() }
    }
}

#[cfg(test)]
mod tests;
