//! One model: its windows, its reference, its latest reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use driftline_evaluate::{AlertBook, AlertEvent, ReferenceSpec, WindowReport};
use driftline_events::{EventTime, FeatureKind, ModelBatch, ModelSchema, layout};
use driftline_expose::ModelOrigin;
use driftline_summary::Reference;
use driftline_window::{
    Due, Expired, Grids, Labelled, PendingStore, Pushed, Sizes, WindowError, WindowSummary, Windower,
};

use super::counters::{self, VersionCounters};
use super::reference;
use super::stored::Unsaved;
use crate::config::ModelConfig;

/// Versions that are counted apart.
const MAX_VERSIONS: usize = 64;

/// Which latest report is which: window, version, segment.
pub type LatestKey = (String, String, BTreeMap<String, String>);

/// Labels since the start, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// As the join counted them.
    pub labelled: Labelled,
    /// What was forgotten.
    pub expired: Expired,
}

/// A model's state, for those who look at it.
#[derive(Clone, Debug)]
pub struct ModelStatus {
    /// Event time that has passed.
    pub watermark: Option<EventTime>,
    /// The greatest event time seen.
    pub greatest: Option<EventTime>,
    /// Rows a learned reference has and needs, until it is there.
    pub learning: Option<(u64, u64)>,
    /// What is held in memory.
    pub sizes: Sizes,
}

/// One model.
#[derive(Debug)]
pub struct Model {
    pub(super) config: ModelConfig,
    pub(super) windower: Windower,
    pub(super) reference: Option<Arc<Reference>>,
    pub(super) alerts: AlertBook,
    versions: BTreeMap<String, VersionCounters>,
    labels: LabelCounts,
    late: u64,
    origin: ModelOrigin,
    last_arrival: Option<EventTime>,
    /// The latest closed window of each name, version and segment.
    latest: BTreeMap<LatestKey, Arc<WindowReport>>,
    /// The open window of each, as it was when it was last looked at.
    open: BTreeMap<LatestKey, Arc<WindowReport>>,
    pub(super) unsaved: Unsaved,
}

impl Model {
    pub(super) fn new(
        config: ModelConfig,
        reference: Option<Arc<Reference>>,
        origin: ModelOrigin,
        pending: Box<dyn PendingStore>,
    ) -> Self {
        let grids = match &reference {
            Some(reference) => Grids::Given(Arc::clone(&reference.spec)),
            None => Grids::Learned { rows: learn_rows(&config.reference) },
        };
        let mut windower = Windower::new(
            Arc::clone(&config.schema),
            grids,
            config.time.clone(),
            config.look_back(),
            config.options.max_segment_values,
            pending,
        );
        windower.know_segments(reference.iter().flat_map(|reference| reference.segments.keys()));
        let alerts = AlertBook::new(config.schema.model().as_str(), Arc::clone(&config.alerts));
        Self {
            config,
            windower,
            reference,
            alerts,
            versions: BTreeMap::new(),
            labels: LabelCounts::default(),
            late: 0,
            origin,
            last_arrival: None,
            latest: BTreeMap::new(),
            open: BTreeMap::new(),
            unsaved: Unsaved::ALL,
        }
    }

    pub(super) fn set_reference(&mut self, reference: Arc<Reference>) -> Result<(), WindowError> {
        // What was counted on the same grids goes on.
        if self.reference.as_ref().is_none_or(|known| known.spec.parts() != reference.spec.parts()) {
            self.windower.set_grids(Arc::clone(&reference.spec))?;
        }
        self.windower.know_segments(reference.segments.keys());
        self.reference = Some(reference);
        (self.unsaved.windows, self.unsaved.reference) = (true, true);
        Ok(())
    }

    pub(super) fn push_predictions(
        &mut self,
        batch: &ModelBatch,
        now: Option<EventTime>,
    ) -> Result<Pushed, WindowError> {
        let known = self.windower.schema();
        if known.inferred()
            && batch.schema.inferred()
            && batch.schema.features().len() > known.features().len()
        {
            self.windower.widen(Arc::clone(&batch.schema))?;
            (self.unsaved.windows, self.unsaved.settings) = (true, true);
        }
        self.unsaved.windows = true;
        now.into_iter().for_each(|now| self.windower.advance(now));
        let rows = conform(&batch.rows, self.windower.schema())?;
        let mut pushed = self.windower.push_predictions(&rows, now)?;
        counters::count(&pushed.rows, &mut self.versions, MAX_VERSIONS);
        self.late += pushed.late;
        self.last_arrival = now.or(self.last_arrival);
        self.add_labelled(&pushed.labelled);
        if let Some(reference) = pushed.learned.take() {
            self.reference = Some(Arc::new(reference));
            self.unsaved.reference = true;
        }
        Ok(pushed)
    }

