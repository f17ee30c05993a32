//! Messages to rows: many at once, and by themselves where one would spoil the others.

use std::borrow::Cow;

use driftline_events::{
    Carrier, DecodeContext, Decoded, DecodedMessages, EventTime, JsonMessage, Limits, ModelBatch,
    PayloadError, RejectedRow, decode_labels, decode_predictions, labels_from_messages,
    predictions_from_messages,
};

use super::message::{Content, RawMessage, Unusable};
use crate::submission::EventKind;

/// Rejected rows that are told apart in messages which are read together. Beyond it they are read one by one, so that
/// each message still says what is wrong with it.
const DETAILS_TOGETHER: usize = 10_000;

/// Bytes of JSON, after decompression, that are read together: small messages may be large inside.
const BYTES_TOGETHER: usize = 16 << 20;

/// Rejected rows of one message that are told apart.
const DETAILS_ALONE: usize = 100;

/// What came out of some messages.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// The rows; mostly one batch for each model.
    pub(crate) batches: Vec<ModelBatch>,
    /// Fields that nothing uses.
    pub(crate) ignored_fields: u64,
    /// Messages without a value.
    pub(crate) tombstones: u64,
    /// Messages that could not be used, or not wholly, in order.
    pub(crate) faulty: Vec<Faulty>,
}

/// A message that could not be used, or not wholly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Faulty {
    /// Its place among the messages.
    pub(crate) message: usize,
    /// Rejected rows; none if the message could not be read at all.
    pub(crate) rows: Vec<RejectedRow>,
    /// How many there were.
    pub(crate) rows_total: u64,
    /// Why the message could not be read at all.
    pub(crate) unusable: Option<Unusable>,
}

impl Faulty {
    /// Why, in short: the first fault.
    pub(crate) fn reason(&self) -> &'static str {
        let row = || self.rows.first().map(|row| row.reason);
        self.unusable.as_ref().map(|unusable| unusable.reason).or_else(row).unwrap_or("rejected")
    }

    /// What was found.
    pub(crate) fn detail(&self) -> &str {
        let row = || self.rows.first().map(|row| row.detail.as_str());
        self.unusable.as_ref().map(|unusable| unusable.detail.as_str()).or_else(row).unwrap_or_default()
    }
}

/// A JSON payload of a message.
struct Piece<'m> {
    message: usize,
    json: Cow<'m, [u8]>,
}

