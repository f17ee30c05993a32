//! Driftline's stages as the service calls them, in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use driftline::config::{ModelConfig, ModelDefaults};
use driftline::engine::{Engine, EngineLimits};
use driftline_events::{
    Carrier, DecodeContext, EventTime, Feature, FeatureKind, Limits, ModelBatch, ModelRegistry, ModelSchema,
    RegisterError, Task, decode_labels, decode_predictions, layout,
};
use driftline_expose::ModelOrigin;
use driftline_store::{MemoryHistory, State};
use driftline_summary::{CellSummary, Reducer, Reference, SpecParts, SummarySpec};

use crate::data::{NUMBERS, number_name};
use crate::files::batches;
use crate::folder::Folder;
use crate::inference::START_MILLIS;
use crate::options::{Options, rate};

/// Decodes what one model is sent.
#[derive(Debug)]
pub(crate) struct Decoder {
    schema: Arc<ModelSchema>,
    limits: Limits,
}

impl ModelRegistry for Decoder {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == self.schema.model().as_str()).then(|| Arc::clone(&self.schema))
    }

    fn register(&self, _: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

impl Decoder {
    pub(crate) fn new(schema: &Arc<ModelSchema>) -> Self {
        Self { schema: Arc::clone(schema), limits: Limits::default() }
    }

    fn context(&self) -> DecodeContext<'_> {
        DecodeContext {
            registry: self,
            limits: &self.limits,
            // A year on: no event is of the future.
            arrival: EventTime::from_millis(START_MILLIS + 365 * 86_400_000),
            max_future: Duration::ZERO,
            default_model: None,
        }
    }

    /// The rows of a payload; one that is rejected is a fault of the data.
    pub(crate) fn predictions(&self, payload: &[u8], carrier: Carrier) -> ModelBatch {
        let decoded = decode_predictions(payload, carrier, &self.context()).expect("the payload is usable");
        assert_eq!(decoded.rejected_total, 0, "{:?}", decoded.rejected.first());
        decoded.batches.into_iter().next().expect("it has rows")
    }

    /// The labels of a payload.
    pub(crate) fn labels(&self, payload: &[u8]) -> ModelBatch {
        let decoded = decode_labels(payload, Carrier::Json, &self.context()).expect("the payload is usable");
        assert_eq!(decoded.rejected_total, 0, "{:?}", decoded.rejected.first());
        decoded.batches.into_iter().next().expect("it has rows")
    }
}

/// An engine with one model that keeps everything in memory.
pub(crate) fn engine(model: ModelConfig, reference: Arc<Reference>) -> Engine {
    let limits = EngineLimits { pending_predictions: 50_000_000, max_models: 1 };
    let mut engine = Engine::new(Box::new(MemoryHistory::new(0)), limits);
    engine.put_model(model, Some(reference), ModelOrigin::Config).expect("there is room for a model");
    engine
}

/// An engine with one model that keeps its ids in a state folder, as the service does.
pub(crate) fn stored_engine(model: ModelConfig, reference: Option<Arc<Reference>>, state: &State) -> Engine {
    let limits = EngineLimits { pending_predictions: 700_000_000, max_models: 1 };
    let history = Box::new(MemoryHistory::new(0));
    let mut engine = Engine::durable(history, limits, ModelDefaults::default(), state.clone())
        .expect("the folder can be read");
    engine.put_model(model, reference, ModelOrigin::Config).expect("there is room for a model");
    engine
}

/// Commits what waits for a checkpoint, if it is so much.
pub(crate) fn commit(state: &State, entries: usize) {
    if state.buffered().entries >= entries
        && let Some(sealed) = state.seal()
    {
        state.commit(&sealed).expect("the disk has room");
    }
}

/// The 20 numbers, in Arrow already, into full summaries.
pub(crate) fn columns(folder: &Folder, options: &Options) {
    let rows: u64 = options.number("rows", 1_000_000);
    let spec = numbers_only(&folder.reference());
    let batches: Vec<RecordBatch> = batches(rows).map(|batch| numbers_of(&batch)).collect();
    let schema = batches[0].schema();
    // Batches of a replay's size.
    let large: Vec<RecordBatch> = batches
        .chunks(64)
        .map(|some| arrow::compute::concat_batches(&schema, some).expect("they are alike"))
        .collect();
    drop(batches);
    for threads in [1, 2] {
        rate(&format!("columns.fold_{threads}"), "rows/s", || fold(&spec, &large, threads));
    }
}

/// Folds on so many threads, each into a summary of its own, and merges them.
fn fold(spec: &Arc<SummarySpec>, batches: &[RecordBatch], threads: usize) -> u64 {
    let cells = on_threads(threads, batches, |some| {
        let mut cell = CellSummary::new(Arc::clone(spec));
        for batch in some {
            cell.fold(batch).expect("the columns are the spec's");
        }
        cell
    });
    let cell = merged(cells);
    assert_eq!(cell.traffic.total.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    cell.traffic.total.rows
}

/// What threads make, each of the items that it gets to: none waits while there are any left.
pub(crate) fn on_threads<'a, T: Sync, R: Send>(
    threads: usize,
    items: &'a [T],
    work: impl Fn(&mut dyn Iterator<Item = &'a T>) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || work(&mut std::iter::from_fn(|| items.get(next.fetch_add(1, Ordering::Relaxed))));
    std::thread::scope(|scope| {
        let running: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        let others = running.into_iter().map(|thread| thread.join().expect("no thread panics"));
        std::iter::once(own).chain(others).collect()
    })
}

/// Summaries of one spec, merged.
pub(crate) fn merged(cells: Vec<CellSummary>) -> CellSummary {
    let merge = |mut sum: CellSummary, other: CellSummary| {
        sum.merge(&other).expect("all have one spec");
        sum
    };
    cells.into_iter().reduce(merge).expect("there is one thread at least")
}

/// The reference's spec without all but the numeric features.
fn numbers_only(reference: &Reference) -> Arc<SummarySpec> {
    let mut features = reference.spec.features().to_vec();
    features.retain(|feature| matches!(feature.reducer, Reducer::Numeric(_)));
    let parts = SpecParts::unlearned(&ModelSchema::new(
        driftline_events::ModelId::try_new("numbers").expect("a good name"),
        Task::Regression,
        None,
        Vec::<Feature>::new(),
        Vec::new(),
        false,
    ));
    assert!(features.iter().all(|feature| feature.kind == FeatureKind::Numeric) && features.len() == NUMBERS);
    SummarySpec::new(SpecParts { features, ..parts })
}

/// A batch's numeric features, and the weight that every decoded row has.
fn numbers_of(batch: &RecordBatch) -> RecordBatch {
    let weight = arrow::array::Float64Array::from(vec![1.0; batch.num_rows()]);
    let mut columns = vec![(layout::WEIGHT.to_owned(), Arc::new(weight) as arrow::array::ArrayRef)];
    for position in 0..NUMBERS {
        let name = layout::feature(&number_name(position));
        let column = batch.column_by_name(&name).expect("it has all features");
        columns.push((name, Arc::clone(column)));
    }
    RecordBatch::try_from_iter(columns).expect("columns are of one length")
}
