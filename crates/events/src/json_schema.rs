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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, FeatureValue, Status, Timestamp};

    #[test]
    fn schemas_name_themselves_and_describe_every_field() {
        for (schema, id, fields) in [
            (prediction_schema(), "urn:driftline:schema:prediction.v1", 15),
            (label_schema(), "urn:driftline:schema:label.v1", 7),
        ] {
            assert_eq!(schema["$id"], id);
            let properties = schema["properties"].as_object().expect("an object's schema");
            assert_eq!(properties.len(), fields, "{properties:?}");
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{name}: {property}");
            }
        }
        assert_eq!(prediction_schema()["required"], serde_json::json!(["model"]));
        assert_eq!(label_schema()["required"], serde_json::json!(["model", "prediction_id"]));
    }

    #[test]
    fn events_read_back_what_they_write() {
        let event = Prediction {
            timestamp: Some(Timestamp::Text("2026-01-01T10:00:00Z".into())),
            features: [("a".to_owned(), FeatureValue::Null), ("b".to_owned(), FeatureValue::Bool(true))]
                .into(),
            prediction: Some(Answer { label: Some("yes".into()), ..Answer::default() }),
            status: Some(Status::Timeout),
            ..Prediction::new("churn")
        };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Prediction>(&text).unwrap(), event);
    }
}
