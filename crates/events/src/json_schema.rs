//! The JSON Schemas of the event types.

use schemars::JsonSchema;
use serde_json::Value;

use crate::{Label, Prediction};

/// The JSON Schema of [`Prediction`].
#[must_use]
pub fn prediction_schema() -> Value {
    schema_of::<Prediction>("prediction.v1")
}

/// The JSON Schema of [`Label`].
#[must_use]
pub fn label_schema() -> Value {
    schema_of::<Label>("label.v1")
}

/// The `$id` names the format and its version; it is a name, not a place to download from.
fn schema_of<T: JsonSchema>(name: &str) -> Value {
    let mut schema =
        schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), Value::String(format!("urn:driftline:schema:{name}")));
    schema.to_value()
}