/// Reads messages. The context's arrival is now.
pub(crate) fn decode(event: EventKind, raws: &[RawMessage<'_>], context: &DecodeContext<'_>) -> Messages {
    let mut read = Messages::default();
    let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(raws.len());
    let mut bytes = 0;
    for (message, raw) in raws.iter().enumerate() {
        match raw.content(context.limits) {
            Ok(Content::Tombstone) => read.tombstones += 1,
            Ok(Content::Json(json)) => {
                bytes += json.len();
                pieces.push(Piece { message, json });
            }
            Ok(Content::JsonBatch(payloads)) => {
                bytes += payloads.iter().map(|json| json.len()).sum::<usize>();
                pieces.extend(payloads.into_iter().map(|json| Piece { message, json }));
            }
            Ok(Content::Arrow(bytes)) => read.add_arrow(event, message, &bytes, raw, context),
            Err(unusable) => read.add_unusable(message, unusable),
        }
        if bytes >= BYTES_TOGETHER {
            read.add_all(event, &std::mem::take(&mut pieces), raws, context);
            bytes = 0;
        }
    }
    read.add_all(event, &pieces, raws, context);
    read.faulty.sort_by_key(|faulty| faulty.message);
    read
}

/// When a message was written. A time that is further ahead than an event may be says nothing: the clock that it is from
/// is wrong, and events without a time of their own would take the watermark along.
fn arrival_of(raw: &RawMessage<'_>, context: &DecodeContext<'_>) -> EventTime {
    let latest = context.arrival.saturating_add(context.max_future);
    raw.time.filter(|&time| time <= latest).unwrap_or(context.arrival)
}

fn limits(context: &DecodeContext<'_>, details: usize) -> Limits {
    let mut limits = context.limits.clone();
    limits.rejected_details = details;
    limits
}

fn decode_pieces(
    event: EventKind,
    pieces: &[Piece<'_>],
    raws: &[RawMessage<'_>],
    context: &DecodeContext<'_>,
) -> Result<DecodedMessages, PayloadError> {
    let messages: Vec<_> = pieces
        .iter()
        .map(|piece| {
            let raw = &raws[piece.message];
            let arrival = arrival_of(raw, context);
            JsonMessage { json: &piece.json, arrival, default_model: raw.default_model }
        })
        .collect();
    match event {
        EventKind::Prediction => predictions_from_messages(&messages, context),
        EventKind::Label => labels_from_messages(&messages, context),
    }
}

impl Messages {
    fn add_unusable(&mut self, message: usize, unusable: Unusable) {
        self.faulty.push(Faulty { message, rows: Vec::new(), rows_total: 0, unusable: Some(unusable) });
    }

    fn add_arrow(
        &mut self,
        event: EventKind,
        message: usize,
        bytes: &[u8],
        raw: &RawMessage<'_>,
        context: &DecodeContext<'_>,
    ) {
        let limits = limits(context, DETAILS_ALONE);
        let context = context.of_message(arrival_of(raw, context), raw.default_model);
        let context = DecodeContext { limits: &limits, ..context };
        self.add_one(
            message,
            match event {
                EventKind::Prediction => decode_predictions(bytes, Carrier::ArrowStream, &context),
                EventKind::Label => decode_labels(bytes, Carrier::ArrowStream, &context),
            },
        );
    }

    /// Adds JSON payloads: together, or one by one where that says too little of single messages or takes too much.
    fn add_all(
        &mut self,
        event: EventKind,
        pieces: &[Piece<'_>],
        raws: &[RawMessage<'_>],
        context: &DecodeContext<'_>,
    ) {
        let limits = limits(context, DETAILS_TOGETHER);
        match decode_pieces(event, pieces, raws, &DecodeContext { limits: &limits, ..*context }) {
            Ok(all) if all.decoded.rejected_total == all.decoded.rejected.len() as u64 => {
                self.add_pieces(pieces, all);
            }
            _ => self.add_one_by_one(event, pieces, raws, context),
        }
    }

    fn add_rows(&mut self, decoded: Decoded) -> (Vec<RejectedRow>, u64) {
        self.batches.extend(decoded.batches);
        self.ignored_fields += decoded.ignored_fields;
        (decoded.rejected, decoded.rejected_total)
    }

    fn add_one(&mut self, message: usize, decoded: Result<Decoded, PayloadError>) {
        match decoded {
            Ok(decoded) => {
                let (rows, rows_total) = self.add_rows(decoded);
                if rows_total > 0 {
                    self.faulty.push(Faulty { message, rows, rows_total, unusable: None });
                }
            }
            Err(error) => self.add_unusable(message, error.into()),
        }
    }

    /// Adds payloads that were read together: each rejected row goes to its message.
    fn add_pieces(&mut self, pieces: &[Piece<'_>], all: DecodedMessages) {
        // A CloudEvents batch has one event in each payload: counted on from one to the next.
        let before = |piece: usize| {
            let message = pieces[piece].message;
            pieces[..piece].iter().rev().take_while(|other| other.message == message).count() as u64
        };
        let rejected = all.decoded.rejected.iter().map(|row| {
            let (piece, at) = all.place_of(row.row);
            (pieces[piece].message, RejectedRow { row: before(piece) + at, ..row.clone() })
        });
        let mut faulty: Vec<Faulty> = Vec::new();
        for (message, row) in rejected {
            match faulty.last_mut().filter(|last| last.message == message) {
                Some(last) => {
                    last.rows_total += 1;
                    last.rows.push(row);
                }
                None => faulty.push(Faulty { message, rows: vec![row], rows_total: 1, unusable: None }),
            }
        }
        self.faulty.extend(faulty);
        self.add_rows(all.decoded);
    }

    fn add_one_by_one(
        &mut self,
        event: EventKind,
        pieces: &[Piece<'_>],
        raws: &[RawMessage<'_>],
        context: &DecodeContext<'_>,
    ) {
        let limits = limits(context, DETAILS_ALONE);
        let context = DecodeContext { limits: &limits, ..*context };
        for of_one in pieces.chunk_by(|one, next| one.message == next.message) {
            let decoded = decode_pieces(event, of_one, raws, &context).map(|all| all.decoded);
            self.add_one(of_one[0].message, decoded);
        }
    }
}

#[cfg(test)]
mod tests;
