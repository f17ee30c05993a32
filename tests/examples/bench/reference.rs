//! References of other sizes than the stored one.

use std::sync::Arc;

use arrow::array::RecordBatch;
use driftline_events::{Carrier, EventTime};
use driftline_summary::{CellSummary, Reference, SummarySpec};

use crate::data::{MODEL, Part, rows};
use crate::inference::{START_MILLIS, event};
use crate::library::Decoder;

/// A reference of so many rows.
pub(crate) fn of_rows(
    decoder: &Decoder,
    schema: &driftline_events::ModelSchema,
    count: u64,
) -> Arc<Reference> {
    let mut text = String::new();
    let mut batches: Vec<RecordBatch> = Vec::new();
    for (number, row) in (0..).zip(rows(Part::Reference, count)) {
        event(&mut text, MODEL, number, START_MILLIS, &row, "");
        text.push('\n');
        if (number + 1) % 50_000 == 0 || number + 1 == count {
            batches.push(decoder.predictions(text.as_bytes(), Carrier::Json).rows);
            text.clear();
        }
    }
    let spec = SummarySpec::learn(schema, &batches).expect("the columns are the model's");
    let mut overall = CellSummary::new(Arc::clone(&spec));
    batches.iter().for_each(|batch| overall.fold(batch).expect("the columns are the model's"));
    Arc::new(Reference {
        spec,
        rows: count,
        overall,
        segments: Default::default(),
        source: "bench".to_owned(),
        created: EventTime::from_millis(START_MILLIS),
    })
}
