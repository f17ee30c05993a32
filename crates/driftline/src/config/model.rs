//! A model's settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::{
    AlertOptions, AlertSpec, AlertWindow, DriftOptions, DriftSpec, PerformanceOptions, PerformanceSpec,
    ReferenceOptions, ReferenceSpec,
};
use driftline_events::{Feature, ModelId, ModelSchema, Span, Task};
use driftline_tables::{ColumnMap, ColumnOptions};
use driftline_window::{TimeOptions, TimeSpec, WindowOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, Faults};

/// One model, as the configuration or `PUT /v1/models/{model}` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelOptions {
    /// Its name: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// What it predicts.
    pub task: Task,
    /// The class whose probability `score` is; a binary model needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Its features. With none, they are learned from the first events.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// Tags whose values are watched apart, like `country`.
    #[serde(default)]
    pub segments: Vec<String>,
    /// Values of one tag that are watched; the rest is pooled as `__other__`.
    #[serde(default = "default_segment_values")]
    pub max_segment_values: usize,
    /// Its windows. With none: 5 minutes every minute, an hour every 5 minutes, a day every hour.
    #[serde(default)]
    pub windows: Vec<WindowOptions>,
    /// What its windows are compared with.
    #[serde(default)]
    pub reference: ReferenceOptions,
    /// What alerts. With nothing written, what `[alerts]` says for all models, or else the default rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertOptions>,
    /// The columns of tables, for references and replays.
    #[serde(default)]
    pub columns: ColumnOptions,
    /// When a feature has drifted.
    #[serde(default)]
    pub drift: DriftOptions,
    /// When performance is known well enough.
    #[serde(default)]
    pub performance: PerformanceOptions,
    /// The shortest slice of event time that is kept.
    #[serde(default = "default_pane")]
    pub pane: Span,
    /// How far events may lag behind the latest one before their window closes without them.
    #[serde(default = "default_lateness")]
    pub allowed_lateness: Span,
    /// With no events for this long the watermark follows the clock; `off`: it never does.
    #[serde(default)]
    pub idle_timeout: IdleTimeout,
    /// How late an event may be, and how long panes are kept.
    #[serde(default = "default_retention")]
    pub retention: Span,
    /// How long after its prediction a label still counts.
    #[serde(default = "default_horizon")]
    pub label_horizon: Span,
    /// How old panes are merged into hours, and 24 times as old into days, as far as every window's length and
    /// step allow.
    #[serde(default = "default_roll_up")]
    pub roll_up_after: Span,
}

/// A length of time, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdleTimeout(Option<Span>);

impl IdleTimeout {
    /// The watermark never follows the clock.
    pub const OFF: Self = Self(None);
}

impl Default for IdleTimeout {
    fn default() -> Self {
        Self(TimeOptions::default().idle_timeout)
    }
}

impl TryFrom<String> for IdleTimeout {
    type Error = driftline_events::SpanError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "off" { Ok(Self::OFF) } else { text.parse().map(|span| Self(Some(span))) }
    }
}

impl From<IdleTimeout> for String {
    fn from(timeout: IdleTimeout) -> Self {
        timeout.0.map_or_else(|| "off".to_owned(), |span| span.to_string())
    }
}

impl JsonSchema for IdleTimeout {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IdleTimeout".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time, like 5m, or off.",
            "examples": ["5m", "off"]
        })
    }
}

/// Enough for countries, channels and plans; more is an id, which is no segment.
const fn default_segment_values() -> usize {
    100
}

fn default_pane() -> Span {
    TimeOptions::default().pane
}

fn default_lateness() -> Span {
    TimeOptions::default().allowed_lateness
}

fn default_retention() -> Span {
    TimeOptions::default().retention
}

fn default_horizon() -> Span {
    TimeOptions::default().label_horizon
}

fn default_roll_up() -> Span {
    TimeOptions::default().roll_up_after
}

impl ModelOptions {
    /// A model with default settings.
    #[must_use]
    pub fn new(name: &str, task: Task) -> Self {
        Self {
            name: name.to_owned(),
            task,
            positive: None,
            features: Vec::new(),
            segments: Vec::new(),
            max_segment_values: default_segment_values(),
            windows: Vec::new(),
            alerts: None,
            reference: ReferenceOptions::default(),
            columns: ColumnOptions::default(),
            drift: DriftOptions::default(),
            performance: PerformanceOptions::default(),
            pane: default_pane(),
            allowed_lateness: default_lateness(),
            idle_timeout: IdleTimeout::default(),
            retention: default_retention(),
            label_horizon: default_horizon(),
            roll_up_after: default_roll_up(),
        }
    }

    /// Reads settings, and all faults of their form; `None` where nothing can be made of them.
    #[must_use]
    pub fn read(settings: toml::Value) -> (Option<Self>, Vec<Fault>) {
        let mut faults = Faults::default();
        let options = super::fault::read(settings, &mut faults);
        (options, faults.into_list())
    }

    /// The settings of a model that was registered from its first events.
    #[must_use]
    pub fn inferred(schema: &ModelSchema) -> Self {
        Self {
            positive: schema.positive().map(|positive| positive.to_string()),
            features: schema.features().to_vec(),
            segments: schema.segments().iter().map(|segment| segment.to_string()).collect(),
            ..Self::new(schema.model().as_str(), schema.task())
        }
    }
}

/// What a model's settings do not say themselves.
#[derive(Clone, Debug, Default)]
pub struct ModelDefaults {
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// What alerts for a model that does not say it.
    pub alerts: AlertOptions,
}

