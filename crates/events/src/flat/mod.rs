//! Arrow payloads: tables with flat columns, read by the same rules as JSON events.
//!
//! The fields of a row are few, and are read row by row into the same event that JSON is read into, so that
//! what they mean is decided in one place; features are read a column at a time.

mod reader;
mod stream;

use std::borrow::Cow;

use arrow::array::{Array, RecordBatch};
use rustc_hash::FxHashMap;

use self::reader::{Dictionary, Reader, Wanted};
use crate::event::{Event, Field};
use crate::feature_column::FeatureColumn;
use crate::infer::Inference;
use crate::label_sink::LabelSink;
use crate::prediction_sink::{PredictionSink, model_name};
use crate::reject::{Fault, Reason, Rejections, shown};
use crate::scalar::Cell;
use crate::{DecodeContext, Decoded, Feature, FeatureKind, Limits, ModelId, PayloadError};

/// Reads an Arrow IPC stream of prediction events.
pub(crate) fn decode_predictions(
    payload: &[u8],
    context: &DecodeContext<'_>,
) -> Result<Decoded, PayloadError> {
    let mut reader = Predictions::new(context);
    let mut allowance = Allowance::new(context.limits);
    stream::read_stream(payload, |table| {
        allowance.take(table)?;
        reader.read(table)
    })?;
    Ok(reader.finish())
}

/// Reads an Arrow IPC stream of label events.
pub(crate) fn decode_labels(payload: &[u8], context: &DecodeContext<'_>) -> Result<Decoded, PayloadError> {
    let mut reader = Labels::new(context);
    let mut allowance = Allowance::new(context.limits);
    stream::read_stream(payload, |table| {
        allowance.take(table)?;
        reader.read(table)
    })?;
    Ok(reader.finish())
}

/// Reads prediction events from a table.
pub(crate) fn table_of_predictions(
    table: &RecordBatch,
    context: &DecodeContext<'_>,
) -> Result<Decoded, PayloadError> {
    Allowance::new(context.limits).take(table)?;
    let mut reader = Predictions::new(context);
    reader.read(table)?;
    Ok(reader.finish())
}

/// Reads label events from a table.
pub(crate) fn table_of_labels(
    table: &RecordBatch,
    context: &DecodeContext<'_>,
) -> Result<Decoded, PayloadError> {
    Allowance::new(context.limits).take(table)?;
    let mut reader = Labels::new(context);
    reader.read(table)?;
    Ok(reader.finish())
}

/// Rows and cells of a payload that are still allowed. A column of nulls takes no bytes, so the length of the
/// payload says nothing.
struct Allowance<'c> {
    limits: &'c Limits,
    rows: usize,
    cells: usize,
}

impl<'c> Allowance<'c> {
    const fn new(limits: &'c Limits) -> Self {
        Self { limits, rows: limits.rows, cells: limits.cells }
    }

    fn take(&mut self, table: &RecordBatch) -> Result<(), PayloadError> {
        let rows = self.rows.checked_sub(table.num_rows());
        self.rows = rows.ok_or(PayloadError::TooManyRows { limit: self.limits.rows })?;
        let cells = self.cells.checked_sub(table.num_rows().saturating_mul(table.num_columns()));
        self.cells = cells.ok_or(PayloadError::TooManyCells { limit: self.limits.cells })?;
        Ok(())
    }
}

/// A table's columns by what they mean.
#[derive(Default)]
struct Columns {
    fields: Vec<(Field, Reader)>,
    features: Vec<Reader>,
    tags: Vec<Reader>,
    scores: Vec<Reader>,
    metrics: Vec<Reader>,
    unknown: usize,
}

/// The columns of prediction tables that hold one field.
const PREDICTION_FIELDS: [(&str, Field, Wanted); 17] = [
    ("model", Field::Model, Wanted::Text),
    ("version", Field::Version, Wanted::Class),
    ("prediction_id", Field::PredictionId, Wanted::Class),
    ("timestamp", Field::Timestamp, Wanted::Time),
    ("prediction.label", Field::Label, Wanted::Class),
    ("label", Field::Label, Wanted::Class),
    ("prediction.score", Field::Score, Wanted::Number),
    ("score", Field::Score, Wanted::Number),
    ("prediction.value", Field::Value, Wanted::Number),
    ("value", Field::Value, Wanted::Number),
    ("latency_ms", Field::LatencyMs, Wanted::Number),
    ("status", Field::Status, Wanted::Text),
    ("variant", Field::Variant, Wanted::Text),
    ("weight", Field::Weight, Wanted::Number),
    ("sample_rate", Field::SampleRate, Wanted::Number),
    ("in_flight", Field::InFlight, Wanted::Number),
    ("capacity", Field::Capacity, Wanted::Number),
];

