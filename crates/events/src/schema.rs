//! What is known of a model: its task, classes, features and segment dimensions.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model's name: 1 to 128 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ModelId(Arc<str>);

/// A model name that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelIdError {
    /// Empty, or longer than 128 bytes.
    #[error("a model name has 1 to 128 characters, this one has {length}")]
    Length {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that is not allowed.
    #[error("a model name has only A-Z a-z 0-9 . _ - and not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

impl ModelId {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// [`ModelIdError`] if the name is empty, too long or has another character.
    pub fn try_new(name: &str) -> Result<Self, ModelIdError> {
        if name.is_empty() || name.len() > 128 {
            return Err(ModelIdError::Length { length: name.len() });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|&c| !allowed(c)) {
            Some(character) => Err(ModelIdError::Character { character }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of two classes; `score` is the probability of the positive one.
    Binary,
    /// One of several classes; `scores` holds a probability for each.
    Multiclass,
    /// A number.
    Regression,
}

/// How a feature's values are read and summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// A number.
    Numeric,
    /// A category: text; whole numbers and booleans are read as their text.
    Categorical,
    /// True or false; summarised as the categories `true` and `false`.
    Boolean,
}

/// One input of a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name, as events carry it.
    pub name: Arc<str>,
    /// How its values are read.
    pub kind: FeatureKind,
}

/// What the decoder and the summaries need to know of a model.
#[derive(Clone, Debug)]
pub struct ModelSchema {
    model: ModelId,
    task: Task,
    positive: Option<Arc<str>>,
    features: Vec<Feature>,
    segments: Vec<Arc<str>>,
    inferred: bool,
    positions: FxHashMap<Arc<str>, usize>,
}

impl ModelSchema {
    /// A model's schema. A feature named twice keeps its first kind.
    ///
    /// `positive` is the class that `score` speaks of (binary models); `segments` are the tags whose values
    /// are watched apart; `inferred` says that the features were learned from events and may still grow.
    #[must_use]
    pub fn new(
        model: ModelId,
        task: Task,
        positive: Option<Arc<str>>,
        features: Vec<Feature>,
        segments: Vec<Arc<str>>,
        inferred: bool,
    ) -> Self {
        let mut positions = FxHashMap::default();
        let mut kept = Vec::with_capacity(features.len());
        for feature in features {
            if !positions.contains_key(&feature.name) {
                positions.insert(Arc::clone(&feature.name), kept.len());
                kept.push(feature);
            }
        }
        Self { model, task, positive, features: kept, segments, inferred, positions }
    }

    /// The model's name.
    #[must_use]
    pub const fn model(&self) -> &ModelId {
        &self.model
    }

    /// What it predicts.
    #[must_use]
    pub const fn task(&self) -> Task {
        self.task
    }

    /// The class whose probability `score` is; always known for a configured binary model.
    #[must_use]
    pub const fn positive(&self) -> Option<&Arc<str>> {
        self.positive.as_ref()
    }

    /// The features, in the order of the batches' columns.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The tags whose values are watched as segments.
    #[must_use]
    pub fn segments(&self) -> &[Arc<str>] {
        &self.segments
    }

    /// Whether the features were learned from events.
    #[must_use]
    pub const fn inferred(&self) -> bool {
        self.inferred
    }

    /// The position of a feature in [`ModelSchema::features`].
    #[must_use]
    pub fn position(&self, feature: &str) -> Option<usize> {
        self.positions.get(feature).copied()
    }
}
