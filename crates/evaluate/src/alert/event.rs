//! The alert event: one incident as it is now, whenever something about it changes.

use std::collections::BTreeMap;

use driftline_events::EventTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::WindowSpan;
use crate::rfc3339;

/// The value of [`AlertEvent::schema`].
pub const ALERT_EVENT_SCHEMA: &str = "driftline.alert_event.v1";

/// The `$id` of the alert event's JSON Schema.
pub const ALERT_EVENT_SCHEMA_ID: &str = "urn:driftline:schema:alert_event.v1";

/// The JSON Schema (draft 2020-12) of [`AlertEvent`]: what `schemas/alert_event.v1.json` holds.
#[must_use]
pub fn alert_event_schema() -> serde_json::Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<AlertEvent>();
    schema.insert("$id".to_owned(), ALERT_EVENT_SCHEMA_ID.into());
    schema.to_value()
}

/// One incident as it is after a change, and which change that was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertEvent {
    /// Always `driftline.alert_event.v1`.
    pub schema: String,
    /// Tells the event from all others, and is the same each time it is sent.
    pub id: String,
    /// What changed.
    pub action: EventAction,
    /// When, in event time of the model: the end of the window that changed it; for what people did, the clock's time.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub time: EventTime,
    /// The incident after the change.
    pub incident: Incident,
}

/// What changed about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventAction {
    /// Its first alert fires.
    Opened,
    /// Another alert joined, one ended while others go on, or its severity rose.
    Updated,
    /// Late events or labels changed the window that fired, and it still fires.
    Confirmed,
    /// Late events or labels changed the window that fired, and it would not have fired: the incident is over.
    Retracted,
    /// Somebody looks after it.
    Acknowledged,
    /// Its last alert ended.
    Resolved,
    /// A trial of a sink: nothing happened.
    Test,
}

/// Alerts of one model that fire together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Tells it from all others.
    pub id: String,
    /// The model.
    pub model: String,
    /// Where it stands.
    pub state: IncidentState,
    /// The greatest severity that it had.
    pub severity: AlertSeverity,
    /// The start of the first window that showed it.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub started: EventTime,
    /// When the last alert ended.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub ended: Option<EventTime>,
    /// One sentence that a person understands.
    pub summary: String,
    /// Its alerts, the gravest first.
    pub alerts: Vec<Alert>,
    /// What it most likely comes from, the likeliest first.
    pub causes: Vec<Cause>,
    /// Who looks after it and why, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Mute>,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IncidentState {
    /// At least one alert fires.
    Firing,
    /// The same, and somebody looks after it.
    Acknowledged,
    /// None fires any more.
    Resolved,
}

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// To know.
    Minor,
    /// To look at today.
    Major,
    /// To get up for.
    Critical,
}

/// One rule that fires for one model, version and segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// The same for the same rule, model, version and segment, from one time it fires to the next.
    pub fingerprint: String,
    /// The rule's name.
    pub rule: String,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// Where it stands.
    pub state: AlertState,
    /// The model's version; empty when none was sent.
    pub version: String,
    /// The segment: tag name to value; empty for all rows.
    pub segment: BTreeMap<String, String>,
    /// The last window that was looked at.
    pub window: WindowSpan,
    /// The start of the first window that counted for it.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub started: EventTime,
    /// When it ended.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub ended: Option<EventTime>,
    /// What the rule looks at, such as `accuracy` or `drift(income)`.
    pub metric: String,
    /// Its figure in the window; absent where the state is that there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The ends of its 95 % interval, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// What it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Where the threshold comes from, in words: `static`, `reference 0.90`, `normal 0.88 to 0.91 over 40 windows`.
    pub threshold_source: String,
    /// One sentence on this alert alone.
    pub summary: String,
    /// The rule's documentation, with its placeholders filled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The rule's labels, for routes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where to read on.
    #[serde(default)]
    pub links: Links,
    /// Set while nobody is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertState {
    /// Its condition holds, not for enough windows yet.
    Pending,
    /// Its condition holds.
    Firing,
    /// Its condition held.
    Resolved,
}

/// Where to read on about an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Links {
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Where it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<String>,
}

/// Somebody's word on an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mute {
    /// Why.
    pub reason: String,
    /// Until when; for ever without it.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub until: Option<EventTime>,
}

/// What an incident may come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// What sort of thing.
    pub kind: CauseKind,
    /// Its name: a feature, a segment such as `country=NL`, a version.
    pub name: String,
    /// Its share of all that changed, 0 to 1, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// One line: `income: above 84,000: 10 % -> 2 %`.
    pub text: String,
    /// The start of the first window that showed it.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub since: EventTime,
}

/// What sort of thing a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CauseKind {
    /// A feature's values went missing.
    Missing,
    /// A feature's values are not of its type.
    Invalid,
    /// A feature has categories that the reference never had.
    Unseen,
    /// A feature's distribution changed.
    Drift,
    /// A segment is worse than the others.
    Segment,
    /// Another version answers.
    Version,
    /// The traffic changed.
    Traffic,
    /// Latency changed.
    Latency,
    /// Requests end in errors.
    Errors,
    /// Labels stopped coming.
    Labels,
    /// What the model answers changed.
    Output,
}
