//! JSON payloads: rows are found, each is read by itself, and what it means is decided by its event.

mod bare;
mod keys;
mod labels;
mod plain;
mod predictions;
mod row;
mod split;
mod syntax;
mod value;

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde::de::IgnoredAny;

pub(crate) use labels::decode_labels;
pub(crate) use predictions::decode_predictions;

use self::row::Row;
use self::split::{Next, Split};
use self::syntax::{Full, Plain, Syntax};
use crate::prediction_sink::Mark;
use crate::reject::{Fault, Reason, Rejections, shown, shown_bytes};
use crate::{DecodeContext, Decoded, JsonMessage, MessagePart, PayloadError};

/// Where rows come from.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'p> {
    Bytes(&'p [u8]),
    Messages(&'p [JsonMessage<'p>]),
}

impl<'p> Payload<'p> {
    const fn len(self) -> usize {
        match self {
            Self::Bytes(_) => 1,
            Self::Messages(messages) => messages.len(),
        }
    }

    /// One of its parts, and its context where it has one of its own.
    fn part<'c>(self, index: usize, context: &DecodeContext<'c>) -> (&'p [u8], Option<DecodeContext<'c>>)
    where
        'p: 'c,
    {
        match self {
            Self::Bytes(bytes) => (bytes, None),
            Self::Messages(messages) => {
                let JsonMessage { json, arrival, default_model } = messages[index];
                (json, Some(context.of_message(arrival, default_model)))
            }
        }
    }
}

/// What came out of a payload.
pub(crate) struct Read {
    pub(crate) decoded: Decoded,
    /// The first row of each part.
    pub(crate) starts: Vec<u64>,
    /// What each part brought, where that can be told.
    pub(crate) parts: Option<Vec<MessagePart>>,
}

/// The rows that were not read yet, and where the parts start.
struct RowsRead<'p> {
    unknown: Vec<UnknownModel<'p>>,
    starts: Vec<u64>,
    /// How far the reader had come then.
    marks: Vec<Mark>,
}

impl RowsRead<'_> {
    /// The part that a row is of.
    fn part_of(starts: &[u64], row: u64) -> usize {
        starts.partition_point(|&start| start <= row).saturating_sub(1)
    }
}

/// What became of a row whose syntax is right.
enum Outcome {
    Taken,
    Rejected(Fault),
    /// Its model is not known; it will be read again once the payload has been seen.
    Unknown,
}

/// Reads the rows of one kind of event.
trait ReadRow<'c> {
    /// The rows that follow have this context.
    fn set_context(&mut self, context: &DecodeContext<'c>);

    /// How far it has come.
    fn mark(&self) -> Mark {
        Mark::default()
    }

    /// Reads one object.
    fn read<'a, S: Syntax>(
        &mut self,
        text: &'a str,
        row: &mut Row<'a>,
    ) -> Result<Outcome, RowError<S::Error>>;
}

/// Why a row was not read.
enum RowError<E> {
    Syntax(E),
    Payload(PayloadError),
}

impl<E> From<PayloadError> for RowError<E> {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}

/// Rows of a model that is not known yet.
struct UnknownModel<'p> {
    name: String,
    rows: Vec<(u64, Cow<'p, str>)>,
}

/// Reads every row of a payload, and gives back those of unknown models in order of appearance.
fn read_rows<'p: 'c, 'c, R: ReadRow<'c>>(
    payload: Payload<'p>,
    context: &DecodeContext<'c>,
    reader: &mut R,
    rejections: &mut Rejections,
) -> Result<RowsRead<'p>, PayloadError> {
    let mut row = Row::default();
    let mut unknown: Vec<UnknownModel<'p>> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut number = 0;
    let mut starts = Vec::with_capacity(payload.len());
    let mut marks = Vec::with_capacity(payload.len());
    for index in 0..payload.len() {
        starts.push(number);
        marks.push(reader.mark());
        let (bytes, own) = payload.part(index, context);
        if let Some(own) = &own {
            reader.set_context(own);
        }
        let context = own.as_ref().unwrap_or(context);
        let mut split = Split::new(bytes);
        while let Some(next) = split.next() {
            if number >= context.limits.rows as u64 {
                return Err(PayloadError::TooManyRows { limit: context.limits.rows });
            }
            let bytes = match next {
                Next::Row(bytes) => bytes,
                Next::Broken { at, why, rest } => {
                    let detail = format!("{why}: from byte {at} on nothing was read: {}", shown_bytes(rest));
                    rejections.push(number, None, Fault::new(Reason::InvalidJson, detail));
                    number += 1;
                    break;
                }
            };
            match read_one(reader, bytes, &mut row, context)? {
                RowRead::Taken => {}
                RowRead::Rejected(model, fault) => rejections.push(number, model.as_deref(), fault),
                RowRead::Unknown { model, text } => {
                    let place = *places.entry(model).or_insert_with_key(|name| {
                        unknown.push(UnknownModel { name: name.clone(), rows: Vec::new() });
                        unknown.len() - 1
                    });
                    unknown[place].rows.push((number, text));
                }
                RowRead::Broken(mut fault) => {
                    let after = split.array_position();
                    if let Some(after) = after {
                        fault.detail = format!("from byte {after} on nothing was read: {}", fault.detail);
                    }
                    rejections.push(number, None, fault);
                    if after.is_some() {
                        number += 1;
                        break;
                    }
                }
            }
            number += 1;
        }
    }
    Ok(RowsRead { unknown, starts, marks })
}

