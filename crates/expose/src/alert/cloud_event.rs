//! Alert events as CloudEvents 1.0.

use driftline_evaluate::{ALERT_EVENT_SCHEMA_ID, AlertEvent};
use serde::Serialize;

use crate::publish::Message;

/// The CloudEvents type of an alert event.
pub const ALERT_EVENT_TYPE: &str = "io.driftline.alert.v1";

/// The content type of the structured mode.
pub(super) const STRUCTURED: &str = "application/cloudevents+json";

/// The structured mode: one JSON object with the event in `data`.
#[derive(Debug, Serialize)]
struct Structured<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: &'static str,
    data: &'a AlertEvent,
}

/// An alert event in structured mode. All of it is the same each time the event is sent.
///
/// # Panics
/// Never: an event holds only what JSON can write.
pub(super) fn structured(event: &AlertEvent, source: &str) -> Vec<u8> {
    let structured = Structured {
        specversion: "1.0",
        id: &event.id,
        source,
        r#type: ALERT_EVENT_TYPE,
        subject: &event.incident.model,
        time: event.time.to_string(),
        datacontenttype: "application/json",
        dataschema: ALERT_EVENT_SCHEMA_ID,
        data: event,
    };
    serde_json::to_vec(&structured).expect("an event holds only what JSON can write")
}

/// An alert event as a message in Kafka's binary mode: the key is the model, the payload the event as JSON. `source`
/// says which service it comes from.
///
/// # Panics
/// Never: an event holds only what JSON can write.
#[must_use]
pub fn alert_event_message(topic: &str, event: &AlertEvent, source: &str) -> Message {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        topic: topic.to_owned(),
        key: event.incident.model.clone(),
        value: serde_json::to_vec(event).expect("an event holds only what JSON can write"),
        headers: vec![
            header("ce_specversion", "1.0"),
            header("ce_id", &event.id),
            header("ce_type", ALERT_EVENT_TYPE),
            header("ce_source", source),
            header("ce_subject", &event.incident.model),
            header("ce_time", &event.time.to_string()),
            header("ce_dataschema", ALERT_EVENT_SCHEMA_ID),
            header("content-type", "application/json"),
        ],
    }
}
