//! Folding what comes in, once.

use std::time::Duration;

use driftline_events::{EventTime, ModelBatch, ModelId};
use driftline_source::{EventKind, Idempotency, Origin, Receipt, Submission, Taken};
use driftline_window::Refused;

use super::{Pipeline, report_failure};
use crate::durability::Journaled;

/// What came of a batch.
enum Folded {
    /// Its counts, and the rows that were not folded, in their order.
    Of(Taken, Vec<(u32, Refused)>),
    /// The engine would not take it.
    Fault,
}

/// What became of the rows of each submission, of those that were joined into one batch.
fn apart(joined: &[u64], refused: &[(u32, Refused)]) -> Vec<Taken> {
    let (mut end, mut refused) = (0, refused.iter().peekable());
    let part = |rows: &u64| {
        end += rows;
        let mut taken = Taken { accepted: *rows, ..Taken::default() };
        while let Some((_, why)) = refused.next_if(|(row, _)| u64::from(*row) < end) {
            taken.accepted -= 1;
            match why {
                Refused::Duplicate => taken.duplicates += 1,
                Refused::TooLate => taken.too_late += 1,
            }
        }
        taken
    };
    joined.iter().map(part).collect()
}

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
                let folded = self.fold_once(
                    entry.event,
                    &entry.batches,
                    entry.arrival,
                    entry.idempotency.as_ref(),
                    &[],
                );
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
        let joined: Vec<u64> = reply.joined_rows().collect();
        let Some(receipt) = self.fold_once(event, &batches, arrival, idempotency, &joined) else {
            return false;
        };
        let checkpoints = &mut self.parts.checkpoints;
        seq.into_iter().for_each(|seq| checkpoints.folded_journal(seq));
        if let Origin::Kafka { positions, durable, .. } = origin {
            checkpoints.folded_kafka(&positions);
            durable.into_iter().for_each(|durable| checkpoints.wait(durable));
        }
        reply.send(receipt);
        true
    }

    /// Folds rows unless their request came before; `joined` says how many rows each of the submissions has that were
    /// joined into one batch. `None` if the disk cannot be read and nobody waits any longer.
    fn fold_once(
        &mut self,
        event: EventKind,
        batches: &[ModelBatch],
        arrival: EventTime,
        idempotency: Option<&Idempotency>,
        joined: &[u64],
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
        let mut taken = Vec::with_capacity(batches.len().max(joined.len()));
        for batch in batches {
            match self.fold(event, batch, arrival)? {
                Folded::Of(all, _) if joined.is_empty() => taken.push(all),
                Folded::Of(_, refused) => taken.extend(apart(joined, &refused)),
                Folded::Fault => taken.extend(vec![Taken::default(); joined.len().max(1)]),
            }
        }
        if let Some(idempotency) = idempotency {
            self.parts.requests.remember(idempotency, arrival, &taken);
        }
        Some(Receipt::of(taken))
    }

    fn fold(&mut self, event: EventKind, batch: &ModelBatch, arrival: EventTime) -> Option<Folded> {
        loop {
            let outcome = match event {
                EventKind::Prediction => self.parts.engine.push_predictions_by_row(batch, Some(arrival)),
                EventKind::Label => {
                    self.parts.engine.push_labels(batch, Some(arrival)).map(|taken| (taken, Vec::new()))
                }
            };
            match outcome {
                Ok((taken, refused)) => {
                    self.parts.health.note(|health| health.read_fault = None);
                    return Some(Folded::Of(taken, refused));
                }
                // Nothing of the batch was folded: what is durable already must be folded before what comes next.
                Err(error) if error.is_storage() => self.wait_for_disk(&error)?,
                Err(error) => {
                    // One model's fault takes neither the service nor the other models with it.
                    self.refused_rows += batch.rows.num_rows() as u64;
                    report_failure(&error);
                    return Some(Folded::Fault);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_joined_is_told_of_its_own_rows() {
        let refused = [(0, Refused::Duplicate), (3, Refused::TooLate), (4, Refused::Duplicate)];
        let taken = |accepted, duplicates, too_late| Taken { accepted, duplicates, too_late };
        assert_eq!(
            apart(&[1, 2, 2, 1], &refused),
            [taken(0, 1, 0), taken(2, 0, 0), taken(0, 1, 1), taken(1, 0, 0)]
        );
    }
}
