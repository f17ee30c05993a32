//! Tables through the very same engine as the service, to the final report of every window.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch, TimestampMillisecondArray};
use driftline_evaluate::WindowReport;
use driftline_events::{EventTime, ModelBatch, layout};
use driftline_expose::ModelOrigin;
use driftline_store::MemoryHistory;
use driftline_summary::Reference;
use driftline_tables::{Batches, RowRejection, Table, TableBatch, TableError};

use crate::config::ModelConfig;
use crate::engine::{Engine, EngineError, EngineLimits};

/// What a replay reads.
#[derive(Debug)]
pub struct ReplayInput<'a> {
    /// The model and its windows.
    pub model: &'a ModelConfig,
    /// What windows are compared with, where that is fixed.
    pub reference: Option<Arc<Reference>>,
    /// The predictions.
    pub predictions: &'a Table,
    /// The labels, if they are known; it may be the table of the predictions.
    pub labels: Option<&'a Table>,
    /// Predictions that may wait for their label at once.
    pub pending_predictions: usize,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Predictions read.
    pub predictions_read: u64,
    /// Predictions that counted.
    pub predictions: u64,
    /// Predictions whose id was seen before.
    pub duplicates: u64,
    /// Predictions that came more than the retention after later ones.
    pub predictions_too_late: u64,
    /// Labels read.
    pub labels_read: u64,
    /// Labels that counted, or whose prediction never came.
    pub labels: u64,
    /// Labels that came beyond the label horizon, or more than the retention after later predictions.
    pub labels_too_late: u64,
    /// Labels whose prediction never came.
    pub labels_unmatched: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// Window reports written.
    pub reports: u64,
}

/// Something that ends a replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A table cannot be read.
    #[error("cannot read the {what}")]
    Table {
        /// `predictions` or `labels`.
        what: &'static str,
        /// Why not.
        #[source]
        source: TableError,
    },
    /// A fault of the program.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A report could not be handed on.
    #[error("cannot write the reports")]
    Output(#[source] std::io::Error),
}

