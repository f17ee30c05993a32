//! Rows of a table, batch by batch.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::compute::{take, take_record_batch};
use arrow::datatypes::{Field, Schema};
use driftline_events::{
    DecodeContext, Decoded, EventTime, Limits, ModelRegistry, ModelSchema, RegisterError, labels_from_arrow,
    layout, predictions_from_arrow,
};
use polars::prelude::{DataFrame, Series};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::cells::{NoTime, convert, times};
use crate::files::{Format, TableFile};
use crate::frames::Frames;
use crate::mapping::{Input, Mapping, Purpose, Role};
use crate::table::TableError;

/// Rows of a batch: some megabytes, large enough that what is done once a batch costs nothing.
const BATCH_ROWS: usize = 32_768;
/// Values of a batch, for wide tables: 64 MiB of numbers.
const BATCH_CELLS: usize = 8 << 20;
/// The reason that the decoder gives too.
const BAD_TIMESTAMP: &str = "bad_timestamp";

/// A row that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowRejection {
    /// The file.
    pub file: Arc<str>,
    /// The row in the file, from 0, without the header.
    pub row: u64,
    /// Why: stable and few.
    pub reason: &'static str,
    /// What was found.
    pub detail: String,
}

/// Some rows of a table, in their order. Every row that was read is in `rows`, rejected, or unlabelled.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TableBatch {
    /// The rows that can be used, as `driftline_events::layout` says; none of them: `None`.
    pub rows: Option<RecordBatch>,
    /// How many rows were read.
    pub read: u64,
    /// The rows that were rejected, all of them.
    pub rejected: Vec<RowRejection>,
    /// How many rows have no label yet, when labels are read.
    pub unlabelled: u64,
    /// Values that are optional and unusable, such as a negative latency.
    pub ignored_fields: u64,
    /// The labels of `rows` when a reference is read; null where there is none.
    pub(crate) actual: Option<ArrayRef>,
}

/// The files of a table, read batch by batch. Ends after the first error.
pub(crate) struct Reading {
    jobs: std::vec::IntoIter<Job>,
    current: Option<(Job, Frames, u64)>,
    model: OneModel,
    purpose: Purpose,
    /// Added to the times of labels.
    delay: Duration,
    /// The time of rows whose own does not matter.
    fixed_time: Option<EventTime>,
    limits: Limits,
}

/// A file to read, and how.
pub(crate) struct Job {
    pub(crate) file: TableFile,
    pub(crate) mapping: Mapping,
    /// The label that goes beside the decoded rows of a reference.
    pub(crate) label: Option<Input>,
}

impl Job {
    fn series<'a>(&self, frame: &'a DataFrame, input: &Input) -> Result<&'a Series, TableError> {
        let column = frame.column(&input.column).map_err(|error| self.file.failed(error))?;
        Ok(column.as_materialized_series())
    }

    fn convert(&self, series: &Series, input: &Input) -> Result<ArrayRef, TableError> {
        let untyped = self.file.format() != Format::Parquet;
        convert(series, input.role, untyped).map_err(|error| self.file.failed(error))
    }
}

impl TableBatch {
    fn reject(&mut self, job: &Job, row: u64, reason: &'static str, detail: String) {
        self.rejected.push(RowRejection { file: Arc::clone(job.file.shown()), row, reason, detail });
    }

    fn reject_without_time(
        &mut self,
        times: &[Result<i64, NoTime>],
        job: &Job,
        first_row: u64,
        usable: &mut [bool],
    ) {
        for ((row, time), usable) in (first_row..).zip(times).zip(usable) {
            let Err(no_time) = time else { continue };
            *usable = false;
            match no_time {
                NoTime::Missing => self.reject(job, row, BAD_TIMESTAMP, "there is none".to_owned()),
                NoTime::Invalid(value) => {
                    self.reject(job, row, BAD_TIMESTAMP, value.chars().take(200).collect());
                }
            }
        }
    }
}

/// A decoder's registry that knows one model.
struct OneModel(Arc<ModelSchema>);

