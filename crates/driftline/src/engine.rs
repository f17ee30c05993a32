//! The engine: every model's windows, references and reports. Batches in, window reports out.
//!
//! It knows no clock, socket or file; the service and the replay drive it with the very same calls.

mod compare;
mod counters;
mod durable;
mod model;
mod reference;
pub(crate) mod stored;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use driftline_evaluate::{AlertBook, AlertBookError, AlertEvent, Incident, WindowReport};
use driftline_events::{EventTime, ModelBatch, ModelId};
use driftline_expose::{CompareQuery, ModelOrigin, ReadError};
use driftline_source::Taken;
use driftline_store::{History, HistoryError, HistoryPage, HistoryQuery, StateError};
use driftline_summary::Reference;
use driftline_window::{Pushed, Refused, WindowError};

pub use counters::VersionCounters;
pub use model::{LabelCounts, LatestKey, Model, ModelStatus};
pub use stored::StoredModelError;

use crate::config::{ModelConfig, ModelDefaults, ModelOptions};

/// Closed windows of one name and model that are evaluated again at one tick, at most; the rest waits for the next, so
/// that labels for a week of old predictions cannot hold up what is new.
const REVISIONS_PER_TICK: usize = 64;

/// What an [`Engine`] holds in memory at most.
#[derive(Clone, Copy, Debug)]
pub struct EngineLimits {
    /// Predictions of one model that are kept for labels and de-duplication.
    pub pending_predictions: usize,
    /// Models in all.
    pub max_models: usize,
}

/// Every model and its reports.
pub struct Engine {
    models: BTreeMap<ModelId, Model>,
    history: Box<dyn History>,
    limits: EngineLimits,
    defaults: ModelDefaults,
    durable: Option<durable::Durable>,
    /// Whether labels may come.
    labels: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("models", &self.models).finish_non_exhaustive()
    }
}

