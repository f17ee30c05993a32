//! The models the decoders know. The engine owns the models; this is the part of them that many threads read.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use driftline_events::{ModelRegistry, ModelSchema, RegisterError};

use crate::config::RegistrationOptions;

/// Schemas by model name.
#[derive(Debug)]
pub(crate) struct Registry {
    schemas: RwLock<HashMap<String, Arc<ModelSchema>>>,
    registration: RegistrationOptions,
}

impl Registry {
    /// A registry without models.
    pub(crate) fn new(registration: RegistrationOptions) -> Self {
        Self { schemas: RwLock::default(), registration }
    }

    /// Sets a model's schema.
    pub(crate) fn put(&self, schema: Arc<ModelSchema>) {
        self.write().insert(schema.model().as_str().to_owned(), schema);
    }

    /// How many features a model has; `None` if there is no such model.
    pub(crate) fn features(&self, model: &str) -> Option<usize> {
        self.read().get(model).map(|schema| schema.features().len())
    }

    // A map of finished values is whole whatever panicked beside it.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<ModelSchema>>> {
        self.schemas.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<ModelSchema>>> {
        self.schemas.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ModelRegistry for Registry {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        self.read().get(model).cloned()
    }

    fn register(&self, inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        let mut schemas = self.write();
        let name = inferred.model().as_str().to_owned();
        let schema = match schemas.get(&name) {
            // Two decoders may meet the same new features at once: the one in force keeps its own and gains the rest.
            Some(known) if known.inferred() => {
                let mut features = known.features().to_vec();
                features.extend_from_slice(inferred.features());
                Arc::new(ModelSchema::new(
                    known.model().clone(),
                    known.task(),
                    known.positive().cloned(),
                    features,
                    known.segments().to_vec(),
                    true,
                ))
            }
            Some(known) => Arc::clone(known),
            None if !self.registration.enabled => return Err(RegisterError::Off),
            None if schemas.len() >= self.registration.max_models => {
                return Err(RegisterError::Full { limit: self.registration.max_models });
            }
            None => Arc::new(inferred),
        };
        schemas.insert(name, Arc::clone(&schema));
        Ok(schema)
    }
}
