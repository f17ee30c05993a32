//! An engine whose models outlive it.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_events::ModelId;
use driftline_expose::ModelOrigin;
use driftline_store::{History, HistoryQuery, State, StateError, StoredPending, Table};
use driftline_summary::Reference;
use driftline_window::{MemoryPending, PendingStore};

use super::model::Model;
use super::stored::{self, NEXT_NUMBER, REPLACED, StoredSettings};
use super::{Engine, EngineError, EngineLimits};
use crate::config::{ModelConfig, ModelDefaults};

/// Entries of a replaced model that one step removes.
const SWEPT_PER_STEP: usize = 1_000;

/// The state folder, and the models' numbers in it.
#[derive(Debug)]
pub(super) struct Durable {
    pub(super) state: State,
    numbers: BTreeMap<ModelId, u32>,
    next_number: u32,
    /// Models that were replaced, whose entries are still to be removed.
    replaced: Vec<u32>,
}

impl Durable {
    fn open(state: State) -> Result<Self, StateError> {
        let numbers = |key| -> Result<Vec<u32>, StateError> {
            let bytes = state.get(Table::Meta, key)?.unwrap_or_default();
            Ok(bytes.as_chunks().0.iter().map(|number| u32::from_be_bytes(*number)).collect())
        };
        let next_number = numbers(NEXT_NUMBER)?.first().copied().unwrap_or(1);
        let replaced = numbers(REPLACED)?;
        Ok(Self { numbers: BTreeMap::new(), next_number, replaced, state })
    }

    /// Gives a model a number of its own; what it had under another is removed in time.
    fn number(&mut self, id: &ModelId) -> u32 {
        let number = self.next_number;
        self.next_number += 1;
        self.state.put(Table::Meta, NEXT_NUMBER, self.next_number.to_be_bytes().to_vec());
        if let Some(former) = self.numbers.insert(id.clone(), number) {
            self.replace(former);
        }
        number
    }

    fn replace(&mut self, number: u32) {
        self.replaced.push(number);
        self.save_replaced();
    }

    fn save_replaced(&self) {
        let bytes = self.replaced.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.state.put(Table::Meta, REPLACED, bytes);
    }
}

impl Engine {
    /// An engine without models whose models outlive it in `state`. `defaults` is what they do not say themselves.
    ///
    /// # Errors
    /// [`EngineError::State`].
    pub fn durable(
        history: Box<dyn History>,
        limits: EngineLimits,
        defaults: ModelDefaults,
        state: State,
    ) -> Result<Self, EngineError> {
        Ok(Self { defaults, durable: Some(Durable::open(state)?), ..Self::new(history, limits) })
    }

    pub(super) fn new_pending(&mut self, id: &ModelId) -> Result<Box<dyn PendingStore>, EngineError> {
        let capacity = self.limits.pending_predictions;
        Ok(match &mut self.durable {
            None if self.labels => Box::new(MemoryPending::new(capacity)),
            None => Box::new(MemoryPending::of_ids(capacity)),
            Some(durable) => {
                let number = durable.number(id);
                Box::new(StoredPending::open(durable.state.clone(), number, capacity)?)
            }
        })
    }

    /// Every stored model's number and settings.
    pub(crate) fn stored_models(&self) -> Result<Vec<(u32, StoredSettings)>, EngineError> {
        let Some(durable) = &self.durable else { return Ok(Vec::new()) };
        let unreadable = |source| EngineError::Stored { model: "of the state folder".to_owned(), source };
        stored::models(&durable.state).map_err(unreadable)
    }

    /// Lets what is stored of a model under a number go.
    pub(crate) fn forget_stored(&mut self, number: u32) {
        if let Some(durable) = &mut self.durable {
            durable.replace(number);
        }
    }

    /// Adds a model as it was stored. A reference other than the stored one replaces it.
    pub(crate) fn restore_model(
        &mut self,
        number: u32,
        settings: &StoredSettings,
        config: Option<ModelConfig>,
        reference: Option<Arc<Reference>>,
    ) -> Result<(), EngineError> {
        let Some(durable) = &mut self.durable else { return Ok(()) };
        let unusable = |source| EngineError::Stored { model: settings.options.name.clone(), source };
        let origin = if config.is_some() { ModelOrigin::Config } else { settings.origin };
        let config = match config {
            Some(mut config) => {
                settings.learned(&mut config);
                config
            }
            None => settings.config(&self.defaults).map_err(unusable)?,
        };
        let id = config.schema.model().clone();
        let pending = StoredPending::open(durable.state.clone(), number, self.limits.pending_predictions)?;
        let changed = config.options != settings.options || origin != settings.origin;
        let mut model = Model::new(config, None, origin, Box::new(pending));
        stored::restore(&mut model, number, &durable.state).map_err(unusable)?;
        model.windower.note_changes();
        model.unsaved.settings = changed;
        if let Some(reference) = reference
            && model.reference().is_none_or(|stored| stored.encode() != reference.encode())
        {
            let set = model.set_reference(reference);
            set.map_err(|source| EngineError::Window { model: id.clone(), source })?;
        }
        durable.numbers.insert(id.clone(), number);
        self.recall(&mut model).map_err(|source| unusable(source.into()))?;
        self.models.insert(id, model);
        Ok(())
    }

    /// Shows a restored model the latest report of each of its windows.
    fn recall(&self, model: &mut Model) -> Result<(), driftline_store::HistoryError> {
        for window in model.config().time.windows().to_vec() {
            let query = HistoryQuery {
                model: model.schema().model().to_string(),
                window: Some(window.name().to_string()),
                latest: true,
                limit: usize::MAX,
                ..HistoryQuery::default()
            };
            let found = self.history.find(&query)?.reports;
            found.iter().rev().for_each(|report| model.remember(report));
        }
        Ok(())
    }

    /// Puts everything that changed since the last call into the next checkpoint.
    pub(crate) fn save(&mut self) {
        let Some(durable) = &self.durable else { return };
        for (id, model) in &mut self.models {
            if let Some(&number) = durable.numbers.get(id) {
                stored::save(model, number, &durable.state);
            }
        }
    }

    /// Removes some of what is left of models that were replaced.
    pub(crate) fn sweep(&mut self) -> Result<(), EngineError> {
        let Some(durable) = &mut self.durable else { return Ok(()) };
        let Some(&number) = durable.replaced.first() else { return Ok(()) };
        if stored::sweep(number, SWEPT_PER_STEP, &durable.state)? {
            durable.replaced.remove(0);
            durable.save_replaced();
        }
        Ok(())
    }
}
