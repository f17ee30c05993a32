//! Where the decoder learns what is known of a model.

use std::sync::Arc;

use crate::ModelSchema;

/// The models that are known, and the way in for those that are not.
pub trait ModelRegistry: Sync {
    /// The schema of a known model.
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>>;

    /// Registers an unknown model with what its first rows show, or widens an inferred model by features met
    /// since. The schema given back is the one in force: it keeps the name and kind of every feature that
    /// the model had before.
    ///
    /// # Errors
    /// [`RegisterError`] if the model is not taken.
    fn register(&self, inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError>;
}

/// Why an unknown model was not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Only configured models are taken.
    #[error("the model is not configured, and registration from events is off")]
    Off,
    /// There are as many models as are allowed.
    #[error("the model is not configured, and all {limit} places for models from events are taken")]
    Full {
        /// How many models may be registered from events.
        limit: usize,
    },
}

impl RegisterError {
    /// The `reason` of the rows that are rejected for it: stable and few.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Off => "unknown_model",
            Self::Full { .. } => "too_many_models",
        }
    }
}