/// The columns of label tables.
const LABEL_FIELDS: [(&str, Field, Wanted); 7] = [
    ("model", Field::Model, Wanted::Text),
    ("prediction_id", Field::PredictionId, Wanted::Class),
    ("label", Field::Label, Wanted::Class),
    ("value", Field::Value, Wanted::Number),
    ("timestamp", Field::Timestamp, Wanted::Time),
    ("op", Field::Op, Wanted::Text),
    ("weight", Field::Weight, Wanted::Number),
];

impl Columns {
    fn try_new(
        table: &RecordBatch,
        known: &[(&str, Field, Wanted)],
        has_features: bool,
        limits: &Limits,
    ) -> Result<Self, PayloadError> {
        let mut columns = Self::default();
        let schema = table.schema();
        let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        for (field, array) in schema.fields().iter().zip(table.columns()) {
            let column = field.name().as_str();
            if let Some(&(_, field, wanted)) = known.iter().find(|(name, ..)| *name == column) {
                let reader = Reader::try_new(column, 0, array)?;
                reader.check(wanted)?;
                if columns.fields.iter().any(|(other, _)| *other == field) {
                    return Err(PayloadError::ColumnTwice { column: column.to_owned() });
                }
                columns.fields.push((field, reader));
                continue;
            }
            let (kind, name) = column.split_once('.').unwrap_or_default();
            let (readers, wanted) = match kind {
                "feature" if has_features => (&mut columns.features, None),
                "tag" if has_features => (&mut columns.tags, Some(Wanted::Class)),
                "score" if has_features => (&mut columns.scores, Some(Wanted::Number)),
                "metric" if has_features => (&mut columns.metrics, Some(Wanted::Number)),
                _ => {
                    columns.unknown += 1;
                    continue;
                }
            };
            if name.is_empty() || name.len() > limits.string_bytes {
                columns.unknown += 1;
                continue;
            }
            let reader = Reader::try_new(column, column.len() - name.len(), array)?;
            if let Some(wanted) = wanted {
                reader.check(wanted)?;
            }
            readers.push(reader);
        }
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(PayloadError::ColumnTwice { column: pair[0].to_owned() });
        }
        Ok(columns)
    }

    /// Whether a row may say which model it is of.
    fn name_models(&self) -> bool {
        self.fields.iter().any(|(field, _)| *field == Field::Model)
    }

    /// Reads the fields of a row into an event that is new or had another row of this table.
    fn read<'t>(&'t self, row: usize, event: &mut Event<'t>) {
        event.next_row();
        event.ignored = self.unknown as u64;
        for (field, reader) in &self.fields {
            event.set(*field, reader.scalar(row));
        }
        for (readers, pairs) in [
            (&self.scores, &mut event.scores),
            (&self.tags, &mut event.tags),
            (&self.metrics, &mut event.metrics),
        ] {
            for reader in readers {
                let value = reader.scalar(row);
                // A column is there for every row; only a row that has a value in it was sent it.
                if !value.is_missing() {
                    pairs.push((Cow::Borrowed(reader.name()), value));
                }
            }
        }
    }
}

struct Labels<'c> {
    sink: LabelSink<'c>,
    rejections: Rejections,
    row: u64,
}

impl<'c> Labels<'c> {
    fn new(context: &DecodeContext<'c>) -> Self {
        let rejections = Rejections::new(context.limits.rejected_details);
        Self { sink: LabelSink::new(context), rejections, row: 0 }
    }

    fn read(&mut self, table: &RecordBatch) -> Result<(), PayloadError> {
        let columns = Columns::try_new(table, &LABEL_FIELDS, false, self.sink.limits())?;
        let mut event = Event::default();
        for row in 0..table.num_rows() {
            columns.read(row, &mut event);
            if let Err(fault) = self.sink.push(&mut event) {
                self.rejections.push(self.row, event.model(), fault);
            }
            self.row += 1;
        }
        Ok(())
    }

    fn finish(self) -> Decoded {
        self.sink.finish(self.rejections)
    }
}