/// A model's settings that hold together.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// As they were written.
    pub options: ModelOptions,
    /// What the decoder needs.
    pub schema: Arc<ModelSchema>,
    /// Event time and windows.
    pub time: TimeSpec,
    /// What windows are compared with.
    pub reference: ReferenceSpec,
    /// When a feature has drifted.
    pub drift: DriftSpec,
    /// When performance is known well enough.
    pub performance: PerformanceSpec,
    /// What alerts.
    pub alerts: Arc<AlertSpec>,
    /// The columns of tables.
    pub columns: ColumnMap,
}

impl ModelConfig {
    /// Checks a model's settings.
    ///
    /// # Errors
    /// [`super::ConfigError`] with all faults.
    pub fn try_new(options: &ModelOptions, defaults: &ModelDefaults) -> Result<Self, super::ConfigError> {
        let mut faults = Faults::default();
        let config = check(options, "", defaults, &mut faults);
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(super::ConfigError::Faults {
                name: format!("model {:?}", options.name),
                faults: faults.into_list(),
            }),
        }
    }

    /// How far before a window's start its reference may reach.
    #[must_use]
    pub fn look_back(&self) -> Duration {
        let longest = self.time.windows().iter().map(|window| window.length()).max().unwrap_or_default();
        match &self.reference {
            ReferenceSpec::Trailing { windows } => longest.saturating_mul(windows.get()),
            ReferenceSpec::Seasonal { weeks } => Span::from_days(7).duration().saturating_mul(weeks.get()),
            ReferenceSpec::Version { lookback, .. } => *lookback,
            _ => Duration::ZERO,
        }
    }
}

fn alert_windows(time: &TimeSpec) -> Vec<AlertWindow> {
    let windows = time.windows().iter();
    let one = |window: &driftline_window::WindowSpec| AlertWindow {
        name: window.name().to_string(),
        length: window.length(),
        every: window.every(),
    };
    windows.map(one).collect()
}

/// Checks a model's settings; all faults are added, with keys under `place`.
pub(super) fn check(
    options: &ModelOptions,
    place: &str,
    defaults: &ModelDefaults,
    faults: &mut Faults,
) -> Option<ModelConfig> {
    let key = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    let model = ModelId::try_new(&options.name).map_err(|error| faults.add_error(key("name"), &error)).ok();
    if options.task == Task::Binary && options.positive.is_none() && !options.features.is_empty() {
        faults.add(
            key("positive"),
            "a binary model needs the class whose probability its score is, like positive = \"1\"",
        );
    }
    for (index, feature) in options.features.iter().enumerate() {
        if feature.name.is_empty() {
            faults.add(key(&format!("features[{index}].name")), "a feature needs a name");
        } else if options.features[..index].iter().any(|other| other.name == feature.name) {
            faults.add(
                key(&format!("features[{index}].name")),
                format!("another feature is named {:?} too", feature.name),
            );
        }
    }
    if options.max_segment_values == 0 {
        faults.add(key("max_segment_values"), "must be at least 1");
    }
    let time = TimeOptions {
        pane: options.pane,
        allowed_lateness: options.allowed_lateness,
        idle_timeout: options.idle_timeout.0,
        retention: options.retention,
        label_horizon: options.label_horizon,
        roll_up_after: options.roll_up_after,
    };
    let time = TimeSpec::try_new(&time, &options.windows)
        .map_err(|found| found.iter().for_each(|fault| faults.add_error(key("windows"), fault)))
        .ok();
    let alerts = time.as_ref().and_then(|time| {
        let (alerts, place) = match &options.alerts {
            Some(own) => (own, key("alerts")),
            None => (&defaults.alerts, format!("alerts (for model {:?})", options.name)),
        };
        AlertSpec::try_new(alerts.clone(), &alert_windows(time))
            .map_err(|found| found.iter().for_each(|fault| faults.add_error(place.clone(), fault)))
            .ok()
    });
    let mut reference = ReferenceSpec::try_from(options.reference.clone())
        .map_err(|error| faults.add_error(key("reference"), &error))
        .ok();
    if let Some(ReferenceSpec::File { path }) = &mut reference {
        *path = defaults.folder.join(&*path);
        if options.features.is_empty() {
            faults.add(
                key("features"),
                "a reference of kind \"file\" compares the features that are named here, and there are none; \
                 write them, like features = [{ name = \"age\", kind = \"numeric\" }]",
            );
        }
    }
    let drift = DriftSpec::try_from(options.drift.clone())
        .map_err(|error| faults.add_error(key("drift"), &error))
        .ok();
    let performance = PerformanceSpec::try_from(options.performance.clone())
        .map_err(|error| faults.add_error(key("performance"), &error))
        .ok();
    let columns = ColumnMap::try_from(options.columns.clone())
        .map_err(|error| faults.add_error(key("columns"), &error))
        .ok();
    for name in options.drift.features.keys() {
        if !options.features.is_empty() && !options.features.iter().any(|feature| *feature.name == **name) {
            faults.add(key(&format!("drift.features.{name}")), "there is no such feature");
        }
    }
    let schema = ModelSchema::new(
        model?,
        options.task,
        options.positive.as_deref().map(Arc::from),
        options.features.clone(),
        options.segments.iter().map(|segment| Arc::from(segment.as_str())).collect(),
        options.features.is_empty(),
    );
    Some(ModelConfig {
        options: options.clone(),
        schema: Arc::new(schema),
        time: time?,
        reference: reference?,
        drift: drift?,
        performance: performance?,
        alerts: Arc::new(alerts?),
        columns: columns?,
    })
}