/// Something the engine refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A batch or summary that does not fit its model: a fault of the program.
    #[error("model {model}")]
    Window {
        /// The model.
        model: ModelId,
        /// What does not fit.
        #[source]
        source: WindowError,
    },
    /// There is no such model.
    #[error("there is no model {model}")]
    NoModel {
        /// Its name.
        model: String,
    },
    /// There are as many models as there may be.
    #[error("there are {limit} models already, as many as registration.max_models allows")]
    TooManyModels {
        /// The limit.
        limit: usize,
    },
    /// What came before must be folded first.
    #[error("the journal is still being replayed; send again when /readyz answers 200")]
    Recovering,
    /// The state folder cannot be read.
    #[error("the state folder cannot be used")]
    State(#[from] StateError),
    /// A stored model cannot be used.
    #[error("model {model}")]
    Stored {
        /// The model.
        model: String,
        /// Why not.
        #[source]
        source: stored::StoredModelError,
    },
    /// A model's settings do not hold.
    #[error("the settings of a registered model do not hold")]
    Config(#[source] crate::config::ConfigError),
}

/// What a tick came to.
#[derive(Debug, Default)]
pub struct Ticked {
    /// Reports of windows that closed or changed.
    pub closed: Vec<Arc<WindowReport>>,
    /// What changed about alerts.
    pub events: Vec<AlertEvent>,
    /// Evaluations that failed.
    pub failures: Vec<EngineError>,
}

/// A change of alerts that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertChangeError {
    /// There is no such model.
    #[error("there is no model {model:?}")]
    NoModel {
        /// Its name.
        model: String,
    },
    /// The model's alerts refuse it.
    #[error(transparent)]
    Book(#[from] AlertBookError),
}

impl Engine {
    /// An engine without models that keeps everything in memory.
    #[must_use]
    pub fn new(history: Box<dyn History>, limits: EngineLimits) -> Self {
        let (models, defaults) = (BTreeMap::new(), ModelDefaults::default());
        Self { models, history, limits, defaults, durable: None, labels: true }
    }

    /// The same for models that are put from now on and get no labels: in memory, nothing is kept of a prediction but its
    /// id and time.
    #[must_use]
    pub fn without_labels(self) -> Self {
        Self { labels: false, ..self }
    }

    /// Adds a model, or replaces one whose settings changed (its panes start anew). `reference` is its stored or
    /// built reference, where it has one.
    ///
    /// # Errors
    /// [`EngineError::TooManyModels`].
    pub fn put_model(
        &mut self,
        config: ModelConfig,
        reference: Option<Arc<Reference>>,
        origin: ModelOrigin,
    ) -> Result<(), EngineError> {
        let id = config.schema.model().clone();
        // Models from events are counted where they are registered.
        let counted = origin != ModelOrigin::Events && !self.models.contains_key(&id);
        if counted && self.models.len() >= self.limits.max_models {
            return Err(EngineError::TooManyModels { limit: self.limits.max_models });
        }
        let pending = self.new_pending(&id)?;
        let mut model = Model::new(config, reference, origin, pending);
        if let Some(former) = self.models.remove(&id) {
            // Who was told of an incident hears that it is over.
            model.continue_alerts_of(former);
        }
        if self.durable.is_some() {
            model.windower.note_changes();
        }
        self.models.insert(id, model);
        Ok(())
    }

    /// Compares a model's windows with another reference from now on.
    ///
    /// # Errors
    /// [`EngineError::NoModel`]; [`EngineError::Window`] if the disk fails, and the reference can be put again.
    pub fn put_reference(&mut self, model: &ModelId, reference: Arc<Reference>) -> Result<(), EngineError> {
        let set = self.model_mut(model)?.set_reference(reference);
        set.map_err(|source| EngineError::Window { model: model.clone(), source })
    }

    /// Folds predictions. `now` is when they arrived; `None` in a replay.
    ///
    /// # Errors
    /// [`EngineError`]; nothing of the batch is counted then.
    pub fn push_predictions(
        &mut self,
        batch: &ModelBatch,
        now: Option<EventTime>,
    ) -> Result<Taken, EngineError> {
        self.push_predictions_by_row(batch, now).map(|(taken, _)| taken)
    }

    /// The same, and which rows were not folded, in their order.
    ///
    /// # Errors
    /// As [`Engine::push_predictions`].
    pub fn push_predictions_by_row(
        &mut self,
        batch: &ModelBatch,
        now: Option<EventTime>,
    ) -> Result<(Taken, Vec<(u32, Refused)>), EngineError> {
        let model = self.model_of(batch)?;
        let pushed = model.push_predictions(batch, now).map_err(|source| fault(batch, source))?;
        let Pushed { accepted, duplicates, too_late, refused, .. } = pushed;
        Ok((Taken { accepted, duplicates, too_late }, refused))
    }

    /// Joins labels. `now` is when they arrived; `None` in a replay.
    ///
    /// # Errors
    /// [`EngineError`]; nothing of the batch is counted then.
    pub fn push_labels(&mut self, batch: &ModelBatch, now: Option<EventTime>) -> Result<Taken, EngineError> {
        let model = self.model_of(batch)?;
        let labelled = model.push_labels(batch, now).map_err(|source| fault(batch, source))?;
        Ok(Taken {
            accepted: labelled.accepted(),
            duplicates: labelled.duplicates + labelled.superseded,
            too_late: labelled.too_late,
        })
    }

    /// The batch's model; registered now if the decoder registered it.
    fn model_of(&mut self, batch: &ModelBatch) -> Result<&mut Model, EngineError> {
        let id = batch.schema.model();
        if !self.models.contains_key(id) {
            let options = ModelOptions::inferred(&batch.schema);
            let mut config = ModelConfig::try_new(&options, &self.defaults).map_err(EngineError::Config)?;
            config.schema = Arc::clone(&batch.schema);
            self.put_model(config, None, ModelOrigin::Events)?;
        }
        self.model_mut(id)
    }

    fn model_mut(&mut self, id: &ModelId) -> Result<&mut Model, EngineError> {
        self.models.get_mut(id).ok_or_else(|| EngineError::NoModel { model: id.to_string() })
    }

    /// A model.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|(own, _)| own.as_str() == id).map(|(_, model)| model)
    }

    /// All models by name.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// Evaluates the windows that closed or changed by `now`, keeps their reports, lets the models' rules look at them,
    /// and forgets what is too old. A model that fails is reported and leaves the others alone.
    pub fn tick(&mut self, now: EventTime) -> Ticked {
        let mut all = Ticked::default();
        let mut last = None;
        while let Some((id, ticked)) = self.tick_next(now, last.as_ref()) {
            all.closed.extend(ticked.closed);
            all.events.extend(ticked.events);
            all.failures.extend(ticked.failures);
            last = Some(id);
        }
        all
    }

    /// [`Engine::tick`] for the model that comes after another, or for the first: the reports of one model can go before
    /// those of the next are made. `None` after the last.
    pub(crate) fn tick_next(&mut self, now: EventTime, last: Option<&ModelId>) -> Option<(ModelId, Ticked)> {
        let (id, model) = after(&mut self.models, last)?;
        let Ticked { mut closed, mut events, mut failures } = Ticked::default();
        model.advance(now);
        for due in model.due(REVISIONS_PER_TICK) {
            match model.evaluate(&due) {
                Ok(report) => {
                    closed.push(Arc::clone(&report));
                    self.history.put(report);
                }
                Err(source) => {
                    events.extend(model.alert_of_failure(&source, now));
                    failures.push(EngineError::Window { model: id.clone(), source });
                }
            }
        }
        events.extend(model.alert(&closed, now));
        if let Err(source) = model.roll_up() {
            failures.push(EngineError::Window { model: id.clone(), source });
        }
        model.expire();
        Some((id.clone(), Ticked { closed, events, failures }))
    }

    /// Evaluates the windows that are still open of the model that comes after another, or of the first, so that their
    /// figures so far can be seen; says how many. `None` after the last.
    pub(crate) fn evaluate_open_next(
        &mut self,
        last: Option<&ModelId>,
    ) -> Option<(ModelId, Result<usize, EngineError>)> {
        let (id, model) = after(&mut self.models, last)?;
        let reports = model.evaluate_open();
        let reports = reports.map_err(|source| EngineError::Window { model: id.clone(), source });
        let evaluated = reports.map(|reports| {
            let evaluated = reports.len();
            reports.into_iter().for_each(|report| self.history.put(report));
            evaluated
        });
        Some((id.clone(), evaluated))
    }

    /// For replays: evaluates the windows that nothing can change any more, or all that are left (`at_end`).
    ///
    /// # Errors
    /// As [`Engine::tick`].
    pub fn settle(&mut self, at_end: bool) -> Result<Vec<Arc<WindowReport>>, EngineError> {
        let mut reports = Vec::new();
        for (id, model) in &mut self.models {
            for due in model.settled(at_end) {
                let report = model
                    .evaluate(&due)
                    .map_err(|source| EngineError::Window { model: id.clone(), source })?;
                reports.push(report);
            }
            model.expire();
        }
        Ok(reports)
    }

    /// Evaluates any period of a model against another or its reference.
    ///
    /// # Errors
    /// [`ReadError`] that says what is not there.
    pub fn compare(&self, query: &CompareQuery) -> Result<Arc<WindowReport>, ReadError> {
        let name = query.model.as_str();
        let model = self.model(name).ok_or_else(|| ReadError::UnknownModel { model: name.to_owned() })?;
        compare::compare(model, query)
    }

    /// Finds kept reports.
    ///
    /// # Errors
    /// [`HistoryError`] if they cannot be read.
    pub fn find(&self, query: &HistoryQuery) -> Result<HistoryPage, HistoryError> {
        self.history.find(query)
    }

    /// The incidents of all models: open, or over for a short while.
    #[must_use]
    pub fn incidents(&self) -> Vec<Incident> {
        self.models.values().flat_map(|model| model.alerts().incidents()).collect()
    }

    /// Changes a model's alerts for somebody.
    ///
    /// # Errors
    /// [`AlertChangeError`].
    pub fn change_alerts<T>(
        &mut self,
        model: &ModelId,
        change: impl FnOnce(&mut AlertBook) -> Result<T, AlertBookError>,
    ) -> Result<T, AlertChangeError> {
        let model = self
            .models
            .get_mut(model)
            .ok_or_else(|| AlertChangeError::NoModel { model: model.to_string() })?;
        Ok(model.change_alerts(change)?)
    }

    /// Reports that went because there were too many.
    #[must_use]
    pub fn reports_dropped(&self) -> u64 {
        self.history.dropped()
    }
}

impl EngineError {
    /// Whether the disk is at fault: nothing was folded, and the same call may do better later.
    #[must_use]
    pub const fn is_storage(&self) -> bool {
        matches!(self, Self::State(_) | Self::Window { source: WindowError::Pending(_), .. })
    }
}

/// The model that comes after another, or the first.
fn after<'a>(
    models: &'a mut BTreeMap<ModelId, Model>,
    last: Option<&ModelId>,
) -> Option<(&'a ModelId, &'a mut Model)> {
    models.range_mut((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).next()
}

fn fault(batch: &ModelBatch, source: WindowError) -> EngineError {
    EngineError::Window { model: batch.schema.model().clone(), source }
}
