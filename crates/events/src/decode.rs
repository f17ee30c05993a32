//! Bytes to checked Arrow batches, one for each model.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;

use crate::{Carrier, EventTime, Limits, ModelRegistry, ModelSchema, PayloadError};
use crate::{flat, json};

/// What the decoder needs to know besides the bytes.
#[derive(Clone, Copy)]
pub struct DecodeContext<'a> {
    /// The models.
    pub registry: &'a dyn ModelRegistry,
    /// The limits.
    pub limits: &'a Limits,
    /// When the payload arrived: the time of events that carry none.
    pub arrival: EventTime,
    /// How far ahead of `arrival` an event may be.
    pub max_future: Duration,
    /// The model of events that name none, where the sender's way in names it.
    pub default_model: Option<&'a str>,
}

impl std::fmt::Debug for DecodeContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeContext")
            .field("limits", self.limits)
            .field("arrival", &self.arrival)
            .field("max_future", &self.max_future)
            .field("default_model", &self.default_model)
            .finish_non_exhaustive()
    }
}

impl<'a> DecodeContext<'a> {
    /// The context of a message that lay in a queue: its events that carry no time are of `arrival`, when it was
    /// written there, so that it reads the same whenever it is read; yet an event may be as far ahead as it could if
    /// it arrived now, which is at this context's arrival. A `default_model` of the message's own wins.
    #[must_use]
    pub fn of_message(&self, arrival: EventTime, default_model: Option<&'a str>) -> Self {
        Self {
            arrival,
            max_future: self.max_future.saturating_add(self.arrival.since(arrival)),
            default_model: default_model.or(self.default_model),
            ..*self
        }
    }
}

/// A message of a queue whose payload is JSON: one object, an array, or NDJSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonMessage<'a> {
    /// The payload.
    pub json: &'a [u8],
    /// When the message was written to the queue: the time of an event that carries none.
    pub arrival: EventTime,
    /// The model of an event that names none.
    pub default_model: Option<&'a str>,
}

/// What came out of several messages that were read together. Rows are counted through all of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DecodedMessages {
    /// What came out.
    pub decoded: Decoded,
    /// What each message brought, in their order, where that can be told: of predictions, if no message has rows of
    /// several models, nor any of a model that was not known before.
    pub parts: Option<Vec<MessagePart>>,
    /// The first row of each message.
    starts: Vec<u64>,
}

/// What one of several messages brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePart {
    /// The batch that has its rows, by its place in [`Decoded::batches`]; `None` if none was taken.
    pub batch: Option<usize>,
    /// How many rows of the batch are its own: they follow those of the messages before it.
    pub rows: u64,
    /// Fields of its rows that were not used.
    pub ignored_fields: u64,
}

impl DecodedMessages {
    fn of(json::Read { decoded, starts, parts }: json::Read) -> Self {
        Self { decoded, parts, starts }
    }

    /// The message that a row is of, by its place in the slice, and the row's position in that message.
    #[must_use]
    pub fn place_of(&self, row: u64) -> (usize, u64) {
        // Messages without rows start where the next one does: the last that starts here has the row.
        let message = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        (message, row - self.starts.get(message).copied().unwrap_or_default())
    }
}

/// What came out of one payload. Every row is either in a batch or rejected.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Decoded {
    /// One batch for each model; none is empty.
    pub batches: Vec<ModelBatch>,
    /// At most [`Limits::rejected_details`] of the rejected rows, by position.
    pub rejected: Vec<RejectedRow>,
    /// How many rows were rejected.
    pub rejected_total: u64,
    /// Fields of accepted events that were not used: unknown top-level fields, unknown features, and values
    /// that are optional and unusable (a negative latency, a metric that is no number).
    pub ignored_fields: u64,
}

impl Decoded {
    /// How many rows are in the batches.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.batches.iter().map(|batch| batch.rows.num_rows() as u64).sum()
    }
}

/// The rows of one model, laid out as in [`crate::layout`], in the order of the payload.
#[derive(Clone, Debug)]
pub struct ModelBatch {
    /// The schema that the columns follow.
    pub schema: Arc<ModelSchema>,
    /// The rows.
    pub rows: RecordBatch,
}

/// A row that cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its position in the payload, from 0: blank lines are no rows.
    pub row: u64,
    /// Its model, where that could be read.
    pub model: Option<String>,
    /// Why: stable and few.
    pub reason: &'static str,
    /// What was found, cut to some 200 characters.
    pub detail: String,
}

/// Reads prediction events.
///
/// # Errors
/// [`PayloadError`] if the payload cannot be used at all; rows that cannot are in [`Decoded::rejected`].
pub fn decode_predictions(
    payload: &[u8],
    carrier: Carrier,
    context: &DecodeContext<'_>,
) -> Result<Decoded, PayloadError> {
    check_length(payload, context)?;
    match carrier {
        Carrier::Json => {
            json::decode_predictions(json::Payload::Bytes(payload), context).map(|read| read.decoded)
        }
        Carrier::ArrowStream => flat::decode_predictions(payload, context),
    }
}

/// Reads label events.
///
/// # Errors
/// [`PayloadError`] if the payload cannot be used at all; rows that cannot are in [`Decoded::rejected`].
pub fn decode_labels(
    payload: &[u8],
    carrier: Carrier,
    context: &DecodeContext<'_>,
) -> Result<Decoded, PayloadError> {
    check_length(payload, context)?;
    match carrier {
        Carrier::Json => json::decode_labels(json::Payload::Bytes(payload), context).map(|read| read.decoded),
        Carrier::ArrowStream => flat::decode_labels(payload, context),
    }
}

/// Reads prediction events that came as messages, into one batch for each model. Each message has its own time of
/// arrival; the context's is now. A broken message takes no other with it.
///
/// # Errors
/// [`PayloadError`] if the messages are over the limits together.
pub fn predictions_from_messages(
    messages: &[JsonMessage<'_>],
    context: &DecodeContext<'_>,
) -> Result<DecodedMessages, PayloadError> {
    json::decode_predictions(json::Payload::Messages(messages), context).map(DecodedMessages::of)
}

/// Reads label events that came as messages, as [`predictions_from_messages`] does predictions.
///
/// # Errors
/// [`PayloadError`] if the messages are over the limits together.
pub fn labels_from_messages(
    messages: &[JsonMessage<'_>],
    context: &DecodeContext<'_>,
) -> Result<DecodedMessages, PayloadError> {
    json::decode_labels(json::Payload::Messages(messages), context).map(DecodedMessages::of)
}

/// Reads prediction events from a table with the flat columns of an Arrow payload (`feature.age`, …).
///
/// # Errors
/// [`PayloadError`] if a column cannot hold what its name says, or the table is over the limits.
pub fn predictions_from_arrow(
    table: &RecordBatch,
    context: &DecodeContext<'_>,
) -> Result<Decoded, PayloadError> {
    flat::table_of_predictions(table, context)
}

/// Reads label events from a table with the flat columns of an Arrow payload.
///
/// # Errors
/// [`PayloadError`] if a column cannot hold what its name says, or the table is over the limits.
pub fn labels_from_arrow(table: &RecordBatch, context: &DecodeContext<'_>) -> Result<Decoded, PayloadError> {
    flat::table_of_labels(table, context)
}

/// Payloads come here decompressed; this guards callers that did not use [`crate::decompress`].
fn check_length(payload: &[u8], context: &DecodeContext<'_>) -> Result<(), PayloadError> {
    let limit = context.limits.decompressed_bytes;
    if payload.len() > limit { Err(PayloadError::DecompressedTooLarge { limit }) } else { Ok(()) }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod rejected_row_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
