//! What the summaries of a model are made by.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use driftline_events::{FeatureKind, ModelSchema, Task, layout};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{self, Kind};
use crate::{Categories, DecodeError, FoldError, Grid, MergeError, Outcomes, Shared};

mod learn;

/// What a feature's values are counted by; none while its reference is being learned, or had no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reducer {
    /// Numbers, by a grid.
    Numeric(Option<Arc<Grid>>),
    /// Categories, by name.
    Categorical(Option<Arc<Categories>>),
}

/// A feature and what its values are counted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSpec {
    /// Its name.
    pub name: Arc<str>,
    /// How its values are read.
    pub kind: FeatureKind,
    /// What they are counted by: by the kind.
    pub reducer: Reducer,
}

impl Reducer {
    /// The kind, and the id of the grid or categories.
    fn id(&self) -> (bool, Option<u64>) {
        match self {
            Self::Numeric(grid) => (true, grid.as_ref().map(|grid| grid.id())),
            Self::Categorical(categories) => (false, categories.as_ref().map(|categories| categories.id())),
        }
    }
}

impl FeatureSpec {
    /// A feature without a reference.
    #[must_use]
    pub fn unlearned(name: Arc<str>, kind: FeatureKind) -> Self {
        let reducer = match kind {
            FeatureKind::Numeric => Reducer::Numeric(None),
            FeatureKind::Categorical | FeatureKind::Boolean => Reducer::Categorical(None),
        };
        Self { name, kind, reducer }
    }
}

/// The parts that [`SummarySpec::new`] is given. Each grid or categories may be missing: without a reference there
/// are tallies and moments only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpecParts {
    /// What the model predicts.
    pub task: Task,
    /// The class that a binary model's score speaks of.
    pub positive: Option<Arc<str>>,
    /// The features, in the order of [`ModelSchema::features`].
    pub features: Vec<FeatureSpec>,
    /// Of `prediction.score`.
    pub score: Option<Arc<Grid>>,
    /// Of `prediction.value`.
    pub value: Option<Arc<Grid>>,
    /// Of `prediction.label`.
    pub prediction: Option<Arc<Categories>>,
    /// Of label classes.
    pub label: Option<Arc<Categories>>,
    /// Of label numbers.
    pub label_value: Option<Arc<Grid>>,
}

/// Task, features, grids and categories: what two summaries must share to be merged. Never changes; shared by
/// `Arc`.
#[derive(Debug, PartialEq)]
pub struct SummarySpec {
    parts: SpecParts,
    id: u64,
    columns: Vec<FeatureColumns>,
    /// What summaries without a label have in common.
    no_outcomes: Shared<Outcomes>,
}

/// The names of a feature's columns, made once.
#[derive(Debug, PartialEq)]
pub(crate) struct FeatureColumns {
    pub(crate) values: String,
    pub(crate) invalid: String,
}

impl SummarySpec {
    /// A spec of given grids and categories.
    #[must_use]
    pub fn new(parts: SpecParts) -> Arc<Self> {
        let columns = parts.features.iter().map(|feature| FeatureColumns {
            values: layout::feature(&feature.name),
            invalid: layout::invalid(&feature.name),
        });
        let columns = columns.collect();
        let bytes = postcard::to_stdvec(&parts).expect("plain data of known lengths is written to memory");
        let no_outcomes = Shared::new(Outcomes::of_parts(&parts));
        Arc::new(Self { id: xxh3_64(&bytes), columns, no_outcomes, parts })
    }

    /// A spec of a model whose reference is still to be learned: tallies and moments only.
    #[must_use]
    pub fn unlearned(schema: &ModelSchema) -> Arc<Self> {
        Self::new(SpecParts::unlearned(schema))
    }

    /// A spec learned from a reference in memory: prediction batches, and label batches if there are any.
    /// Columns without a value stay without grid or categories. Weights count for categories, not for grids.
    ///
    /// # Errors
    /// [`FoldError`] if a column is of another type than the schema says.
    pub fn learn(schema: &ModelSchema, batches: &[RecordBatch]) -> Result<Arc<Self>, FoldError> {
        learn::parts(schema, batches).map(Self::new)
    }

    /// A hash of the content that stays the same across versions and machines.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// All parts.
    #[must_use]
    pub fn parts(&self) -> &SpecParts {
        &self.parts
    }

