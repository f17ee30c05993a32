//! Rows as a model service sends them: events in NDJSON, or Arrow with flat columns.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::ipc::writer::StreamWriter;
use driftline_events::{EventTime, layout};

use crate::data::{CATEGORIES, MODEL, NUMBERS, Row, category_name, category_value, number_name};

/// 2026-01-01T00:00:00Z.
pub(crate) const START_MILLIS: i64 = 1_767_225_600_000;
/// As events they come as quickly as a service of two cores takes them: 100,000 a second.
pub(crate) const EVENTS_PER_MILLI: u64 = 100;
/// Rows of a request, and of a batch of the Arrow file.
pub(crate) const BATCH: usize = 1_000;

/// The time of an event that is sent.
pub(crate) fn sent_at(row: u64) -> i64 {
    START_MILLIS + (row / EVENTS_PER_MILLI) as i64
}

/// One of ten segments.
pub(crate) fn country(row: u64) -> &'static str {
    ["AT", "BE", "CH", "DE", "ES", "FR", "IT", "LU", "NL", "PL"][(row % 10) as usize]
}

pub(crate) fn id(row: u64) -> String {
    format!("prediction-{row:08}")
}

/// Writes an event; `more` are further fields of it.
pub(crate) fn event(text: &mut String, model: &str, number: u64, millis: i64, row: &Row, more: &str) {
    let time = EventTime::from_millis(millis);
    let mut write = || -> std::fmt::Result {
        write!(
            text,
            r#"{{"model":"{model}","version":"1","prediction_id":"{}","timestamp":"{time}","features":{{"#,
            id(number)
        )?;
        for (position, number) in row.numbers.iter().enumerate() {
            write!(text, r#""number_{position:02}":{number},"#)?;
        }
        for (position, value) in row.categories.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(text, r#"{comma}"category_{position}":"value-{value:03}""#)?;
        }
        write!(
            text,
            r#"}},"prediction":{{"label":"{}","score":{}}},"latency_ms":{}{more}}}"#,
            row.label(),
            row.score,
            row.latency_ms
        )
    };
    write().expect("text takes all writes");
}

/// Rows as an Arrow batch with the columns of the HTTP API; the first one is row `first`.
pub(crate) fn arrow(first: u64, rows: &[Row]) -> RecordBatch {
    let numbers = first..first + rows.len() as u64;
    let text = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
    let floats = |floats: Vec<f64>| Arc::new(Float64Array::from(floats)) as ArrayRef;
    let times: Vec<i64> = numbers.clone().map(sent_at).collect();
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("model".to_owned(), text(vec![MODEL.to_owned(); rows.len()])),
        (layout::VERSION.to_owned(), text(vec!["1".to_owned(); rows.len()])),
        (layout::PREDICTION_ID.to_owned(), text(numbers.map(id).collect())),
        (layout::TIMESTAMP.to_owned(), Arc::new(TimestampMillisecondArray::from(times).with_timezone("UTC"))),
        (layout::PREDICTION_LABEL.to_owned(), text(rows.iter().map(|row| row.label().to_owned()).collect())),
        (layout::PREDICTION_SCORE.to_owned(), floats(rows.iter().map(|row| row.score).collect())),
        (layout::LATENCY_MS.to_owned(), floats(rows.iter().map(|row| row.latency_ms).collect())),
    ];
    for position in 0..NUMBERS {
        let values = rows.iter().map(|row| row.numbers[position]).collect();
        columns.push((layout::feature(&number_name(position)), floats(values)));
    }
    for position in 0..CATEGORIES.len() {
        let values = rows.iter().map(|row| category_value(row.categories[position])).collect();
        columns.push((layout::feature(&category_name(position)), text(values)));
    }
    RecordBatch::try_from_iter(columns).expect("columns are of one length")
}

/// A batch as an Arrow IPC stream of its own.
pub(crate) fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a vector takes all");
    writer.write(batch).expect("a vector takes all");
    writer.into_inner().expect("a vector takes all")
}
