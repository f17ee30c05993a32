//! The label batch of one model as it grows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, TimestampMillisecondArray};

use crate::column::{Categories, Numbers, Texts};
use crate::event::LabelFacts;
use crate::prediction_batch::record_batch;
use crate::{ModelBatch, ModelSchema, layout};

/// Grows a batch row by row.
#[derive(Debug)]
pub(crate) struct LabelBatch {
    schema: Arc<ModelSchema>,
    timestamp: Vec<i64>,
    prediction_id: Texts,
    label: Categories,
    value: Numbers,
    retract: Vec<bool>,
    weight: Numbers,
}

impl LabelBatch {
    pub(crate) fn new(schema: Arc<ModelSchema>) -> Self {
        Self {
            schema,
            timestamp: Vec::new(),
            prediction_id: Texts::default(),
            label: Categories::default(),
            value: Numbers::default(),
            retract: Vec::new(),
            weight: Numbers::default(),
        }
    }

    pub(crate) const fn schema(&self) -> &Arc<ModelSchema> {
        &self.schema
    }

    pub(crate) fn push(&mut self, facts: &LabelFacts<'_>) {
        self.timestamp.push(facts.time.as_millis());
        self.prediction_id.push(Some(&facts.prediction_id));
        match &facts.label {
            Some(label) => self.label.push(label),
            None => self.label.push_null(),
        }
        self.value.push(facts.value);
        self.retract.push(facts.retract);
        self.weight.push(Some(facts.weight));
    }

    /// The batch, if it has rows.
    pub(crate) fn finish(self) -> Option<ModelBatch> {
        let rows = self.timestamp.len();
        if rows == 0 {
            return None;
        }
        let timestamp: ArrayRef =
            Arc::new(TimestampMillisecondArray::from(self.timestamp).with_timezone("UTC"));
        let columns = vec![
            (layout::TIMESTAMP.to_owned(), timestamp),
            (layout::PREDICTION_ID.to_owned(), self.prediction_id.finish()),
            (layout::LABEL.to_owned(), self.label.finish()),
            (layout::VALUE.to_owned(), self.value.finish()),
            (layout::RETRACT.to_owned(), Arc::new(BooleanArray::from(self.retract)) as ArrayRef),
            (layout::WEIGHT.to_owned(), self.weight.finish()),
        ];
        Some(ModelBatch { schema: self.schema, rows: record_batch(columns, rows) })
    }
}
