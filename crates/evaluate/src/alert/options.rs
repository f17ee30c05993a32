//! What alerts, as configuration writes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::AlertSeverity;
use crate::performance_report::Basis;

/// What alerts for a model, as it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlertOptions {
    /// Whether the rules that need no configuration apply. Default true.
    pub defaults: bool,
    /// Names of default rules that do not apply.
    pub without: Vec<String>,
    /// The window that rules look at which name none. Default: of the model's windows the one nearest to an hour,
    /// which usually has rows and labels enough to judge by.
    pub window: Option<String>,
    /// The window that default rules look at for what must be seen at once: errors, latency, silence, features
    /// gone. Default: the model's shortest window.
    pub fast_window: Option<String>,
    /// Rules, in addition to the default ones; one with the name of a default rule takes its place.
    pub rules: Vec<RuleOptions>,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self { defaults: true, without: Vec::new(), window: None, fast_window: None, rules: Vec::new() }
    }
}

/// One rule, as it is written in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleOptions {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// What it looks at: `inputs`, `drift`, `drift_share`, `output_drift`, `missing`, `accuracy`, `latency`, ….
    pub metric: String,
    /// The feature, for `drift`, `missing`, `invalid`, `unseen`, `out_of_range`. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// The class, for performance metrics. Default: the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Which labels, for performance metrics. Default: those that arrived in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The quantile, for `latency` (0.5, 0.9, 0.95, 0.99, 0.999) and `measure` (0.5, 0.9, 0.99). Default: 0.95 of the
    /// latency, the mean of a measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// The custom measure, for `measure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The window it looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// What the figure is held against. Default: `static` with `above` or `below`; otherwise the report's own verdict
    /// for drift and data quality, the reference or else what is normal for performance, what is normal for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Fires above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Fires below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Which way the figure must leave the reference or what is normal. Default: the way that is worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// By how much at least, in the figure's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<f64>,
    /// How many times as much (or as little) at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<f64>,
    /// How many robust standard deviations of what is normal at least. Default 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<f64>,
    /// Which former windows say what is normal. Default `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season: Option<Season>,
    /// How many of the last windows must show it: `"2 of 3"`, or `{ n = 2, m = 3 }`. Default 1 of 1 for windows that
    /// tumble, 2 of 3 for windows that slide.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub sustained: Option<ForOptions>,
    /// When it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<RecoverOptions>,
    /// Fewest rows (labels, for performance) to judge by. Default 100 for performance and latency, 30 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows: Option<u64>,
    /// How much it matters. Default `major`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<AlertSeverity>,
    /// Which segments it looks at. Default `"none"`: all rows together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<SegmentOptions>,
    /// Set while nobody is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<MuteOptions>,
    /// Labels for routes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkOptions>,
    /// Text for who gets the alert. `{model}`, `{version}`, `{segment}`, `{rule}`, `{metric}`, `{value}`,
    /// `{threshold}` and `{window}` are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compare {
    /// `above` and `below`.
    Static,
    /// The verdict in the window report: effect and q-value.
    Verdict,
    /// The figure of the reference.
    Reference,
    /// What is normal: learned from former windows of the same length.
    Auto,
}

/// Which way a figure must leave what it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// It is too great.
    Above,
    /// It is too small.
    Below,
    /// Either.
    Both,
}

/// Which former windows say what is normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Season {
    /// `day`; while too few days are known all hours of the last days, once a whole day is known.
    Auto,
    /// The same hour of former weeks; while fewer than three are known the same hour of former days of the same kind
    /// (Monday to Friday, or the weekend; UTC). Nothing fires until three of either are known.
    Day,
    /// The same hour of former weeks only.
    Week,
    /// The latest windows, whatever the hour.
    None,
}

/// `"2 of 3"`, or `{ n = 2, m = 3 }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ForOptions {
    /// `"2 of 3"`, or `"3"` for 3 of 3.
    Text(String),
    /// The same in parts.
    Parts {
        /// Windows that must show it.
        n: u32,
        /// Of so many.
        m: u32,
    },
}

/// When an alert is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecoverOptions {
    /// The figure must be back on the good side of this. Default: of the threshold for static ones, a fifth of the way
    /// back from the threshold otherwise.
    pub level: Option<f64>,
    /// In so many windows in a row. Default: 3, or the m of "n of m" if that is more. An alert that comes back soon
    /// must stay away twice as long.
    pub windows: Option<u32>,
}

/// `"none"`, `"all"`, `{ tag = "country" }` or `{ tag = "country", value = "NL" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SegmentOptions {
    /// `"none"`: all rows together; `"all"`: every segment by itself.
    Word(String),
    /// The values of one tag, or one of them.
    Tag(SegmentTag),
}

/// The values of one tag, or one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentTag {
    /// The tag.
    pub tag: String,
    /// The value. Default: each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Why and until when nobody is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteOptions {
    /// Why.
    pub reason: String,
    /// Until when, in RFC 3339; for ever without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Where to read on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkOptions {
    /// What to do.
    pub runbook: Option<String>,
    /// Where it is drawn.
    pub dashboard: Option<String>,
}
