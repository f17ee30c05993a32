//! The prediction batch of one model as it grows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field as Column, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use rustc_hash::FxHashMap;

use crate::column::{Categories, NamedNumbers, Numbers, Texts};
use crate::event::{Event, PredictionFacts};
use crate::feature_column::{FeatureColumn, FeatureRow};
use crate::reject::{Fault, Reason};
use crate::scalar::{Cell, Class};
use crate::{Limits, ModelBatch, ModelSchema, layout};

/// Columns that every prediction batch has.
pub(crate) const FIXED_COLUMNS: usize = 12;

/// Grows a batch row by row. Features can also be appended a column at a time, after their rows.
#[derive(Debug)]
pub(crate) struct PredictionBatch {
    schema: Arc<ModelSchema>,
    rows: usize,
    timestamp: Vec<i64>,
    version: Categories,
    prediction_id: Texts,
    label: Categories,
    score: Numbers,
    value: Numbers,
    latency_ms: Numbers,
    status: Categories,
    variant: Categories,
    weight: Numbers,
    in_flight: Numbers,
    capacity: Numbers,
    pub(crate) features: Vec<FeatureColumn>,
    /// Whether features may have values of a row that is not among `rows`.
    is_begun: bool,
    tags: Vec<Categories>,
    scores: NamedNumbers,
    metrics: NamedNumbers,
}

impl PredictionBatch {
    pub(crate) fn new(schema: Arc<ModelSchema>) -> Self {
        let features =
            schema.features().iter().map(|feature| FeatureColumn::with_nulls(feature.kind, 0)).collect();
        let tags = schema.segments().iter().map(|_| Categories::default()).collect();
        Self {
            schema,
            rows: 0,
            timestamp: Vec::new(),
            version: Categories::default(),
            prediction_id: Texts::default(),
            label: Categories::default(),
            score: Numbers::default(),
            value: Numbers::default(),
            latency_ms: Numbers::default(),
            status: Categories::default(),
            variant: Categories::default(),
            weight: Numbers::default(),
            in_flight: Numbers::default(),
            capacity: Numbers::default(),
            features,
            is_begun: false,
            tags,
            scores: NamedNumbers::default(),
            metrics: NamedNumbers::default(),
        }
    }

    pub(crate) const fn schema(&self) -> &Arc<ModelSchema> {
        &self.schema
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows times columns.
    pub(crate) fn cells(&self) -> usize {
        let columns =
            FIXED_COLUMNS + self.features.len() + self.tags.len() + self.scores.len() + self.metrics.len();
        self.rows.saturating_mul(columns)
    }

    /// Takes on a schema with more features; the rows so far have nulls in them. `false`, and nothing
    /// changes, if a feature is gone or of another kind.
    pub(crate) fn widen(&mut self, wider: Arc<ModelSchema>) -> bool {
        let kept = |feature: &crate::Feature| {
            wider.position(&feature.name).is_some_and(|place| wider.features()[place].kind == feature.kind)
        };
        if !self.schema.features().iter().all(kept) || wider.segments() != self.schema.segments() {
            return false;
        }
        let names = self.schema.features().iter().map(|feature| Arc::clone(&feature.name));
        let mut columns: FxHashMap<Arc<str>, FeatureColumn> = names.zip(self.features.drain(..)).collect();
        self.features = wider
            .features()
            .iter()
            .map(|feature| {
                columns
                    .remove(&feature.name)
                    .unwrap_or_else(|| FeatureColumn::with_nulls(feature.kind, self.rows))
            })
            .collect();
        self.schema = wider;
        true
    }

    /// The features of the row to come, which [`push`](Self::push) and [`end_row`](Self::end_row) complete. Those of a
    /// row that was begun and did not get so far are taken back.
    pub(crate) fn begin_row(&mut self) -> FeatureRow<'_> {
        self.give_up();
        self.is_begun = true;
        FeatureRow::new(&self.schema, &mut self.features, self.rows)
    }

    /// Completes the last row: `set` of its features have a value or a null, the others are missing.
    pub(crate) fn end_row(&mut self, set: usize) {
        if set < self.features.len() {
            for column in self.features.iter_mut().filter(|column| column.len() < self.rows) {
                column.push(&Cell::Missing);
            }
        }
        self.is_begun = false;
    }

    /// Takes back the features of a row that was begun and not pushed.
    pub(crate) fn give_up(&mut self) {
        if self.is_begun {
            self.features.iter_mut().filter(|column| column.len() > self.rows).for_each(FeatureColumn::pop);
            self.is_begun = false;
        }
    }

    /// Whether the names of the event's scores and metrics still have a place in this batch.
    pub(crate) fn has_room(&self, event: &Event<'_>, limits: &Limits) -> Result<(), Fault> {
        for (columns, sent, limit, reason, what) in [
            (&self.scores, &event.scores, limits.classes, Reason::TooManyClasses, "classes"),
            (&self.metrics, &event.metrics, limits.metrics, Reason::TooManyMetrics, "metrics"),
        ] {
            let fresh = sent.iter().filter(|(name, _)| !columns.has(name)).count();
            if columns.len() + fresh > limit {
                return Err(Fault::new(reason, format!("more than {limit} different {what} in one payload")));
            }
        }
        Ok(())
    }

