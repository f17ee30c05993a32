//! Small requests that come at the same time are read together.
//!
//! Reading one event costs some two microseconds, and a batch of one row many times that: each of its columns is made,
//! checked and given back by itself. So whoever brings a few predictions leaves them here, and what has come until a task
//! gets to look is read into one batch for each model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use driftline_events::{
    Carrier, DecodeContext, Decoded, Encoding, EventTime, JsonMessage, MessagePart, RejectedRow,
    predictions_from_messages,
};
use driftline_http::Problem;
use tokio::sync::oneshot;

use crate::answer::IngestAnswer;
use crate::ingest::{INLINE_BYTES, Ingest, Unplaced};
use crate::memory::Reservation;
use crate::submission::{EventKind, Origin, Receipt, Reply, Submission};

/// A payload up to this is small: of a common model's events some twenty.
pub(crate) const SMALL_BYTES: usize = 16 << 10;

/// A small request of predictions.
pub(crate) struct Small {
    pub(crate) payload: Vec<u8>,
    pub(crate) arrival: EventTime,
    pub(crate) default_model: Option<String>,
    pub(crate) route: &'static str,
    pub(crate) request_id: Option<String>,
    pub(crate) memory: Reservation,
}

/// What its sender is told.
pub(crate) enum Told {
    /// What became of its rows.
    Of(IngestAnswer, Receipt),
    /// The queue to the pipeline is full.
    Busy,
    /// There is no memory for the rows.
    NoMemory(Problem),
    /// It has to be read by itself.
    Alone(Small),
}

type Waiting = (Small, oneshot::Sender<Told>);

/// The small requests that nobody has looked at yet.
#[derive(Default)]
pub(crate) struct Together(Mutex<Vec<Waiting>>);