/// Where a replay's results go while it runs.
pub trait ReplaySink {
    /// A window's final report. Reports come in order of their end.
    ///
    /// # Errors
    /// Ends the replay.
    fn report(&mut self, report: &WindowReport) -> std::io::Result<()>;
    /// A row that could not be used.
    fn rejected(&mut self, what: &'static str, row: &RowRejection);
    /// More was read.
    fn progress(&mut self, counts: &ReplayCounts);
}

/// The labels' table, read as far as the predictions have come.
struct Labels {
    batches: Batches,
    /// Read, but still ahead of the predictions.
    next: Option<TableBatch>,
}

/// Runs tables through the engine.
///
/// Predictions are pushed in steps of event time, each after the labels up to its start, so that a label always finds
/// its prediction's pane, however much time a batch covers. Each window is evaluated once, when nothing
/// can change it any more.
///
/// # Errors
/// [`ReplayError`]; what was handed to the sink before stays as it is.
pub fn replay(input: &ReplayInput<'_>, sink: &mut dyn ReplaySink) -> Result<ReplayCounts, ReplayError> {
    let mut counts = ReplayCounts::default();
    let limits = EngineLimits { pending_predictions: input.pending_predictions, max_models: 1 };
    // Reports go to the sink; none is kept.
    let engine = Engine::new(Box::new(MemoryHistory::new(0)), limits);
    let mut engine = if input.labels.is_some() { engine } else { engine.without_labels() };
    engine.put_model(input.model.clone(), input.reference.clone(), ModelOrigin::Config)?;
    let schema = &input.model.schema;
    let columns = &input.model.columns;
    let predictions = input.predictions.predictions(schema, columns).map_err(table("predictions"))?;
    let mut labels = match input.labels {
        Some(labels) => {
            Some(Labels { batches: labels.labels(schema, columns).map_err(table("labels"))?, next: None })
        }
        None => None,
    };
    // A prediction's pane lives for the retention, and its label comes within the horizon.
    let options = &input.model.options;
    let spare = options.retention.duration().saturating_sub(options.label_horizon.duration());
    let step = spare.max(options.pane.duration());
    for batch in predictions {
        let batch = batch.map_err(table("predictions"))?;
        counts.predictions_read += batch.read;
        counts.rejected += batch.rejected.len() as u64;
        batch.rejected.iter().for_each(|row| sink.rejected("predictions", row));
        for rows in batch.rows.iter().flat_map(|rows| steps(rows, step)) {
            if let Some(labels) = &mut labels {
                let start = driftline_window::earliest(&rows);
                push_labels(&mut engine, labels, start, input, sink, &mut counts)?;
            }
            let taken = engine.push_predictions(&ModelBatch { schema: Arc::clone(schema), rows }, None)?;
            counts.predictions += taken.accepted;
            counts.duplicates += taken.duplicates;
            counts.predictions_too_late += taken.too_late;
            hand_over(engine.settle(false)?, sink, &mut counts)?;
        }
        sink.progress(&counts);
    }
    if let Some(labels) = &mut labels {
        push_labels(&mut engine, labels, None, input, sink, &mut counts)?;
    }
    if let Some(model) = engine.model(schema.model().as_str()) {
        let status = model.status();
        counts.labels_unmatched =
            status.sizes.waiting_labels as u64 + model.labels().expired.unmatched_labels;
    }
    hand_over(engine.settle(true)?, sink, &mut counts)?;
    sink.progress(&counts);
    Ok(counts)
}

/// Rows in their order, cut where event time has gone on by `step`.
fn steps(rows: &RecordBatch, step: Duration) -> Vec<RecordBatch> {
    let times = rows.column_by_name(layout::TIMESTAMP).and_then(|times| times.as_primitive_opt());
    let times: &[i64] = times.map_or(&[], |times: &TimestampMillisecondArray| times.values());
    let end_of = |time: i64| EventTime::from_millis(time).saturating_add(step).as_millis();
    let mut cuts = vec![0];
    let mut end = times.first().map_or(i64::MAX, |&time| end_of(time));
    for (row, &time) in times.iter().enumerate() {
        if time >= end {
            cuts.push(row);
            end = end_of(time);
        }
    }
    cuts.push(rows.num_rows());
    cuts.windows(2).map(|cut| rows.slice(cut[0], cut[1] - cut[0])).collect()
}

/// Pushes labels up to the batch that begins after `reached`; all that are left if it is `None`.
fn push_labels(
    engine: &mut Engine,
    labels: &mut Labels,
    reached: Option<EventTime>,
    input: &ReplayInput<'_>,
    sink: &mut dyn ReplaySink,
    counts: &mut ReplayCounts,
) -> Result<(), ReplayError> {
    loop {
        let batch = match labels.next.take() {
            Some(batch) => batch,
            None => match labels.batches.next() {
                Some(batch) => batch.map_err(table("labels"))?,
                None => return Ok(()),
            },
        };
        let first = batch.rows.as_ref().and_then(driftline_window::earliest);
        if let (Some(first), Some(reached)) = (first, reached)
            && first > reached
        {
            labels.next = Some(batch);
            return Ok(());
        }
        counts.labels_read += batch.read;
        counts.rejected += batch.rejected.len() as u64;
        batch.rejected.iter().for_each(|row| sink.rejected("labels", row));
        if let Some(rows) = batch.rows {
            let taken =
                engine.push_labels(&ModelBatch { schema: Arc::clone(&input.model.schema), rows }, None)?;
            counts.labels += taken.accepted;
            counts.labels_too_late += taken.too_late;
        }
    }
}

fn hand_over(
    reports: Vec<Arc<WindowReport>>,
    sink: &mut dyn ReplaySink,
    counts: &mut ReplayCounts,
) -> Result<(), ReplayError> {
    for report in reports {
        sink.report(&report).map_err(ReplayError::Output)?;
        counts.reports += 1;
    }
    Ok(())
}

fn table(what: &'static str) -> impl Fn(TableError) -> ReplayError {
    move |source| ReplayError::Table { what, source }
}
