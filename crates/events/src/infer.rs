//! What a model seems to be, from its first events.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::event::{Event, Field, Rules};
use crate::prediction_batch::class_text;
use crate::reject::Fault;
use crate::scalar::Scalar;
use crate::{Feature, FeatureKind, Limits, ModelId, ModelSchema, Task};

/// Pairs of classes that say which one is positive: the second.
const BINARY_CLASSES: [[&str; 2]; 4] =
    [["0", "1"], ["no", "yes"], ["false", "true"], ["negative", "positive"]];

/// What the rows seen so far show.
#[derive(Debug, Default)]
pub(crate) struct Inference {
    features: Vec<Feature>,
    names: FxHashSet<Arc<str>>,
    /// At most three: more say no more.
    labels: BTreeSet<String>,
    has_many_scores: bool,
    has_class: bool,
    has_number: bool,
}

impl Inference {
    /// Learns from an event, unless it would be rejected whatever the model's task is.
    pub(crate) fn observe(&mut self, event: &mut Event<'_>, rules: &Rules<'_>) -> Result<(), Fault> {
        let facts = match event.prediction(Task::Multiclass, rules) {
            Ok(facts) => facts,
            // A label such as 12.5 is a regression model's number, and no class.
            Err(fault) => event.prediction(Task::Regression, rules).map_err(|_| fault)?,
        };
        if let Some(label) = &facts.label
            && self.labels.len() < 3
        {
            self.labels.insert(class_text(label));
        }
        self.has_class |= facts.label.is_some() || facts.score.is_some() || !event.scores.is_empty();
        self.has_many_scores |= event.scores.len() > 2;
        self.has_number |= facts.value.is_some()
            || matches!(event.get(Field::Label), Scalar::Float(label) if label.fract() != 0.0);
        Ok(())
    }

    /// Learns a feature; the first value that says its kind decides.
    pub(crate) fn observe_feature(&mut self, name: &str, kind: FeatureKind) {
        if !self.names.contains(name) {
            let name: Arc<str> = name.into();
            self.names.insert(Arc::clone(&name));
            self.features.push(Feature { name, kind });
        }
    }

    /// The schema: at most [`Limits::features`] features.
    pub(crate) fn finish(mut self, model: ModelId, limits: &Limits) -> ModelSchema {
        self.features.truncate(limits.features);
        let (task, positive) = self.task();
        ModelSchema::new(model, task, positive.map(Arc::from), self.features, Vec::new(), true)
    }

    fn task(&self) -> (Task, Option<&'static str>) {
        if self.has_number && !self.has_class {
            return (Task::Regression, None);
        }
        if self.has_many_scores || self.labels.len() > 2 {
            return (Task::Multiclass, None);
        }
        BINARY_CLASSES
            .iter()
            .find(|pair| self.labels.iter().all(|label| pair.contains(&label.as_str())))
            .map_or((Task::Multiclass, None), |pair| (Task::Binary, Some(pair[1])))
    }
}