impl Together {
    /// Puts a request to the others; `true` if it is the first of them.
    fn put(&self, waiting: Waiting) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(waiting);
        all.len() == 1
    }

    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ingest {
    /// Whether a payload may be read together with others.
    pub(crate) fn is_small(
        &self,
        payload: &[u8],
        event: EventKind,
        carrier: Carrier,
        encoding: Encoding,
    ) -> bool {
        event == EventKind::Prediction
            && (carrier, encoding) == (Carrier::Json, Encoding::Identity)
            && payload.len() <= SMALL_BYTES.min(self.limits().decompressed_bytes)
    }

    /// Reads a small request together with those that come at the same time. `None` if the service stops before.
    pub(crate) async fn take_together(self: &Arc<Self>, small: Small) -> Option<Told> {
        let (told, outcome) = oneshot::channel();
        if self.together.put((small, told)) {
            let ingest = Arc::clone(self);
            tokio::spawn(async move {
                // Whoever is ready has its turn first: what it brings is read along.
                tokio::task::yield_now().await;
                ingest.read_all().await;
            });
        }
        outcome.await.ok()
    }

    async fn read_all(self: &Arc<Self>) {
        let mut group = Vec::new();
        let mut bytes = 0;
        for waiting in self.together.take() {
            bytes += waiting.0.payload.len();
            group.push(waiting);
            if bytes >= INLINE_BYTES {
                self.read_group(std::mem::take(&mut group)).await;
                bytes = 0;
            }
        }
        self.read_group(group).await;
    }

    async fn read_group(self: &Arc<Self>, group: Vec<Waiting>) {
        // What makes reading fail or panic is found by itself, and takes no other with it.
        let read = catch_unwind(AssertUnwindSafe(|| self.read(&group))).unwrap_or_default();
        let Some((decoded, parts)) = read else {
            for (small, told) in group {
                drop(told.send(Told::Alone(small)));
            }
            return;
        };
        let (mut senders, mut held) = (Vec::with_capacity(group.len()), None::<Reservation>);
        for (Small { arrival, route, request_id, memory, .. }, told) in group {
            match &mut held {
                Some(held) => held.merge(memory),
                None => held = Some(memory),
            }
            senders.push(Sender { arrival, route, request_id, told });
        }
        let Some(mut held) = held else { return };
        // From here on the rows are held, and the bodies are not.
        let bytes = decoded.batches.iter().map(|batch| batch.rows.get_array_memory_size()).sum();
        if let Err(problem) = held.resize(bytes).await {
            for Sender { told, .. } in senders {
                drop(told.send(Told::NoMemory(problem.clone())));
            }
            return;
        }
        for submission in self.submissions(senders, decoded, parts, held) {
            if let Err(submission) = self.hand_over(submission).await {
                // Of a queue that has gone its sender hears by the drop.
                submission.into_iter().for_each(|full| full.reply.busy());
            }
        }
    }

    /// Reads a group; `None` if it has to be read one by one.
    fn read(&self, group: &[Waiting]) -> Option<(Decoded, Vec<Part>)> {
        let messages: Vec<JsonMessage<'_>> = group
            .iter()
            .map(|(small, _)| JsonMessage {
                json: &small.payload,
                arrival: small.arrival,
                default_model: small.default_model.as_deref(),
            })
            .collect();
        let intake = self.intake();
        let context = DecodeContext {
            registry: &*intake.registry,
            limits: self.limits(),
            arrival: group.iter().map(|(small, _)| small.arrival).max()?,
            max_future: intake.max_future,
            default_model: None,
        };
        let mut read = predictions_from_messages(&messages, &context).ok()?;
        let parts = read.parts.take()?;
        if read.decoded.rejected_total > read.decoded.rejected.len() as u64 {
            // Each sender is to be told of its own.
            return None;
        }
        let mut parts: Vec<Part> =
            parts.into_iter().map(|part| Part { part, rejected: Vec::new() }).collect();
        for rejected in std::mem::take(&mut read.decoded.rejected) {
            let (message, row) = read.place_of(rejected.row);
            parts[message].rejected.push(RejectedRow { row, ..rejected });
        }
        Some((read.decoded, parts))
    }

    /// A submission for each batch, which tells all its senders. Those of whose rows none was taken are told now. `held` is
    /// the memory of all batches.
    fn submissions(
        self: &Arc<Self>,
        group: Vec<Sender>,
        decoded: Decoded,
        parts: Vec<Part>,
        mut held: Reservation,
    ) -> Vec<Submission> {
        let mut senders: Vec<(Option<EventTime>, Vec<Reply>)> = Vec::new();
        senders.resize_with(decoded.batches.len(), Default::default);
        for (sender, Part { part, rejected }) in group.into_iter().zip(parts) {
            let Sender { arrival, route, request_id, told } = sender;
            let rejected_total = rejected.len() as u64;
            let answer = IngestAnswer::new(rejected.clone(), rejected_total, part.ignored_fields);
            let unplaced = Unplaced {
                event: EventKind::Prediction,
                route,
                arrival,
                request_id,
                rejected,
                rejected_total,
                ignored_fields: part.ignored_fields,
            };
            let Some(batch) = part.batch else {
                self.count(&unplaced);
                drop(told.send(Told::Of(answer, Receipt::default())));
                continue;
            };
            let ingest = Arc::clone(self);
            let rows = vec![(decoded.batches[batch].schema.model().to_string(), part.rows)];
            // A sender that hung up asks again, and its rows are then duplicates: nothing to do here.
            let tell = Box::new(move |receipt: Option<Receipt>| {
                drop(told.send(receipt.map_or(Told::Busy, |receipt| Told::Of(answer, receipt))));
            });
            let on_taken = Box::new(move || ingest.count(&unplaced));
            let (first, replies) = &mut senders[batch];
            // All senders of a batch are told at once: the first of them holds its memory.
            let bytes = match replies.as_slice() {
                [] => decoded.batches[batch].rows.get_array_memory_size(),
                _ => 0,
            };
            let memory = held.split(bytes);
            let reply = Reply::of_rows(EventKind::Prediction, rows, self.stats(), memory, on_taken, tell);
            first.get_or_insert(arrival);
            replies.push(reply);
        }
        let submission = |(batch, (first, replies)): (_, (Option<EventTime>, _))| Submission {
            event: EventKind::Prediction,
            batches: vec![batch],
            // The time moves on with it before a row is looked at: by the last arrival the first rows could be too late.
            origin: Origin::Http {
                arrival: first.expect("a batch has rows, and they have a sender"),
                idempotency: None,
            },
            reply: Reply::joined(replies),
        };
        decoded.batches.into_iter().zip(senders).map(submission).collect()
    }
}

/// Who sent a request of a group, once that was read.
struct Sender {
    arrival: EventTime,
    route: &'static str,
    request_id: Option<String>,
    told: oneshot::Sender<Told>,
}

/// What one request of a group brought.
struct Part {
    part: MessagePart,
    rejected: Vec<RejectedRow>,
}

#[cfg(test)]
mod tests;
