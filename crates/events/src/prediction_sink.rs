//! Where prediction events of every model and carrier end up.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::event::{Event, Field, PredictionFacts, Rules};
use crate::prediction_batch::{FIXED_COLUMNS, PredictionBatch};
use crate::reject::{Fault, Reason, Rejections, shown};
use crate::{DecodeContext, Decoded, Feature, Limits, MessagePart, ModelSchema, PayloadError};

/// The name of the model that an event belongs to.
pub(crate) fn model_name<'e>(event: &'e Event<'_>, context: &DecodeContext<'e>) -> Result<&'e str, Fault> {
    match (event.model(), event.get(Field::Model)) {
        (Some(name), _) => Ok(name),
        (None, value) if value.is_missing() => {
            context.default_model.ok_or_else(|| Fault::new(Reason::MissingModel, "the event names no model"))
        }
        (None, value) => Err(Fault::new(Reason::BadModel, format!("model is {value}, and should be text"))),
    }
}

/// How far a sink had come when a part of its payload began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    taken: usize,
    ignored: u64,
}

/// The prediction batches of one payload.
pub(crate) struct PredictionSink<'c> {
    context: DecodeContext<'c>,
    rules: Rules<'c>,
    models: Vec<Model>,
    places: FxHashMap<Box<str>, usize>,
    /// Place and name of the model found last: models come in runs.
    last: Option<usize>,
    /// Rows times columns of all batches.
    cells: usize,
    ignored: u64,
    /// The place of every row that was added, where somebody asks for it.
    placed: Option<Vec<u32>>,
}

struct Model {
    batch: PredictionBatch,
    /// The registry would not take more features.
    is_full: bool,
}

impl<'c> PredictionSink<'c> {
    pub(crate) fn new(context: &DecodeContext<'c>) -> Self {
        Self {
            context: *context,
            rules: Rules::new(context),
            models: Vec::new(),
            places: FxHashMap::default(),
            last: None,
            cells: 0,
            ignored: 0,
            placed: None,
        }
    }

    /// Notes which batch each row goes to.
    pub(crate) fn note_places(&mut self) {
        self.placed = Some(Vec::new());
    }

    /// How far it has come.
    pub(crate) fn mark(&self) -> Mark {
        Mark { taken: self.placed.as_ref().map_or(0, Vec::len), ignored: self.ignored }
    }

    /// What the parts of a payload that began at these marks brought; `None` if a part has rows of several models, or
    /// places were not noted.
    pub(crate) fn parts(&self, marks: &[Mark]) -> Option<Vec<MessagePart>> {
        let placed = self.placed.as_deref()?;
        let mut batches = 0;
        let mut batch_of = Vec::with_capacity(self.models.len());
        for model in &self.models {
            batch_of.push(batches);
            batches += usize::from(!model.batch.is_empty());
        }
        let ends = marks.iter().skip(1).copied().chain([self.mark()]);
        let part = |(begin, end): (&Mark, Mark)| {
            let rows = &placed[begin.taken..end.taken];
            let first = rows.first().copied();
            rows.iter().all(|place| Some(*place) == first).then(|| MessagePart {
                batch: first.map(|place| batch_of[place as usize]),
                rows: rows.len() as u64,
                ignored_fields: end.ignored - begin.ignored,
            })
        };
        marks.iter().zip(ends).map(part).collect()
    }

    /// The rows that follow have this context; it differs from the one before only in what concerns single rows.
    pub(crate) fn set_context(&mut self, context: &DecodeContext<'c>) {
        self.context = *context;
        self.rules = Rules::new(context);
    }

