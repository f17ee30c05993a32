//! The engine on disk: what of each model goes into a checkpoint, and how it comes back.
//!
//! Every model has a number. In [`Table::Models`] stand its parts, in [`Table::Panes`] its pane summaries, each under
//! the number; what is pending is written through by its own store.

use std::ops::ControlFlow;
use std::sync::Arc;

use driftline_evaluate::{AlertBook, AlertBookError};
use driftline_events::{EventTime, Feature, ModelSchema};
use driftline_expose::ModelOrigin;
use driftline_store::{HistoryError, State, StateError, Table};
use driftline_summary::{DecodeError, Reference};
use driftline_window::{PaneKey, RestoreError};
use serde::{Deserialize, Serialize};

use super::model::Model;
use crate::config::{ModelConfig, ModelDefaults, ModelOptions};

/// The newest layout of a model's settings that is known here.
const VERSION: u32 = 1;

/// The parts of a model in [`Table::Models`].
#[derive(Clone, Copy)]
enum ModelPart {
    Settings = 0,
    Windows = 1,
    Reference = 2,
    Alerts = 3,
}

fn part_key(number: u32, part: ModelPart) -> [u8; 5] {
    let mut key = [part as u8; 5];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

fn pane_key(number: u32, key: PaneKey) -> Vec<u8> {
    [&number.to_be_bytes()[..], &key.to_bytes()].concat()
}

/// A stored model that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredModelError {
    /// The state folder cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The reports cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Written by a newer version.
    #[error("its settings have version {found} and the newest known here is {VERSION}: upgrade Driftline")]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Settings that are none.
    #[error("its stored settings are damaged; restore the state folder from a backup")]
    Settings(#[source] serde_json::Error),
    /// Settings that do not hold.
    #[error("its stored settings do not hold")]
    Config(#[source] crate::config::ConfigError),
    /// Windows that cannot be used.
    #[error(transparent)]
    Windows(#[from] RestoreError),
    /// Alerts that cannot be used.
    #[error("its stored alerts cannot be used")]
    Alerts(#[source] AlertBookError),
    /// A reference that cannot be used.
    #[error("its stored reference cannot be used; restore the state folder from a backup")]
    Reference(#[source] DecodeError),
}

/// A model's settings on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSettings {
    version: u32,
    pub(crate) origin: ModelOrigin,
    pub(crate) options: ModelOptions,
    /// Those learned from events too, where they are.
    features: Vec<Feature>,
    inferred: bool,
}

impl StoredSettings {
    fn of(model: &Model) -> Self {
        Self {
            version: VERSION,
            origin: model.origin(),
            options: model.config().options.clone(),
            features: model.schema().features().to_vec(),
            inferred: model.schema().inferred(),
        }
    }

    pub(crate) fn features(&self) -> usize {
        self.features.len()
    }

    /// The settings as they hold.
    pub(crate) fn config(&self, defaults: &ModelDefaults) -> Result<ModelConfig, StoredModelError> {
        let mut config = ModelConfig::try_new(&self.options, defaults).map_err(StoredModelError::Config)?;
        self.learned(&mut config);
        Ok(config)
    }

    /// Gives settings that name no features those that were learned from events.
    pub(crate) fn learned(&self, config: &mut ModelConfig) {
        let schema = &config.schema;
        if self.inferred {
            config.schema = Arc::new(ModelSchema::new(
                schema.model().clone(),
                schema.task(),
                schema.positive().cloned(),
                self.features.clone(),
                schema.segments().to_vec(),
                true,
            ));
        }
    }

    /// What of other settings keeps the stored windows from going on; `None` if they may.
    pub(crate) fn misfit(&self, other: &ModelOptions) -> Option<&'static str> {
        let mine = &self.options;
        [
            ("task", mine.task == other.task),
            ("positive", mine.positive == other.positive),
            ("features", mine.features == other.features),
            ("segments", mine.segments == other.segments),
            ("max_segment_values", mine.max_segment_values == other.max_segment_values),
            ("pane", mine.pane == other.pane),
        ]
        .into_iter()
        .find_map(|(key, same)| (!same).then_some(key))
    }
}

/// Every stored model's number and settings, by number.
pub(crate) fn models(state: &State) -> Result<Vec<(u32, StoredSettings)>, StoredModelError> {
    let mut found = Vec::new();
    state.scan(Table::Models, &[], false, &mut |key, value| {
        if let Some((number, &[part])) = key.split_first_chunk()
            && part == ModelPart::Settings as u8
        {
            found.push((u32::from_be_bytes(*number), value.to_vec()));
        }
        ControlFlow::Continue(())
    })?;
    let read = |(number, bytes): (u32, Vec<u8>)| {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let versioned: Versioned = serde_json::from_slice(&bytes).map_err(StoredModelError::Settings)?;
        if versioned.version > VERSION {
            return Err(StoredModelError::Newer { found: versioned.version });
        }
        Ok((number, serde_json::from_slice(&bytes).map_err(StoredModelError::Settings)?))
    };
    found.into_iter().map(read).collect()
}

/// What of a model is not stored yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsaved {
    pub(super) settings: bool,
    pub(super) windows: bool,
    pub(super) reference: bool,
    pub(super) alerts: bool,
}

impl Unsaved {
    /// A model that was never stored.
    pub(super) const ALL: Self = Self { settings: true, windows: true, reference: true, alerts: true };
    /// A model that was just restored.
    pub(super) const NOTHING: Self =
        Self { settings: false, windows: false, reference: false, alerts: false };
}

/// Puts what changed of a model into the next checkpoint.
pub(super) fn save(model: &mut Model, number: u32, state: &State) {
    model.windower.take_pane_changes(&mut |key, summary| match summary {
        Some(bytes) => state.put(Table::Panes, &pane_key(number, key), bytes),
        None => state.remove(Table::Panes, &pane_key(number, key)),
    });
    let unsaved = std::mem::replace(&mut model.unsaved, Unsaved::NOTHING);
    if unsaved.settings {
        let settings = serde_json::to_vec(&StoredSettings::of(model)).expect("settings have only text keys");
        state.put(Table::Models, &part_key(number, ModelPart::Settings), settings);
    }
    if unsaved.windows {
        state.put(Table::Models, &part_key(number, ModelPart::Windows), model.windower.encode_state());
    }
    if unsaved.alerts {
        state.put(Table::Models, &part_key(number, ModelPart::Alerts), model.alerts.encode());
    }
    if unsaved.reference {
        let key = part_key(number, ModelPart::Reference);
        match &model.reference {
            Some(reference) => state.put(Table::Models, &key, reference.encode()),
            None => state.remove(Table::Models, &key),
        }
    }
}

/// Gives a model that has seen no event what the last checkpoint has of it.
pub(super) fn restore(model: &mut Model, number: u32, state: &State) -> Result<(), StoredModelError> {
    if let Some(bytes) = state.get(Table::Models, &part_key(number, ModelPart::Windows))? {
        model.windower.restore_state(&bytes)?;
    }
    let mut failed = None;
    state.scan(Table::Panes, &number.to_be_bytes(), false, &mut |key, bytes| {
        let restored = match key.get(4..).and_then(PaneKey::from_bytes) {
            Some(key) => model.windower.restore_pane(key, bytes),
            None => Err(RestoreError::Damaged { what: "a pane's key" }),
        };
        match restored {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if let Some(bytes) = state.get(Table::Models, &part_key(number, ModelPart::Reference))? {
        let reference = Reference::decode(&bytes).map_err(StoredModelError::Reference)?;
        model.reference = Some(Arc::new(reference));
    }
    if let Some(bytes) = state.get(Table::Models, &part_key(number, ModelPart::Alerts))? {
        let spec = Arc::clone(&model.config.alerts);
        model.alerts = AlertBook::decode(&bytes, spec).map_err(StoredModelError::Alerts)?;
    }
    model.unsaved = Unsaved::NOTHING;
    Ok(())
}

/// Removes up to `limit` entries of a model that was replaced; says whether none is left. Its ids may be millions: they
/// are all too old from then on, and leave the disk when their files are merged.
pub(super) fn sweep(number: u32, limit: usize, state: &State) -> Result<bool, StateError> {
    let mut keys = Vec::new();
    for table in [Table::Models, Table::Panes] {
        state.scan(table, &number.to_be_bytes(), false, &mut |key, _| {
            keys.push((table, key.to_vec()));
            if keys.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if keys.len() >= limit {
            break;
        }
    }
    let over = keys.len() < limit;
    keys.iter().for_each(|(table, key)| state.remove(*table, key));
    if over {
        [Table::Predictions, Table::Waiting]
            .iter()
            .for_each(|table| state.set_floor(*table, number, EventTime::MAX));
    }
    Ok(over)
}

/// The key of a model's number after its name, for those that were replaced: [`Table::Meta`].
pub(super) const REPLACED: &[u8] = b"replaced-models";
/// The key of the number that the next model gets.
pub(super) const NEXT_NUMBER: &[u8] = b"next-model";

#[cfg(test)]
mod tests {
    use driftline_store::StateSpec;

    use super::*;

    #[test]
    fn all_of_a_replaced_model_goes_and_nothing_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), StateSpec::default()).unwrap();
        let commit = || state.seal().iter().for_each(|sealed| state.commit(sealed).unwrap());
        for number in [1_u32, 2] {
            for (table, entries) in [(Table::Models, 3_u64), (Table::Panes, 20), (Table::Predictions, 500)] {
                for entry in 0..entries {
                    let key = [&number.to_be_bytes()[..], &entry.to_be_bytes()].concat();
                    state.put(table, &key, postcard::to_stdvec(&1_767_225_600_000_i64).unwrap());
                }
            }
            // Ids of one model are in one file, so that it is seen to go.
            commit();
        }
        let entries =
            |table: Table| state.sizes().unwrap().tables.iter().find(|of| of.table == table).unwrap().entries;
        assert_eq!(entries(Table::Predictions), 1_000);
        let mut steps = 1;
        while !sweep(1, 10, &state).unwrap() {
            steps += 1;
        }
        assert_eq!(steps, 3, "ten entries at a time of 23");
        commit();
        assert_eq!(entries(Table::Predictions), 500);
        for (number, left) in [(1_u32, 0), (2, 23)] {
            let mut found = 0;
            for table in [Table::Models, Table::Panes] {
                let mut count = |_: &[u8], _: &[u8]| {
                    found += 1;
                    ControlFlow::Continue(())
                };
                state.scan(table, &number.to_be_bytes(), false, &mut count).unwrap();
            }
            assert_eq!(found, left, "of model {number}");
        }
    }
}
