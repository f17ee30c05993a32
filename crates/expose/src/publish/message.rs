//! Messages, and what they say of themselves: CloudEvents 1.0 in Kafka's binary mode.

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// The CloudEvents type of a window report.
pub const WINDOW_REPORT_TYPE: &str = "io.driftline.window_report.v1";

/// A message for a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// Messages of one key stay in order.
    pub key: String,
    /// The payload.
    pub value: Vec<u8>,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// A window report as a message: the key is the model, the payload the report as JSON. `source` says which service it
/// comes from, `time` when the report was made.
///
/// The event's id is the same whenever the same revision of the same report is published.
///
/// # Panics
/// Never: a report holds only what JSON can write.
#[must_use]
pub fn window_report_message(topic: &str, report: &WindowReport, source: &str, time: EventTime) -> Message {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        topic: topic.to_owned(),
        key: report.model.clone(),
        value: serde_json::to_vec(report).expect("a report holds only what JSON can write"),
        headers: vec![
            header("ce_specversion", "1.0"),
            header("ce_id", &id_of(report)),
            header("ce_type", WINDOW_REPORT_TYPE),
            header("ce_source", source),
            header("ce_subject", &report.model),
            header("ce_time", &time.to_string()),
            header("content-type", "application/json"),
        ],
    }
}

/// What tells a report from all others.
fn id_of(report: &WindowReport) -> String {
    let mut hash = Xxh3::new();
    let mut add = |part: &str| {
        // With its length, so that no two lists of parts look alike.
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    [&report.model, &report.version, &report.window.name].into_iter().for_each(|part| add(part));
    add(&report.window.end.as_millis().to_string());
    add(&report.revision.to_string());
    add(if report.is_final { "final" } else { "open" });
    report.segment.iter().for_each(|(tag, value)| {
        add(tag);
        add(value);
    });
    format!("{:032x}", hash.digest128())
}