/// What became of a row.
enum RowRead<'p> {
    Taken,
    Rejected(Option<String>, Fault),
    Unknown {
        model: String,
        text: Cow<'p, str>,
    },
    /// It is no JSON.
    Broken(Fault),
}

fn read_one<'p, 'c, R: ReadRow<'c>>(
    reader: &mut R,
    bytes: &'p [u8],
    row: &mut Row<'p>,
    context: &DecodeContext<'_>,
) -> Result<RowRead<'p>, PayloadError> {
    let rejected = |reason, detail: String| Ok(RowRead::Rejected(None, Fault::new(reason, detail)));
    let Ok(text) = std::str::from_utf8(bytes) else {
        return rejected(Reason::InvalidUtf8, format!("not valid UTF-8: {}", shown_bytes(bytes)));
    };
    if text.starts_with('{') {
        match read_object::<Plain, R>(reader, text, row) {
            Ok(outcome) => return Ok(finish(outcome, row, context, || Cow::Borrowed(text))),
            Err(RowError::Payload(error)) => return Err(error),
            Err(RowError::Syntax(_)) => {}
        }
    }
    if split::is_deeper(bytes, context.limits.depth) {
        let detail = format!("nested deeper than {}: {}", context.limits.depth, shown(text));
        return rejected(Reason::TooDeep, detail);
    }
    if !text.starts_with('{') {
        let detail = format!("not a JSON object: {}", shown(text));
        return match sonic_rs::from_str::<IgnoredAny>(text) {
            Ok(_) => rejected(Reason::InvalidJson, detail),
            Err(_) => Ok(RowRead::Broken(Fault::new(Reason::InvalidJson, detail))),
        };
    }
    let syntax = match read_object::<Full, R>(reader, text, row) {
        Ok(outcome) => return Ok(finish(outcome, row, context, || Cow::Borrowed(text))),
        Err(RowError::Payload(error)) => return Err(error),
        Err(RowError::Syntax(error)) => error,
    };
    if let Some(plain) = bare::without_bare_numbers(text) {
        let mut row = Row::default();
        match read_object::<Full, R>(reader, &plain, &mut row) {
            Ok(outcome) => return Ok(finish(outcome, &row, context, || Cow::Owned(plain.clone()))),
            Err(RowError::Payload(error)) => return Err(error),
            Err(RowError::Syntax(_)) => {}
        }
    }
    // The error's own text shows a part of the input over several lines; its first line says what is wrong.
    let what = syntax.to_string();
    let what = what.lines().next().unwrap_or_default();
    let detail = format!("{what}: {}", shown(text));
    Ok(RowRead::Broken(Fault::new(Reason::InvalidJson, detail)))
}

fn read_object<'a, 'c, S: Syntax, R: ReadRow<'c>>(
    reader: &mut R,
    text: &'a str,
    row: &mut Row<'a>,
) -> Result<Outcome, RowError<S::Error>> {
    row.clear();
    reader.read::<S>(text, row)
}

fn finish<'p>(
    outcome: Outcome,
    row: &Row<'_>,
    context: &DecodeContext<'_>,
    text: impl FnOnce() -> Cow<'p, str>,
) -> RowRead<'p> {
    let model = || row.event.model().or(context.default_model);
    match outcome {
        Outcome::Taken => RowRead::Taken,
        Outcome::Rejected(fault) => RowRead::Rejected(model().map(str::to_owned), fault),
        Outcome::Unknown => RowRead::Unknown { model: model().unwrap_or_default().to_owned(), text: text() },
    }
}
