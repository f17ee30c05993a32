//! What rules say now, for those who look.

use std::collections::BTreeMap;

use driftline_events::EventTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{AlertSeverity, AlertState, Mute};
use super::reading::Unknown;
use crate::rfc3339;

/// One rule on one version and segment, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleStatus {
    /// The rule.
    pub rule: String,
    /// What it looks at.
    pub metric: String,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// The version; empty for all together, or when none was sent.
    pub version: String,
    /// The segment; empty for all rows.
    pub segment: BTreeMap<String, String>,
    /// The window it looks at.
    pub window: String,
    /// Pending or firing; absent while there is nothing to tell of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertState>,
    /// Why it cannot say anything of the latest window; absent where it can. Then "nothing to tell of" is no "healthy".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Unknown>,
    /// The start of the first window that counts for its state.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub since: Option<EventTime>,
    /// The end of the latest window that it looked at.
    #[serde(with = "rfc3339")]
    #[schemars(schema_with = "rfc3339::schema")]
    pub through: EventTime,
    /// Set while nobody is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
}

/// How often things happened to a rule's alerts, so that a useless rule can be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleCounts {
    /// It fired.
    pub fired: u64,
    /// It ended, for whatever reason.
    pub resolved: u64,
    /// Late data showed that it should not have fired; these are resolved too.
    pub retracted: u64,
    /// Late data showed that it rightly fired.
    pub confirmed: u64,
    /// Somebody took care of it.
    pub acknowledged: u64,
    /// It fired, or was firing, while nobody was to be told.
    pub muted: u64,
}