impl ModelRegistry for OneModel {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == self.0.model().as_str()).then(|| Arc::clone(&self.0))
    }

    fn register(&self, _inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

impl Reading {
    pub(crate) fn new(
        jobs: Vec<Job>,
        schema: Arc<ModelSchema>,
        purpose: Purpose,
        delay: Duration,
        fixed_time: Option<EventTime>,
    ) -> Self {
        let mut limits = Limits::default();
        // The table is the user's own; its batches are bounded here.
        limits.cells = usize::MAX;
        limits.features = usize::MAX;
        limits.rejected_details = usize::MAX;
        Self {
            jobs: jobs.into_iter(),
            current: None,
            model: OneModel(schema),
            purpose,
            delay,
            fixed_time,
            limits,
        }
    }

    /// The rows of a reference, all at `time`.
    pub(crate) fn reference(jobs: Vec<Job>, schema: Arc<ModelSchema>, time: EventTime) -> Self {
        Self::new(jobs, schema, Purpose::Reference, Duration::ZERO, Some(time))
    }

    fn batch(&self, job: &Job, frame: &DataFrame, first_row: u64) -> Result<TableBatch, TableError> {
        let read = frame.height();
        let mut batch = TableBatch { read: read as u64, ..TableBatch::default() };
        // Rows with a time and, of labels, with a label.
        let mut usable = vec![true; read];
        let mut columns: Vec<(String, ArrayRef)> = Vec::with_capacity(job.mapping.inputs.len() + 1);
        for input in &job.mapping.inputs {
            let series = job.series(frame, input)?;
            if input.role == Role::Time {
                let times = times(series).map_err(|error| job.file.failed(error))?;
                columns.push((input.name.clone(), self.placed(&times)));
                batch.reject_without_time(&times, job, first_row, &mut usable);
            } else {
                columns.push((input.name.clone(), job.convert(series, input)?));
            }
        }
        if let Some(time) = self.fixed_time {
            columns.push((layout::TIMESTAMP.to_owned(), constant_time(time, read)));
        }
        if self.purpose == Purpose::Labels {
            let label = columns.iter().find(|(name, _)| name == layout::LABEL || name == layout::VALUE);
            let (_, label) = label.expect("the mapping of labels has one");
            for (row, usable) in usable.iter_mut().enumerate().filter(|(row, _)| label.is_null(*row)) {
                batch.unlabelled += u64::from(std::mem::replace(usable, false));
                // A null label has no other fault worth telling.
                batch.rejected.retain(|rejected| rejected.row != first_row + row as u64);
            }
        }
        let usable: Vec<u64> =
            (0..).zip(&usable).filter(|(_, usable)| **usable).map(|(row, _)| row).collect();
        let mut rows = table(columns, read)?;
        if usable.len() < read {
            rows = take_record_batch(&rows, &UInt64Array::from(usable.clone())).map_err(TableError::Arrow)?;
        }
        let decoded = self.decode(&rows, self.purpose)?;
        let mut taken = usable;
        let mut position = 0;
        let refused: FxHashSet<u64> = decoded.rejected.iter().map(|rejected| rejected.row).collect();
        for rejected in decoded.rejected {
            let row = first_row + taken[rejected.row as usize];
            batch.reject(job, row, rejected.reason, rejected.detail);
        }
        taken.retain(|_| {
            position += 1;
            !refused.contains(&(position - 1))
        });
        batch.ignored_fields = decoded.ignored_fields;
        batch.rows = decoded.batches.into_iter().next().map(|batch| batch.rows);
        if let Some(input) = &job.label {
            batch.actual =
                Some(self.actual(job.convert(job.series(frame, input)?, input)?, input, &taken)?);
        }
        Ok(batch)
    }

    /// The labels of the rows `taken` as the decoder reads labels; null where there is none.
    fn actual(&self, label: ArrayRef, input: &Input, taken: &[u64]) -> Result<ArrayRef, TableError> {
        let labelled: Vec<u64> = taken.iter().copied().filter(|&row| !label.is_null(row as usize)).collect();
        let ids = StringArray::from_iter_values(std::iter::repeat_n("0", labelled.len()));
        let label = take(&label, &UInt64Array::from(labelled.clone()), None).map_err(TableError::Arrow)?;
        let columns = vec![
            (layout::TIMESTAMP.to_owned(), constant_time(EventTime::from_millis(0), labelled.len())),
            (layout::PREDICTION_ID.to_owned(), Arc::new(ids) as ArrayRef),
            (input.name.clone(), label),
        ];
        let decoded = self.decode(&table(columns, labelled.len())?, Purpose::Labels)?;
        let refused: FxHashSet<u64> = decoded.rejected.iter().map(|rejected| rejected.row).collect();
        let good = (0..).zip(&labelled).filter(|(position, _)| !refused.contains(position));
        let position_of: FxHashMap<u64, u64> = (0..).zip(good).map(|(at, (_, &row))| (row, at)).collect();
        let positions: UInt64Array = taken.iter().map(|row| position_of.get(row).copied()).collect();
        let Some(labels) = decoded.batches.first() else {
            let none = arrow::array::new_null_array(&arrow::datatypes::DataType::Null, taken.len());
            return Ok(none);
        };
        let column = labels.rows.column_by_name(&input.name).expect("the decoder makes every column");
        take(column, &positions, None).map_err(TableError::Arrow)
    }

    /// Times as a column, later by the delay.
    fn placed(&self, times: &[Result<i64, NoTime>]) -> ArrayRef {
        let later = |&time: &i64| EventTime::from_millis(time).saturating_add(self.delay).as_millis();
        let array: TimestampMillisecondArray =
            times.iter().map(|time| time.as_ref().ok().map(later)).collect();
        Arc::new(array.with_timezone("UTC"))
    }

    fn decode(&self, rows: &RecordBatch, purpose: Purpose) -> Result<Decoded, TableError> {
        if rows.num_rows() == 0 {
            return Ok(Decoded::default());
        }
        let context = DecodeContext {
            registry: &self.model,
            limits: &self.limits,
            // Tables may be of any time, and every row has its own.
            arrival: EventTime::MAX,
            max_future: Duration::ZERO,
            default_model: Some(self.model.0.model().as_str()),
        };
        match purpose {
            Purpose::Labels => labels_from_arrow(rows, &context),
            Purpose::Predictions | Purpose::Reference => predictions_from_arrow(rows, &context),
        }
        .map_err(TableError::Payload)
    }
}

fn constant_time(time: EventTime, rows: usize) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_value(time.as_millis(), rows).with_timezone("UTC"))
}