struct Predictions<'c> {
    sink: PredictionSink<'c>,
    rejections: Rejections,
    /// Position of the table's first row in the payload.
    first_row: u64,
}

impl<'c> Predictions<'c> {
    fn new(context: &DecodeContext<'c>) -> Self {
        let rejections = Rejections::new(context.limits.rejected_details);
        Self { sink: PredictionSink::new(context), rejections, first_row: 0 }
    }

    fn read(&mut self, table: &RecordBatch) -> Result<(), PayloadError> {
        let columns = Columns::try_new(table, &PREDICTION_FIELDS, true, self.sink.limits())?;
        if let Some(name) = self.sink.context().default_model
            && !columns.name_models()
            && table.num_rows() > 0
        {
            let rows: Vec<usize> = (0..table.num_rows()).collect();
            match self.sink.find(name) {
                Some(place) => self.read_model(&columns, place, &rows)?,
                None => self.read_unknown(&columns, name, &rows)?,
            }
            self.first_row += table.num_rows() as u64;
            return Ok(());
        }
        let mut known: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut unknown: Vec<(String, Vec<usize>)> = Vec::new();
        let mut unknown_places: FxHashMap<String, usize> = FxHashMap::default();
        let mut event = Event::default();
        for row in 0..table.num_rows() {
            columns.read(row, &mut event);
            let name = match model_name(&event, self.sink.context()) {
                Ok(name) => name,
                Err(fault) => {
                    self.reject(row, None, fault);
                    continue;
                }
            };
            match self.sink.find(name) {
                Some(place) => rows_of(&mut known, place).push(row),
                None => {
                    let place = *unknown_places.entry(name.to_owned()).or_insert_with(|| {
                        unknown.push((name.to_owned(), Vec::new()));
                        unknown.len() - 1
                    });
                    unknown[place].1.push(row);
                }
            }
        }
        for (place, rows) in known {
            self.read_model(&columns, place, &rows)?;
        }
        for (name, rows) in unknown {
            self.read_unknown(&columns, &name, &rows)?;
        }
        self.first_row += table.num_rows() as u64;
        Ok(())
    }

    fn reject(&mut self, row: usize, model: Option<&str>, fault: Fault) {
        self.rejections.push(self.first_row + row as u64, model, fault);
    }

    /// Reads the rows of one known model.
    fn read_model(&mut self, columns: &Columns, place: usize, rows: &[usize]) -> Result<(), PayloadError> {
        self.widen(columns, place, rows);
        let schema = std::sync::Arc::clone(self.sink.schema(place));
        let model = schema.model().as_str();
        let has_values = |reader: &Reader| rows.iter().any(|&row| !reader.scalar(row).is_missing());
        let mut features: Vec<Option<&Reader>> = vec![None; schema.features().len()];
        let mut strangers: Vec<&Reader> = Vec::new();
        let mut sent = 0;
        for reader in columns.features.iter().filter(|reader| has_values(reader)) {
            sent += 1;
            match schema.position(reader.name()) {
                Some(position) => {
                    reader.check_feature(schema.features()[position].kind)?;
                    features[position] = Some(reader);
                }
                None => strangers.push(reader),
            }
        }
        let mut event = Event::default();
        let mut taken = Vec::with_capacity(rows.len());
        let limits = self.sink.limits();
        for &row in rows {
            columns.read(row, &mut event);
            let outcome = if sent > limits.features {
                let detail = format!("{sent} features, at most {} are taken", limits.features);
                Err(Fault::new(Reason::TooManyFeatures, detail))
            } else {
                match event.prediction(schema.task(), self.sink.rules()) {
                    Ok(facts) => self.sink.push(place, &facts, &mut event)?,
                    Err(fault) => Err(fault),
                }
            };
            match outcome {
                Ok(()) => taken.push(row),
                Err(fault) => self.reject(row, Some(model), fault),
            }
        }
        for reader in strangers {
            let sent = taken.iter().filter(|&&row| !reader.scalar(row).is_missing()).count();
            self.sink.ignore(sent as u64);
        }
        let limit = limits.string_bytes;
        let batch = &mut self.sink.batch(place).features;
        for ((column, feature), reader) in batch.iter_mut().zip(schema.features()).zip(features) {
            let Some(reader) = reader else {
                taken.iter().for_each(|_| column.push(&Cell::Missing));
                continue;
            };
            match (&mut *column, reader.floats()) {
                (FeatureColumn::Numeric(numbers), Some(floats))
                    if taken.len() == floats.len() && floats.null_count() == 0 =>
                {
                    let finite = |&value: &f64| if value.is_finite() { value } else { f64::NAN };
                    numbers.extend(floats.values().iter().map(finite));
                }
                (FeatureColumn::Numeric(numbers), Some(floats)) => {
                    for &row in &taken {
                        let value = floats.is_valid(row).then(|| floats.value(row));
                        // An infinity is invalid, and invalid is NaN.
                        numbers.push(value.map(|value| if value.is_finite() { value } else { f64::NAN }));
                    }
                }
                (column, _) => match reader.dictionary() {
                    Some(dictionary) => read_dictionary(column, &dictionary, &taken, feature.kind, limit),
                    None => {
                        for &row in &taken {
                            column.push(&reader.scalar(row).cell(feature.kind, limit));
                        }
                    }
                },
            }
        }
        Ok(())
    }

