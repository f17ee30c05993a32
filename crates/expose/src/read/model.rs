//! What the read API asks of the service.

use std::pin::Pin;
use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::{Feature, ModelId, Task};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::read::error::ReadError;
use crate::read::query::{CompareQuery, WindowsQuery};

/// A future that a trait object can give.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the service can be asked. The binary implements it over its state.
pub trait ReadModel: Send + Sync {
    /// All models, by name.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelOverview>, ReadError>>;

    /// One model.
    ///
    /// # Errors
    /// [`ReadError::UnknownModel`] if there is none of that name.
    fn model(&self, model: ModelId) -> BoxFuture<'_, Result<ModelDetail, ReadError>>;

    /// Reports of a model's windows, newest end first, then by window name, version and segment.
    fn windows(&self, query: WindowsQuery) -> BoxFuture<'_, Result<Page, ReadError>>;

    /// A report of one period against another, or against the model's reference.
    fn compare(&self, query: CompareQuery) -> BoxFuture<'_, Result<Arc<WindowReport>, ReadError>>;

    /// Whether the service can take and show events; else what it waits for.
    ///
    /// # Errors
    /// What it waits for, in words.
    fn ready(&self) -> Result<(), String>;
}

/// Some of a model's reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The reports.
    pub windows: Vec<Arc<WindowReport>>,
    /// What [`WindowsQuery::cursor`] is for the reports after these; `None` after the last.
    pub next: Option<String>,
}

/// How a model came to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelOrigin {
    /// It is in the configuration file.
    Config,
    /// It was put by the API.
    Api,
    /// Its first events registered it.
    Events,
}

/// A model in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelOverview {
    /// Its name.
    pub model: String,
    /// What it predicts.
    #[schema(value_type = String, example = "binary")]
    pub task: Task,
    /// How it came to be watched.
    pub origin: ModelOrigin,
    /// The versions seen.
    pub versions: Vec<String>,
    /// The names of its windows.
    pub windows: Vec<String>,
    /// The tags whose values are watched apart.
    pub segments: Vec<String>,
    /// How many features it has.
    pub features: usize,
    /// Predictions since the start.
    pub rows: u64,
    /// Its watermark, RFC 3339; absent before its first event.
    pub watermark: Option<String>,
    /// What its windows are compared with: `file`, `learned`, …; absent without one.
    pub reference: Option<String>,
}

/// A model, and how it fares.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelDetail {
    /// What a list says of it.
    #[serde(flatten)]
    pub overview: ModelOverview,
    /// The class whose probability `score` is.
    pub positive: Option<String>,
    /// Its features.
    #[schema(value_type = Vec<Object>)]
    pub inputs: Vec<Feature>,
    /// The newest report of each window of each version, without segments.
    #[schema(value_type = Vec<Object>)]
    pub latest: Vec<Arc<WindowReport>>,
}