    /// Adds a row but for its features, which follow by column. Counts what it could not use in the event.
    pub(crate) fn push(&mut self, facts: &PredictionFacts<'_>, event: &mut Event<'_>, limits: &Limits) {
        self.timestamp.push(facts.time.as_millis());
        match &facts.version {
            Some(version) => self.version.push(version),
            None => self.version.push_text(""),
        }
        self.prediction_id.push(facts.prediction_id.as_ref());
        match &facts.label {
            Some(label) => self.label.push(label),
            None => self.label.push_null(),
        }
        self.score.push(facts.score);
        self.value.push(facts.value);
        self.latency_ms.push(facts.latency_ms);
        self.status.push_text(facts.status);
        match facts.variant {
            Some(variant) => self.variant.push_text(variant),
            None => self.variant.push_null(),
        }
        self.weight.push(Some(facts.weight));
        self.in_flight.push(facts.in_flight);
        self.capacity.push(facts.capacity);

        let mut ignored = 0;
        for (segment, column) in self.schema.segments().iter().zip(&mut self.tags) {
            match event.tags.iter().find(|(name, _)| name == segment.as_ref()) {
                None => column.push_null(),
                Some((_, value)) => match value.class(limits.string_bytes) {
                    Some(class) => column.push(&class),
                    None => {
                        column.push_null();
                        ignored += u64::from(!value.is_missing());
                    }
                },
            }
        }
        let row = row_number(self.rows);
        for (class, score) in &event.scores {
            if let Some(score) = score.number() {
                self.scores.push(row, class, score);
            }
        }
        for (name, value) in &event.metrics {
            match value.number() {
                Some(number) if name.len() <= limits.string_bytes => self.metrics.push(row, name, number),
                _ => ignored += u64::from(!value.is_missing()),
            }
        }
        event.ignored += ignored;
        self.rows += 1;
    }

    /// The batch, if it has rows.
    pub(crate) fn finish(mut self) -> Option<ModelBatch> {
        self.give_up();
        let rows = self.rows;
        if rows == 0 {
            return None;
        }
        let timestamp: ArrayRef =
            Arc::new(TimestampMillisecondArray::from(self.timestamp).with_timezone("UTC"));
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (layout::TIMESTAMP.to_owned(), timestamp),
            (layout::VERSION.to_owned(), self.version.finish()),
            (layout::PREDICTION_ID.to_owned(), self.prediction_id.finish()),
            (layout::PREDICTION_LABEL.to_owned(), self.label.finish()),
            (layout::PREDICTION_SCORE.to_owned(), self.score.finish()),
            (layout::PREDICTION_VALUE.to_owned(), self.value.finish()),
            (layout::LATENCY_MS.to_owned(), self.latency_ms.finish()),
            (layout::STATUS.to_owned(), self.status.finish()),
            (layout::VARIANT.to_owned(), self.variant.finish()),
            (layout::WEIGHT.to_owned(), self.weight.finish()),
            (layout::IN_FLIGHT.to_owned(), self.in_flight.finish()),
            (layout::CAPACITY.to_owned(), self.capacity.finish()),
        ];
        let mut marks: Vec<(String, ArrayRef)> = Vec::new();
        for (feature, column) in self.schema.features().iter().zip(self.features) {
            let array = match column {
                FeatureColumn::Numeric(numbers) => numbers.finish(),
                FeatureColumn::Categorical { values, invalid, .. } => {
                    if !invalid.is_empty() {
                        let mut marked = vec![false; rows];
                        for row in invalid {
                            marked[row as usize] = true;
                        }
                        marks.push((layout::invalid(&feature.name), Arc::new(BooleanArray::from(marked))));
                    }
                    values.finish()
                }
            };
            columns.push((layout::feature(&feature.name), array));
        }
        for (segment, column) in self.schema.segments().iter().zip(self.tags) {
            columns.push((layout::tag(segment), column.finish()));
        }
        columns.extend(marks);
        columns.extend(self.scores.finish(rows).map(|(class, array)| (layout::score(&class), array)));
        columns.extend(self.metrics.finish(rows).map(|(name, array)| (layout::metric(&name), array)));
        Some(ModelBatch { schema: self.schema, rows: record_batch(columns, rows) })
    }
}

/// Columns that hold a null where the layout says that there is never one would be a fault of the decoder;
/// so every column is declared nullable, and all batches of a model have one Arrow schema for those columns.
pub(crate) fn record_batch(columns: Vec<(String, ArrayRef)>, rows: usize) -> RecordBatch {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (name, array) in columns {
        let data_type: DataType = array.data_type().clone();
        fields.push(Column::new(name, data_type, true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .expect("every column has a value or a null for each row")
}

pub(crate) fn row_number(rows: usize) -> u32 {
    u32::try_from(rows).expect("Limits::rows keeps to 32 bits")
}

/// The written form of a class, for messages and inference.
pub(crate) fn class_text(class: &Class<'_>) -> String {
    match class {
        Class::Text(text) => text.clone().into_owned(),
        Class::Whole(number) => number.to_string(),
    }
}