    /// As for predictions, the watermark follows the clock up to `now` first: what is too late must not depend on when
    /// the clock was last looked at, or a replay of the same events after a crash would count otherwise.
    pub(super) fn push_labels(
        &mut self,
        batch: &ModelBatch,
        now: Option<EventTime>,
    ) -> Result<Labelled, WindowError> {
        self.unsaved.windows = true;
        now.into_iter().for_each(|now| self.windower.advance(now));
        let labelled = self.windower.push_labels(&batch.rows)?;
        self.add_labelled(&labelled);
        Ok(labelled)
    }

    fn add_labelled(&mut self, labelled: &Labelled) {
        self.labels.labelled += *labelled;
    }

    pub(super) fn advance(&mut self, now: EventTime) {
        self.windower.advance(now);
    }

    pub(super) fn due(&mut self, limit: usize) -> Vec<Due> {
        let due = self.windower.due(limit);
        self.unsaved.windows |= !due.is_empty();
        due
    }

    pub(super) fn settled(&mut self, at_end: bool) -> Vec<Due> {
        self.windower.settled(at_end)
    }

    pub(super) fn roll_up(&mut self) -> Result<(), WindowError> {
        self.windower.roll_up().map(drop)
    }

    pub(super) fn expire(&mut self) {
        self.labels.expired += self.windower.expire();
    }

    /// Merges and evaluates a window, and remembers it if it is the latest.
    pub(super) fn evaluate(&mut self, due: &Due) -> Result<Arc<WindowReport>, WindowError> {
        let window = self.windower.summarise(due)?;
        let report = self.report(&window)?;
        self.remember(&report);
        Ok(report)
    }

    /// Takes up the alerts of the same model with other settings.
    pub(super) fn continue_alerts_of(&mut self, former: Self) {
        let rules = Arc::clone(&self.config.alerts);
        self.alerts = former.alerts;
        self.alerts.set_spec(rules);
    }

    /// Lets the rules look at the windows that closed or changed, and at the clock.
    pub(super) fn alert(&mut self, reports: &[Arc<WindowReport>], now: EventTime) -> Vec<AlertEvent> {
        let mut events = self.alerts.take(reports.iter().map(|report| &**report));
        events.extend(self.alerts.clock(now));
        self.unsaved.alerts |= !reports.is_empty() || !events.is_empty();
        events
    }

    /// Lets the rules know that a window could not be evaluated.
    pub(super) fn alert_of_failure(&mut self, error: &WindowError, now: EventTime) -> Option<AlertEvent> {
        self.unsaved.alerts = true;
        self.alerts.failed(&error.to_string(), now)
    }

    pub(super) fn change_alerts<T, E>(
        &mut self,
        change: impl FnOnce(&mut AlertBook) -> Result<T, E>,
    ) -> Result<T, E> {
        self.unsaved.alerts = true;
        change(&mut self.alerts)
    }

    /// Its alerts.
    #[must_use]
    pub const fn alerts(&self) -> &AlertBook {
        &self.alerts
    }

    /// Takes a report for the latest if it is.
    pub(super) fn remember(&mut self, report: &Arc<WindowReport>) {
        let key = latest_key(report);
        let newer = self.latest.get(&key).is_none_or(|known| known.window.end <= report.window.end);
        if newer {
            // Another version or segment that stopped goes with the windows it was in.
            self.latest.retain(|(name, ..), known| {
                *name != report.window.name || known.window.end >= report.window.end
            });
            self.latest.insert(key, Arc::clone(report));
        }
    }

    pub(super) fn evaluate_open(&mut self) -> Result<Vec<Arc<WindowReport>>, WindowError> {
        let mut reports = Vec::new();
        for due in self.windower.open() {
            let window = self.windower.summarise(&due)?;
            reports.push(self.report(&window)?);
        }
        self.open = reports.iter().map(|report| (latest_key(report), Arc::clone(report))).collect();
        Ok(reports)
    }

    fn report(&self, window: &WindowSummary) -> Result<Arc<WindowReport>, WindowError> {
        reference::report(self, window).map(Arc::new)
    }

    /// The reports to show now: of each window, version and segment the latest closed one, or the open one while
    /// none has closed.
    #[must_use]
    pub fn shown(&self) -> Vec<Arc<WindowReport>> {
        let mut shown = self.latest.clone();
        for (key, report) in &self.open {
            if !self.latest.keys().any(|(name, ..)| *name == key.0) {
                shown.insert(key.clone(), Arc::clone(report));
            }
        }
        shown.into_values().collect()
    }

