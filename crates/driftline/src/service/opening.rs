//! The state folder, opened: what is stored of the models, and those that the configuration adds.

use std::path::PathBuf;
use std::sync::Arc;

use driftline_expose::ModelOrigin;
use driftline_store::{
    Files, HistorySpec, Journal, JournalSpec, ReferenceFolder, State, StateFaults, StateSpec, StoredHistory,
};

use super::{ServiceError, now};
use crate::config::Config;
use crate::durability::Committed;
use crate::engine::{Engine, EngineLimits};
use crate::pipeline;
use crate::reference_files::load_or_build;

/// What is opened before anything runs.
pub(super) struct Opening {
    pub(super) config: Config,
    pub(super) folder: PathBuf,
    pub(super) references: ReferenceFolder,
    pub(super) journal_spec: JournalSpec,
    pub(super) files: Arc<dyn Files>,
    pub(super) state_faults: Option<Arc<dyn StateFaults>>,
}

pub(super) struct Opened {
    pub(super) state: State,
    pub(super) engine: Engine,
    pub(super) journal: Journal,
    pub(super) start: Committed,
    /// Bytes that were cut off the journal's end.
    pub(super) cut_bytes: u64,
}

impl Opening {
    pub(super) fn open(self) -> Result<Opened, ServiceError> {
        let options = &self.config.options;
        let spec = StateSpec {
            cache_bytes: options.state.cache_bytes,
            faults: self.state_faults.clone(),
            ..StateSpec::default()
        };
        let state = State::open(&self.folder, spec)?;
        let start =
            pipeline::start(&state)?.ok_or_else(|| ServiceError::Positions { path: self.folder.clone() })?;
        let spec = HistorySpec {
            reports_per_model: options.state.reports_per_model,
            reports_retention: Some(options.state.reports_retention.duration()),
        };
        let history = StoredHistory::open(state.clone(), spec)?;
        let limits = EngineLimits {
            pending_predictions: options.state.pending_predictions,
            max_models: options.registration.max_models.max(self.config.models.len()),
        };
        let mut engine =
            Engine::durable(Box::new(history), limits, self.config.model_defaults(), state.clone())?;
        self.restore(&mut engine)?;
        let (journal, opened) =
            Journal::open(&self.folder.join("journal"), self.journal_spec, Arc::clone(&self.files))?;
        let cut_bytes = opened.cut.map_or(0, |cut| cut.bytes);
        Ok(Opened { state, engine, journal, start, cut_bytes })
    }

    /// Brings back every stored model, with the settings of the configuration where it has any, and adds those that
    /// are new.
    fn restore(&self, engine: &mut Engine) -> Result<(), ServiceError> {
        let mut stored = engine.stored_models()?;
        for config in &self.config.models {
            let model = config.schema.model();
            let unloadable = |source| ServiceError::Reference { model: model.to_string(), source };
            let reference = load_or_build(config, &self.references, now()).map_err(unloadable)?;
            let place = stored.iter().position(|(_, settings)| settings.options.name == model.as_str());
            let Some((number, settings)) = place.map(|place| stored.remove(place)) else {
                engine.put_model(config.clone(), reference, ModelOrigin::Config)?;
                continue;
            };
            match settings.misfit(&config.options) {
                None => {
                    engine.restore_model(number, &settings, Some(config.clone()), reference)?;
                }
                Some(key) => {
                    tracing::warn!(%model, key, "This setting has changed: the model's windows start anew.");
                    engine.forget_stored(number);
                    engine.put_model(config.clone(), reference, ModelOrigin::Config)?;
                }
            }
        }
        for (number, settings) in stored {
            let model = &settings.options.name;
            if settings.origin == ModelOrigin::Config {
                tracing::warn!(
                    model,
                    "This model is not configured any more; what is stored of it is kept, but not used."
                );
                continue;
            }
            engine.restore_model(number, &settings, None, None)?;
        }
        Ok(())
    }
}
