//! The JSON Schemas of everything that crosses the service's border, generated from the types.

use driftline_evaluate::{alert_event_schema, window_report_schema};
use driftline_events::{label_schema, prediction_schema};

/// File name and text of every schema.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    [
        ("prediction.v1.json", prediction_schema()),
        ("label.v1.json", label_schema()),
        ("window_report.v1.json", window_report_schema()),
        ("alert_event.v1.json", alert_event_schema()),
    ]
    .into_iter()
    .map(|(name, schema)| (name, format!("{schema:#}\n")))
    .collect()
}