    /// Its settings.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its schema, with the features learned from events.
    #[must_use]
    pub const fn schema(&self) -> &Arc<ModelSchema> {
        self.windower.schema()
    }

    /// What its windows are compared with, where that is fixed.
    #[must_use]
    pub const fn reference(&self) -> Option<&Arc<Reference>> {
        self.reference.as_ref()
    }

    /// How it came to be watched.
    #[must_use]
    pub const fn origin(&self) -> ModelOrigin {
        self.origin
    }

    /// When predictions of it last arrived.
    #[must_use]
    pub const fn last_arrival(&self) -> Option<EventTime> {
        self.last_arrival
    }

    /// Counts by version since the start.
    #[must_use]
    pub const fn versions(&self) -> &BTreeMap<String, VersionCounters> {
        &self.versions
    }

    /// Labels since the start.
    #[must_use]
    pub const fn labels(&self) -> &LabelCounts {
        &self.labels
    }

    /// Rows that came after the watermark had passed them, since the start.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// How far it has come and what it holds.
    #[must_use]
    pub fn status(&self) -> ModelStatus {
        ModelStatus {
            watermark: self.windower.watermark(),
            greatest: self.windower.greatest(),
            learning: self.windower.learning(),
            sizes: self.windower.sizes(),
        }
    }
}

fn learn_rows(reference: &ReferenceSpec) -> u64 {
    match reference {
        ReferenceSpec::Learned { learn_rows } => learn_rows.get(),
        _ => driftline_evaluate::DEFAULT_LEARN_ROWS,
    }
}

fn latest_key(report: &WindowReport) -> LatestKey {
    (report.window.name.clone(), report.version.clone(), report.segment.clone())
}

/// A batch with a column for every feature and segment of the schema, in its kind: one that was decoded before the
/// schema changed may lack some, and what it has of another kind is as good as missing.
fn conform(rows: &RecordBatch, schema: &ModelSchema) -> Result<RecordBatch, WindowError> {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let features = schema.features().iter().map(|feature| {
        let kind = match feature.kind {
            FeatureKind::Numeric => DataType::Float64,
            FeatureKind::Categorical | FeatureKind::Boolean => text(),
        };
        (layout::feature(&feature.name), kind)
    });
    let tags = schema.segments().iter().map(|segment| (layout::tag(segment), text()));
    let unfit: Vec<(String, DataType)> = features
        .chain(tags)
        .filter(|(name, kind)| rows.column_by_name(name).is_none_or(|column| column.data_type() != kind))
        .collect();
    if unfit.is_empty() {
        return Ok(rows.clone());
    }
    let (mut fields, mut columns): (Vec<Arc<Field>>, Vec<ArrayRef>) = rows
        .schema()
        .fields()
        .iter()
        .zip(rows.columns())
        .filter(|(field, _)| unfit.iter().all(|(name, _)| name != field.name()))
        .map(|(field, column)| (Arc::clone(field), Arc::clone(column)))
        .unzip();
    for (name, kind) in unfit {
        columns.push(new_null_array(&kind, rows.num_rows()));
        fields.push(Arc::new(Field::new(name, kind, true)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(WindowError::Arrow)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Float64Array};
    use driftline_events::{Feature, ModelId, Task};

    use super::*;

    #[test]
    fn a_batch_of_a_former_schema_is_made_to_fit() {
        let feature = |name: &str, kind| Feature { name: name.into(), kind };
        let features = vec![feature("x", FeatureKind::Numeric), feature("y", FeatureKind::Categorical)];
        let model = ModelId::try_new("m").unwrap();
        let schema = ModelSchema::new(model, Task::Regression, None, features, vec!["country".into()], false);
        let numbers = || Arc::new(Float64Array::from(vec![1.0, 2.0])) as ArrayRef;
        // x is as before, y was numeric, z is gone, and there was no segment.
        let rows = RecordBatch::try_from_iter([
            ("feature.x", numbers()),
            ("feature.y", numbers()),
            ("feature.z", numbers()),
        ]);
        let fit = conform(&rows.unwrap(), &schema).unwrap();
        assert_eq!(fit.column_by_name("feature.x").unwrap().null_count(), 0);
        for name in ["feature.y", "tag.country"] {
            let column = fit.column_by_name(name).unwrap();
            assert!(
                matches!(column.data_type(), DataType::Dictionary(..)),
                "{name}: {:?}",
                column.data_type()
            );
            assert_eq!(column.logical_null_count(), 2, "{name}");
        }
    }
}
