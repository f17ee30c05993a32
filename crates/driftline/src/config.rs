//! The configuration: one TOML file, any key of which the environment can set, checked as a whole.

mod env;
mod fault;
mod model;
mod service;

use std::path::{Path, PathBuf};

use driftline_evaluate::AlertOptions;
use driftline_events::Task;
use driftline_expose::{NotifySpec, PublishOptions, RouteOptions, SinkOptions};
use driftline_source::{IngestOptions, KafkaOptions};
use driftline_store::JournalOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fault::{ConfigError, Fault};
pub use model::{ModelConfig, ModelDefaults, ModelOptions};
pub use service::{LogFormat, LogOptions, MetricsOptions, RegistrationOptions, ServerOptions, StateOptions};

use fault::Faults;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where the service listens, and who may use it.
    pub server: ServerOptions,
    /// Where it keeps what must outlive it.
    pub state: StateOptions,
    /// How what comes over HTTP is made safe before it is acknowledged.
    pub journal: JournalOptions,
    /// What it takes in.
    pub ingest: IngestOptions,
    /// What it reads from Kafka; nothing without this table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaOptions>,
    /// What it publishes to Kafka; nothing without this table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishOptions>,
    /// What alerts, for every model that does not say it itself; the models that nobody configured too.
    pub alerts: AlertOptions,
    /// Who is told of alerts. With none, they are added to the file `alerts.ndjson` in the state folder.
    pub sinks: Vec<SinkOptions>,
    /// Which alerts go to which sinks; with none, all go to all.
    pub routes: Vec<RouteOptions>,
    /// Models that nobody configured.
    pub registration: RegistrationOptions,
    /// What it shows to Prometheus.
    pub metrics: MetricsOptions,
    /// What it says about itself.
    pub log: LogOptions,
    /// The models it watches.
    pub models: Vec<ModelOptions>,
}

/// A configuration that holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// As it was written, with the environment's changes.
    pub options: Options,
    /// The models, checked.
    pub models: Vec<ModelConfig>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
}

impl Config {
    /// Who is told of alerts.
    ///
    /// # Errors
    /// [`ConfigError::Faults`]; a configuration was checked when it was read, but secrets are read anew.
    pub fn notify_spec(&self) -> Result<NotifySpec, ConfigError> {
        self.options.notify_spec(&self.resolve(&self.options.state.path)).map_err(|found| {
            let mut faults = Faults::default();
            found.iter().for_each(|fault| faults.add_error(fault.place.clone(), &fault.error));
            ConfigError::Faults { name: "the configuration".to_owned(), faults: faults.into_list() }
        })
    }

    /// Reads a file, lets the environment's `DRIFTLINE_…` keys win over it, and checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults that were found.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self::parse(&text, &path.display().to_string(), folder, environment)
    }

    /// As [`Config::load`], from text. `name` is what errors call it.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults that were found.
    pub fn parse(
        text: &str,
        name: &str,
        folder: PathBuf,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|source| ConfigError::NotToml { name: name.to_owned(), source: Box::new(source) })?;
        let mut value = toml::Value::Table(table);
        let mut faults = Faults::default();
        env::apply(&mut value, environment, &mut faults);
        let options: Option<Options> = fault::read(value, &mut faults);
        let checked = options.map(|options| Self::check(options, folder, &mut faults));
        match checked {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(ConfigError::Faults { name: name.to_owned(), faults: faults.into_list() }),
        }
    }

    /// The configuration that options make, for those who build them in code.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults that were found.
    pub fn from_options(options: Options, folder: PathBuf) -> Result<Self, ConfigError> {
        let mut faults = Faults::default();
        let config = Self::check(options, folder, &mut faults);
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Faults { name: "configuration".to_owned(), faults: faults.into_list() })
        }
    }

    fn check(options: Options, folder: PathBuf, faults: &mut Faults) -> Self {
        service::check(&options, faults);
        let defaults = ModelDefaults { folder: folder.clone(), alerts: options.alerts.clone() };
        if options.registration.enabled {
            // What is said for all models must hold for those that register themselves, with default windows.
            let any = ModelOptions::new("registered-from-events", Task::Regression);
            model::check(&any, "", &defaults, faults);
        }
        let mut models: Vec<ModelConfig> = Vec::with_capacity(options.models.len());
        for (index, model) in options.models.iter().enumerate() {
            let place = format!("models[{index}]");
            if models.iter().any(|other| other.options.name == model.name) {
                faults.add(format!("{place}.name"), format!("another model is named {:?} too", model.name));
            }
            if let Some(model) = model::check(model, &place, &defaults, faults) {
                models.push(model);
            }
        }
        Self { options, models, folder }
    }

    /// What holds for models that do not say it themselves.
    #[must_use]
    pub fn model_defaults(&self) -> ModelDefaults {
        ModelDefaults { folder: self.folder.clone(), alerts: self.options.alerts.clone() }
    }

    /// A path of the configuration, from the configuration's folder if it is relative.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

#[cfg(test)]
mod tests;
