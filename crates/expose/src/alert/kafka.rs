//! A topic as a sink: the publisher of reports, with events.

use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::AlertEvent;

use super::cloud_event::alert_event_message;
use super::ledger::{Ledger, SinkSnapshot};
use crate::publish::{PublishError, PublishSpec, Publisher, QueueFull};

/// Publishes events to a topic.
#[derive(Debug)]
pub(super) struct Topic {
    publisher: Publisher,
    topic: String,
    source: String,
    ledger: Arc<Ledger>,
}

impl Topic {
    pub(super) fn start(spec: &PublishSpec, source: &str, ledger: Arc<Ledger>) -> Result<Self, PublishError> {
        let tell = Arc::clone(&ledger);
        let on_delivery = move |number, delivery| tell.tell(number, delivery);
        let publisher = Publisher::start(spec, Box::new(on_delivery))?;
        Ok(Self { publisher, topic: spec.topic().to_owned(), source: source.to_owned(), ledger })
    }

    pub(super) fn notify(&self, number: u64, event: &AlertEvent) -> Result<(), QueueFull> {
        self.publisher.publish(number, alert_event_message(&self.topic, event, &self.source))
    }

    /// What the publisher has counted.
    pub(super) fn snapshot(&self) -> SinkSnapshot {
        let counted = self.publisher.snapshot();
        SinkSnapshot {
            connected: counted.connected,
            waiting: counted.waiting,
            delivered: counted.delivered,
            failures: counted.failures,
            refused: counted.refused,
            error: counted.error,
            ..self.ledger.snapshot()
        }
    }

    pub(super) async fn finish(&mut self, patience: Duration) {
        self.publisher.finish(patience).await;
    }
}
