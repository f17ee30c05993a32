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
        Carrier::Json => json::decode_predictions(payload, context),
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
        Carrier::Json => json::decode_labels(payload, context),
        Carrier::ArrowStream => flat::decode_labels(payload, context),
    }
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
mod mutation_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