    /// What the model predicts.
    #[must_use]
    pub fn task(&self) -> Task {
        self.parts.task
    }

    /// The class that a binary model's score speaks of.
    #[must_use]
    pub fn positive(&self) -> Option<&Arc<str>> {
        self.parts.positive.as_ref()
    }

    /// The features, in the order of the summaries.
    #[must_use]
    pub fn features(&self) -> &[FeatureSpec] {
        &self.parts.features
    }

    /// The grid of `prediction.score`.
    #[must_use]
    pub fn score(&self) -> Option<&Arc<Grid>> {
        self.parts.score.as_ref()
    }

    /// The grid of `prediction.value`.
    #[must_use]
    pub fn value(&self) -> Option<&Arc<Grid>> {
        self.parts.value.as_ref()
    }

    /// The categories of `prediction.label`.
    #[must_use]
    pub fn prediction(&self) -> Option<&Arc<Categories>> {
        self.parts.prediction.as_ref()
    }

    /// The categories of label classes.
    #[must_use]
    pub fn label(&self) -> Option<&Arc<Categories>> {
        self.parts.label.as_ref()
    }

    /// The grid of label numbers.
    #[must_use]
    pub fn label_value(&self) -> Option<&Arc<Grid>> {
        self.parts.label_value.as_ref()
    }

    /// The encoded spec.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::seal(Kind::Spec, &self.parts)
    }

    /// Decodes a spec.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are damaged or from a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Arc<Self>, DecodeError> {
        Self::try_from_stored(codec::open(Kind::Spec, bytes)?)
    }

    pub(crate) fn try_from_stored(parts: SpecParts) -> Result<Arc<Self>, DecodeError> {
        let fits = |feature: &FeatureSpec| {
            matches!(feature.reducer, Reducer::Numeric(_)) == (feature.kind == FeatureKind::Numeric)
        };
        match parts.features.iter().find(|feature| !fits(feature)) {
            Some(feature) => Err(DecodeError::invalid(format!("feature {:?} is of two kinds", feature.name))),
            None => Ok(Self::new(parts)),
        }
    }

    /// Whether summaries of the two can be merged: all is the same, but one may have further features.
    pub(crate) fn check_mergeable(&self, other: &Self) -> Result<(), MergeError> {
        if (self.task(), self.positive()) != (other.task(), other.positive()) {
            return Err(MergeError::TasksDiffer);
        }
        for (position, (mine, theirs)) in self.features().iter().zip(other.features()).enumerate() {
            if mine.name != theirs.name {
                let (left, right) = (Arc::clone(&mine.name), Arc::clone(&theirs.name));
                return Err(MergeError::FeaturesDiffer { position, left, right });
            }
            if mine.reducer.id() != theirs.reducer.id() {
                return Err(MergeError::grids(&mine.name));
            }
        }
        let grid = |grid: Option<&Arc<Grid>>| grid.map(|grid| grid.id());
        let categories = |categories: Option<&Arc<Categories>>| categories.map(|categories| categories.id());
        let same = [
            ("score", grid(self.score()) == grid(other.score())),
            ("value", grid(self.value()) == grid(other.value())),
            ("prediction", categories(self.prediction()) == categories(other.prediction())),
            ("label", categories(self.label()) == categories(other.label())),
            ("label", grid(self.label_value()) == grid(other.label_value())),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((name, _)) => Err(MergeError::grids(name)),
            None => Ok(()),
        }
    }

    /// Outcomes without a label, shared by all summaries that have none.
    pub(crate) fn no_outcomes(&self) -> &Shared<Outcomes> {
        &self.no_outcomes
    }

    pub(crate) fn columns(&self) -> &[FeatureColumns] {
        &self.columns
    }
}

impl SpecParts {
    /// The parts of a model without a reference.
    #[must_use]
    pub fn unlearned(schema: &ModelSchema) -> Self {
        let features = schema
            .features()
            .iter()
            .map(|feature| FeatureSpec::unlearned(Arc::clone(&feature.name), feature.kind));
        Self {
            task: schema.task(),
            positive: schema.positive().cloned(),
            features: features.collect(),
            score: None,
            value: None,
            prediction: None,
            label: None,
            label_value: None,
        }
    }
}