fn table(columns: Vec<(String, ArrayRef)>, rows: usize) -> Result<RecordBatch, TableError> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(TableError::Arrow)
}

/// Rows of a batch of so many columns.
pub(crate) fn batch_rows(columns: usize) -> NonZeroUsize {
    let rows = (BATCH_CELLS / columns.max(1)).clamp(1_024, BATCH_ROWS);
    NonZeroUsize::new(rows).expect("at least 1,024")
}

impl Iterator for Reading {
    type Item = Result<TableBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((job, mut frames, row)) = self.current.take() {
                match frames.next() {
                    Some(Ok(frame)) => {
                        let batch = self.batch(&job, &frame, row);
                        if batch.is_ok() {
                            self.current = Some((job, frames, row + frame.height() as u64));
                        } else {
                            self.jobs = Vec::new().into_iter();
                        }
                        return Some(batch);
                    }
                    Some(Err(error)) => {
                        self.jobs = Vec::new().into_iter();
                        return Some(Err(job.file.failed(error)));
                    }
                    None => {}
                }
            }
            let job = self.jobs.next()?;
            let mut columns = job.mapping.columns();
            if let Some(label) = job.label.as_ref().filter(|label| !columns.contains(&label.column.as_str()))
            {
                columns.push(&label.column);
            }
            let rows = batch_rows(columns.len());
            let started = job
                .file
                .scan(&columns, rows)
                .and_then(|queries| Frames::start(queries, rows).map_err(|error| job.file.failed(error)));
            match started {
                Ok(frames) => self.current = Some((job, frames, 0)),
                Err(error) => {
                    self.jobs = Vec::new().into_iter();
                    return Some(Err(error));
                }
            }
        }
    }
}
