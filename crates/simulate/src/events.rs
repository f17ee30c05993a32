//! What the simulated service has to send.

use driftline_events::{Label, Prediction};
use serde::Serialize;

/// Predictions and labels of one span of event time, each in event-time order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// What was asked.
    pub predictions: Vec<Prediction>,
    /// What became known, mostly about earlier predictions.
    pub labels: Vec<Label>,
}

impl Events {
    /// The predictions as NDJSON; empty for none.
    #[must_use]
    pub fn predictions_ndjson(&self) -> Vec<u8> {
        ndjson(&self.predictions)
    }

    /// The labels as NDJSON; empty for none.
    #[must_use]
    pub fn labels_ndjson(&self) -> Vec<u8> {
        ndjson(&self.labels)
    }
}

/// One JSON object a line.
pub(crate) fn ndjson<T: Serialize>(rows: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row).expect("text keys and finite numbers are always JSON");
        bytes.push(b'\n');
    }
    bytes
}
