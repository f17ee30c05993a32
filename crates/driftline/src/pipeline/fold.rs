//! Folding what comes in, once.

use std::time::Duration;

use driftline_events::{EventTime, ModelBatch, ModelId};
use driftline_source::{EventKind, Idempotency, Origin, Receipt, Submission, Taken};

use super::{Pipeline, report_failure};
use crate::durability::Journaled;

/// Between attempts to read a disk that fails.
const RETRY: Duration = Duration::from_millis(250);

impl Pipeline {
    /// Folds what the journal hands on. `false` if it could not be folded and nobody waits any longer.
    pub(super) fn take(&mut self, input: Journaled) -> bool {
        match input {
            Journaled::Taken(submission, seq) => self.take_submission(*submission, Some(seq)),
            Journaled::Replayed(entry, seq) => {
                for batch in &entry.batches {
                    self.make_known(batch);
                }
                let folded =
                    self.fold_once(entry.event, &entry.batches, entry.arrival, entry.idempotency.as_ref());
                self.parts.checkpoints.folded_journal(seq);
                folded.is_some()
            }
            Journaled::Recovered => {
                self.recovered = true;
                // Who hears that the service is ready finds its figures there.
                self.evaluate(tokio::time::Instant::now());
                self.parts.health.note(|health| health.recovery.finished = true);
                true
            }
        }
    }

    /// A model that events registered must be known to the decoders again.
    fn make_known(&self, batch: &ModelBatch) {
        let schema = &batch.schema;
        let model: &ModelId = schema.model();
        let known = self.parts.registry.features(model.as_str());
        if schema.inferred() && known.is_none_or(|known| known < schema.features().len()) {
            self.parts.registry.put(std::sync::Arc::clone(schema));
        }
    }

    pub(super) fn take_submission(&mut self, submission: Submission, seq: Option<u64>) -> bool {
        let Submission { event, batches, origin, reply } = submission;
        let arrival = origin.arrival();
        let idempotency = match &origin {
            Origin::Http { idempotency, .. } => idempotency.as_ref(),
            Origin::Kafka { .. } => None,
        };
        let Some(receipt) = self.fold_once(event, &batches, arrival, idempotency) else { return false };
        let checkpoints = &mut self.parts.checkpoints;
        seq.into_iter().for_each(|seq| checkpoints.folded_journal(seq));
        if let Origin::Kafka { positions, durable, .. } = origin {
            checkpoints.folded_kafka(&positions);
            durable.into_iter().for_each(|durable| checkpoints.wait(durable));
        }
        reply.send(receipt);
        true
    }

    /// Folds rows unless their request came before. `None` if the disk cannot be read and nobody waits any longer.
    fn fold_once(
        &mut self,
        event: EventKind,
        batches: &[ModelBatch],
        arrival: EventTime,
        idempotency: Option<&Idempotency>,
    ) -> Option<Receipt> {
        if let Some(idempotency) = idempotency {
            let known = loop {
                match self.parts.requests.known(idempotency, arrival) {
                    Ok(known) => break known,
                    Err(error) => self.wait_for_disk(&error)?,
                }
            };
            if known.is_some() {
                return known;
            }
        }
        let taken: Vec<Taken> =
            batches.iter().map(|batch| self.fold(event, batch, arrival)).collect::<Option<_>>()?;
        if let Some(idempotency) = idempotency {
            self.parts.requests.remember(idempotency, arrival, &taken);
        }
        Some(Receipt::of(taken))
    }

    fn fold(&mut self, event: EventKind, batch: &ModelBatch, arrival: EventTime) -> Option<Taken> {
        loop {
            let outcome = match event {
                EventKind::Prediction => self.parts.engine.push_predictions(batch, Some(arrival)),
                EventKind::Label => self.parts.engine.push_labels(batch, Some(arrival)),
            };
            match outcome {
                Ok(taken) => {
                    self.parts.health.note(|health| health.read_fault = None);
                    return Some(taken);
                }
                // Nothing of the batch was folded: what is durable already must be folded before what comes next.
                Err(error) if error.is_storage() => self.wait_for_disk(&error)?,
                Err(error) => {
                    // One model's fault takes neither the service nor the other models with it.
                    self.refused_rows += batch.rows.num_rows() as u64;
                    report_failure(&error);
                    return Some(Taken::default());
                }
            }
        }
    }

    /// Waits a little for a disk that cannot be read. `None` if the service is to end.
    fn wait_for_disk(&self, error: &dyn std::error::Error) -> Option<()> {
        let cause = crate::durability::causes(error);
        tracing::error!(cause, "The state folder cannot be read; rows wait until it can.");
        self.parts
            .health
            .note(|health| health.read_fault = Some(format!("the state folder cannot be read: {cause}")));
        if self.parts.checkpoints.given_up() {
            return None;
        }
        std::thread::sleep(RETRY);
        Some(())
    }
}