    pub(crate) const fn limits(&self) -> &'c Limits {
        self.context.limits
    }

    pub(crate) const fn rules(&self) -> &Rules<'c> {
        &self.rules
    }

    pub(crate) const fn context(&self) -> &DecodeContext<'c> {
        &self.context
    }

    /// The place of a known model.
    pub(crate) fn find(&mut self, model: &str) -> Option<usize> {
        if let Some(last) = self.last
            && self.models[last].batch.schema().model().as_str() == model
        {
            return Some(last);
        }
        let place = match self.places.get(model) {
            Some(&place) => place,
            None => {
                let schema = self.context.registry.schema(model)?;
                self.add(model, schema)
            }
        };
        self.last = Some(place);
        Some(place)
    }

    /// Registers an unknown model, and gives its place.
    pub(crate) fn register(&mut self, inferred: ModelSchema) -> Result<usize, Fault> {
        let name = inferred.model().as_str().to_owned();
        match self.context.registry.register(inferred) {
            Ok(schema) => Ok(self.add(&name, schema)),
            Err(error) => {
                let reason = match error {
                    crate::RegisterError::Off => Reason::UnknownModel,
                    crate::RegisterError::Full { .. } => Reason::TooManyModels,
                };
                Err(Fault::new(reason, format!("model {:?}: {error}", shown(&name))))
            }
        }
    }

    fn add(&mut self, model: &str, schema: Arc<ModelSchema>) -> usize {
        let place = self.models.len();
        self.models.push(Model { batch: PredictionBatch::new(schema), is_full: false });
        self.places.insert(model.into(), place);
        place
    }

    pub(crate) fn schema(&self, place: usize) -> &Arc<ModelSchema> {
        self.models[place].batch.schema()
    }

    pub(crate) fn batch(&mut self, place: usize) -> &mut PredictionBatch {
        &mut self.models[place].batch
    }

    /// Whether features that an event has and its model does not may become the model's.
    pub(crate) fn may_widen(&self, place: usize) -> bool {
        let model = &self.models[place];
        model.batch.schema().inferred() && !model.is_full
    }

    /// Gives an inferred model more features. `false` if it stays as it was.
    pub(crate) fn widen(&mut self, place: usize, fresh: Vec<Feature>) -> bool {
        let limit = self.context.limits.features;
        let model = &mut self.models[place];
        let before = Arc::clone(model.batch.schema());
        let mut features = before.features().to_vec();
        let room = limit.saturating_sub(features.len());
        let is_cut = fresh.len() > room;
        features.extend(fresh.into_iter().take(room));
        let count = features.len();
        let wider = ModelSchema::new(
            before.model().clone(),
            before.task(),
            before.positive().cloned(),
            features,
            before.segments().to_vec(),
            true,
        );
        let widened = count > before.features().len()
            && match self.context.registry.register(wider) {
                Ok(schema) => {
                    let grew = schema.features().len() > before.features().len();
                    self.cells = self.cells.saturating_sub(model.batch.cells());
                    let taken = model.batch.widen(schema);
                    self.cells = self.cells.saturating_add(model.batch.cells());
                    grew && taken
                }
                Err(_) => false,
            };
        model.is_full |= is_cut || !widened;
        widened
    }

    /// Adds a row but for its features; the caller appends them to the batch.
    ///
    /// The inner error rejects the row.
    pub(crate) fn push(
        &mut self,
        place: usize,
        facts: &PredictionFacts<'_>,
        event: &mut Event<'_>,
    ) -> Result<Result<(), Fault>, PayloadError> {
        let limits = self.context.limits;
        let batch = &mut self.models[place].batch;
        if let Err(fault) = batch.has_room(event, limits) {
            return Ok(Err(fault));
        }
        let before = batch.cells();
        let columns = FIXED_COLUMNS + batch.features.len();
        if self.cells.saturating_add(columns) > limits.cells {
            return Err(PayloadError::TooManyCells { limit: limits.cells });
        }
        batch.push(facts, event, limits);
        if let Some(placed) = &mut self.placed {
            placed.push(u32::try_from(place).expect("there are fewer models than rows, which have a limit"));
        }
        self.cells += batch.cells() - before;
        self.ignored += event.ignored;
        if self.cells > limits.cells {
            return Err(PayloadError::TooManyCells { limit: limits.cells });
        }
        Ok(Ok(()))
    }

    pub(crate) const fn ignore(&mut self, fields: u64) {
        self.ignored += fields;
    }

    pub(crate) fn finish(self, rejections: Rejections) -> Decoded {
        let (rejected, rejected_total) = rejections.finish();
        let batches = self.models.into_iter().filter_map(|model| model.batch.finish()).collect();
        Decoded { batches, rejected, rejected_total, ignored_fields: self.ignored }
    }
}
