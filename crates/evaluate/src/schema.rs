//! The JSON Schema of the window report.

use crate::report::WindowReport;

/// The value of [`WindowReport::schema`].
pub const WINDOW_REPORT_SCHEMA: &str = "driftline.window_report.v1";

/// The `$id` of the window report's JSON Schema.
pub const WINDOW_REPORT_SCHEMA_ID: &str = "urn:driftline:schema:window_report.v1";

/// The JSON Schema (draft 2020-12) of [`WindowReport`]: what `schemas/window_report.v1.json` holds.
#[must_use]
pub fn window_report_schema() -> serde_json::Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<WindowReport>();
    schema.insert("$id".to_owned(), WINDOW_REPORT_SCHEMA_ID.into());
    schema.to_value()
}