    /// Gives an inferred model the features that the table has and it does not.
    fn widen(&mut self, columns: &Columns, place: usize, rows: &[usize]) {
        if !self.sink.may_widen(place) {
            return;
        }
        let schema = std::sync::Arc::clone(self.sink.schema(place));
        let fresh: Vec<Feature> = columns
            .features
            .iter()
            .filter(|reader| schema.position(reader.name()).is_none())
            .filter(|reader| rows.iter().any(|&row| !reader.scalar(row).is_missing()))
            .filter_map(|reader| Some(Feature { name: reader.name().into(), kind: reader.kind()? }))
            .collect();
        if !fresh.is_empty() {
            self.sink.widen(place, fresh);
        }
    }

    /// Registers a model from its rows, then reads them.
    fn read_unknown(&mut self, columns: &Columns, name: &str, rows: &[usize]) -> Result<(), PayloadError> {
        let id = match ModelId::try_new(name) {
            Ok(id) => id,
            Err(error) => {
                let fault = Fault::new(Reason::BadModel, format!("model {:?}: {error}", shown(name)));
                rows.iter().for_each(|&row| self.reject(row, Some(name), fault.clone()));
                return Ok(());
            }
        };
        let mut inference = Inference::default();
        let mut event = Event::default();
        let mut sound = Vec::with_capacity(rows.len());
        for &row in rows {
            columns.read(row, &mut event);
            match inference.observe(&mut event, self.sink.rules()) {
                Ok(()) => sound.push(row),
                Err(fault) => self.reject(row, Some(name), fault),
            }
        }
        if sound.is_empty() {
            return Ok(());
        }
        for reader in &columns.features {
            if let Some(kind) = reader.kind()
                && sound.iter().any(|&row| !reader.scalar(row).is_missing())
            {
                inference.observe_feature(reader.name(), kind);
            }
        }
        match self.sink.register(inference.finish(id, self.sink.limits())) {
            Ok(place) => self.read_model(columns, place, &sound),
            Err(fault) => {
                sound.iter().for_each(|&row| self.reject(row, Some(name), fault.clone()));
                Ok(())
            }
        }
    }

    fn finish(self) -> Decoded {
        self.sink.finish(self.rejections)
    }
}

/// Reads the rows of a dictionary column; what a class is called is looked up once and not once a row.
fn read_dictionary(
    column: &mut FeatureColumn,
    dictionary: &Dictionary<'_>,
    rows: &[usize],
    kind: FeatureKind,
    limit: usize,
) {
    let mut known: Vec<Option<i32>> = vec![None; dictionary.length];
    for &row in rows {
        let Some(place) = dictionary.keys[row] else {
            column.push(&Cell::Missing);
            continue;
        };
        match known[place] {
            Some(key) => column.push_key(key),
            None => {
                let cell = dictionary.value(place).cell(kind, limit);
                column.push(&cell);
                if let Cell::Class(_) = cell {
                    known[place] = column.last_key();
                }
            }
        }
    }
}

/// The rows of a model; models are few, and come in runs.
fn rows_of(models: &mut Vec<(usize, Vec<usize>)>, place: usize) -> &mut Vec<usize> {
    let position = match models.iter().rposition(|(other, _)| *other == place) {
        Some(position) => position,
        None => {
            models.push((place, Vec::new()));
            models.len() - 1
        }
    };
    &mut models[position].1
}
