//! One model's panes, windows and label join: batches in, windows to evaluate out.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use driftline_events::{EventTime, ModelSchema, layout};
use driftline_summary::{CellSummary, Reference, SegmentKey, SpecParts, SummarySpec};
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::WindowError;
use crate::config::TimeSpec;
use crate::join::{Expired, IdKey, PendingStore, Texts};
use crate::key::{CellId, CellKey, KeyTable};
use crate::labels::Labelled;
use crate::learning::Learning;
use crate::panes::{Panes, Part};
use crate::schedule::Schedule;
use crate::slice::{slice_by_pane, take, times};
use crate::watermark::Watermark;

/// Where a model's grids come from.
#[derive(Debug)]
pub enum Grids {
    /// A reference that is there.
    Given(Arc<SummarySpec>),
    /// The model's first rows, this many of them.
    Learned {
        /// Rows to learn from.
        rows: u64,
    },
}

/// What a batch of predictions came to.
#[derive(Debug)]
pub struct Pushed {
    /// The rows that were folded.
    pub rows: RecordBatch,
    /// How many they are.
    pub accepted: u64,
    /// Rows whose `prediction_id` was seen before.
    pub duplicates: u64,
    /// Rows older than the retention.
    pub too_late: u64,
    /// The rows of the batch that were not folded, in their order.
    pub refused: Vec<(u32, Refused)>,
    /// Rows among the accepted that came after the watermark had passed them.
    pub late: u64,
    /// Labels that had waited for these predictions.
    pub labelled: Labelled,
    /// The reference, if this batch completed the learning.
    pub learned: Option<Reference>,
}

/// Why a row was not folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its `prediction_id` was seen before.
    Duplicate,
    /// It is older than the retention.
    TooLate,
}

/// One window of one version and segment, merged and ready to be evaluated.
#[derive(Debug)]
pub struct WindowSummary {
    /// The window's name.
    pub name: Arc<str>,
    /// Its start in event time, as far back as it reached.
    pub start: EventTime,
    /// Its end in event time, not included.
    pub end: EventTime,
    /// Its length by configuration.
    pub length: Duration,
    /// How far it reached back beyond its length to find enough rows.
    pub reached_back: Duration,
    /// Its version and segment.
    pub key: CellKey,
    /// How often it was evaluated before since it closed.
    pub revision: u32,
    /// Whether its end has passed.
    pub is_final: bool,
    /// Everything that fell into it.
    pub current: CellSummary,
}

/// Panes that one step rolls up at most: about a millisecond each where all features are dense.
const ROLLED_PER_STEP: usize = 64;

/// One model's event time. It knows no clock: `now` comes in where idleness needs it.
pub struct Windower {
    pub(crate) schema: Arc<ModelSchema>,
    pub(crate) spec: Arc<SummarySpec>,
    pub(crate) time: TimeSpec,
    /// How much longer than the retention and the longest window panes are kept, for references that look back.
    look_back: Duration,
    pub(crate) keys: KeyTable,
    pub(crate) panes: Panes,
    pub(crate) texts: Texts,
    pub(crate) pending: Box<dyn PendingStore>,
    pub(crate) watermark: Watermark,
    pub(crate) learning: Option<Learning>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) settled_through: Option<EventTime>,
    /// The earliest event time seen: nobody waits for windows before it.
    pub(crate) earliest: Option<EventTime>,
    pub(crate) latest_version: Arc<str>,
}

impl std::fmt::Debug for Windower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windower")
            .field("model", self.schema.model())
            .field("panes", &self.panes.len())
            .field("watermark", &self.watermark)
            .finish_non_exhaustive()
    }
}

impl Windower {
    /// A model without any events yet. `look_back` is how far before a window its reference may reach.
    #[must_use]
    pub fn new(
        schema: Arc<ModelSchema>,
        grids: Grids,
        time: TimeSpec,
        look_back: Duration,
        max_segment_values: usize,
        pending: Box<dyn PendingStore>,
    ) -> Self {
        let (spec, learning) = match grids {
            Grids::Given(spec) => (spec, None),
            Grids::Learned { rows } => (SummarySpec::unlearned(&schema), Some(Learning::new(rows.max(1)))),
        };
        Self {
            spec,
            look_back,
            keys: KeyTable::new(schema.segments().to_vec(), max_segment_values),
            panes: Panes::new(time.pane),
            texts: Texts::default(),
            pending,
            watermark: Watermark::new(time.allowed_lateness, time.idle_timeout),
            learning,
            schedules: time.windows.iter().map(|_| Schedule::default()).collect(),
            settled_through: None,
            earliest: None,
            latest_version: "".into(),
            schema,
            time,
        }
    }

    /// Folds a batch of predictions in the decoder's layout. `now` is when it arrived; `None` where no clock runs.
    ///
    /// # Errors
    /// [`WindowError`] if the batch is not in the model's layout; nothing is folded then.
    pub fn push_predictions(
        &mut self,
        batch: &RecordBatch,
        now: Option<EventTime>,
    ) -> Result<Pushed, WindowError> {
        let (mut pushed, ids) = self.admit(batch)?;
        let rows = pushed.rows.clone();
        if rows.num_rows() == 0 {
            return Ok(pushed);
        }
        let row_times = times(&rows)?;
        let watermark = self.watermark.value();
        let late = |time: i64| watermark.is_some_and(|mark| EventTime::from_millis(time) < mark);
        pushed.late = row_times.iter().filter(|&&time| late(time)).count() as u64;
        let greatest = row_times.iter().copied().max().map(EventTime::from_millis);

        self.fold(&rows, Part::All)?;
        pushed.labelled = self.join_predictions(&rows, &ids)?;
        if let Some(learning) = &mut self.learning
            && learning.push(&rows)
        {
            pushed.learned = match self.learn(greatest.unwrap_or(EventTime::MIN)) {
                Ok(reference) => Some(reference),
                // The rows are folded; the next batch learns.
                Err(WindowError::Pending(_)) => None,
                Err(error) => return Err(error),
            };
        }
        let earliest = row_times.iter().copied().min().map(EventTime::from_millis);
        self.earliest = self.earliest.into_iter().chain(earliest).min();
        if let Some(greatest) = greatest {
            self.note_version(&rows, greatest)?;
            self.watermark.observe(greatest, now);
        }
        Ok(pushed)
    }

    /// The rows that are neither too late nor seen before, and the id of each.
    fn admit(&mut self, batch: &RecordBatch) -> Result<(Pushed, Vec<Option<IdKey>>), WindowError> {
        let floor = self.floor();
        let ids = crate::slice::column(batch, layout::PREDICTION_ID)?
            .as_string_opt::<i32>()
            .ok_or(WindowError::Column { name: layout::PREDICTION_ID })?;
        let ids: Vec<Option<IdKey>> = ids.iter().map(|id| id.map(IdKey::new)).collect();
        let known: Vec<IdKey> = ids.iter().flatten().copied().collect();
        self.pending.load(&known)?;
        let mut seen = FxHashSet::with_capacity_and_hasher(known.len(), FxBuildHasher);
        let mut refused = Vec::new();
        let mut kept = Vec::with_capacity(batch.num_rows());
        let mut kept_ids = Vec::with_capacity(batch.num_rows());
        for (row, (&time, id)) in times(batch)?.iter().zip(ids).enumerate() {
            if floor.is_some_and(|floor| EventTime::from_millis(time) < floor) {
                refused.push((row as u32, Refused::TooLate));
                continue;
            }
            if let Some(id) = id
                && (!seen.insert(id) || self.is_known(id))
            {
                refused.push((row as u32, Refused::Duplicate));
                continue;
            }
            kept.push(row as u32);
            kept_ids.push(id);
        }
        let accepted = kept.len() as u64;
        let rows = take(batch, kept)?;
        let duplicates = refused.iter().filter(|(_, why)| *why == Refused::Duplicate).count() as u64;
        let too_late = refused.len() as u64 - duplicates;
        let labelled = Labelled::default();
        let pushed =
            Pushed { rows, accepted, duplicates, too_late, refused, late: 0, labelled, learned: None };
        Ok((pushed, kept_ids))
    }

    fn fold(&mut self, rows: &RecordBatch, part: Part) -> Result<(), WindowError> {
        for (start, slice) in slice_by_pane(rows, self.time.pane)? {
            let cells = self.panes.fold(&self.spec, start, &slice, &mut self.keys, part)?;
            for cell in cells {
                self.changed(start, cell);
            }
        }
        Ok(())
    }

    pub(crate) fn changed(&mut self, pane: EventTime, cell: CellId) {
        for (schedule, window) in self.schedules.iter_mut().zip(&self.time.windows) {
            schedule.pane_changed(window, pane, cell);
        }
    }

    fn note_version(&mut self, rows: &RecordBatch, greatest: EventTime) -> Result<(), WindowError> {
        if self.watermark.greatest().is_some_and(|before| before > greatest) {
            return Ok(());
        }
        let latest = times(rows)?.iter().rposition(|&time| time == greatest.as_millis()).unwrap_or(0);
        let versions = crate::slice::Keys::try_new(rows, layout::VERSION)?;
        let version = versions.text(versions.key(latest)).unwrap_or("");
        if *self.latest_version != *version {
            self.latest_version = version.into();
        }
        Ok(())
    }

    /// Sets the grids by the rows seen so far, and counts those rows anew on them.
    fn learn(&mut self, created: EventTime) -> Result<Reference, WindowError> {
        // It stays until all is counted: a disk that fails in between has the next batch begin again.
        let learning = self.learning.as_ref().expect("the caller saw that there is one");
        let reference = learning.reference(&self.schema, &mut self.keys, created)?;
        self.spec = Arc::clone(&reference.spec);
        self.panes.reset_features(&self.spec);
        for batch in learning.batches().to_vec() {
            self.fold(&batch, Part::Features)?;
        }
        self.count_labels_anew()?;
        self.learning = None;
        Ok(reference)
    }

    /// Counts on the grids of another reference from now on. Panes before keep everything but the counts on the
    /// former grids.
    ///
    /// # Errors
    /// [`WindowError::Pending`] if the labels so far cannot be counted on the new grids; call it again then.
    pub fn set_grids(&mut self, spec: Arc<SummarySpec>) -> Result<(), WindowError> {
        self.learning = None;
        self.panes.reset_features(&spec);
        self.spec = spec;
        self.count_labels_anew()
    }

    /// Takes in a schema that has more features than the one before (a model whose types are inferred).
    ///
    /// # Errors
    /// [`WindowError::Merge`] if summaries do not fit together, which would be a fault of the program.
    pub fn widen(&mut self, schema: Arc<ModelSchema>) -> Result<(), WindowError> {
        let mut parts = self.spec.parts().clone();
        let known = parts.features.len();
        parts.features.extend(SpecParts::unlearned(&schema).features.into_iter().skip(known));
        self.spec = SummarySpec::new(parts);
        self.schema = schema;
        self.panes.widen(&self.spec)
    }

    /// Keeps these segments apart from the start: those of a reference, so that both sides pool the same ones.
    pub fn know_segments<'a>(&mut self, segments: impl IntoIterator<Item = &'a SegmentKey>) {
        segments.into_iter().for_each(|(tag, value)| self.keys.know(tag, value));
    }

    /// Rows that a learned reference has and needs; `None` once it is there.
    #[must_use]
    pub fn learning(&self) -> Option<(u64, u64)> {
        self.learning.as_ref().map(|learning| (learning.rows(), learning.rows_needed()))
    }

    /// Lets the watermark follow the clock if the model is idle.
    pub fn advance(&mut self, now: EventTime) {
        self.watermark.advance(now);
    }

    /// Merges panes that are old enough into wider ones, some at a time. Every window keeps its bounds: panes are
    /// never wider than all windows' lengths and steps allow.
    ///
    /// # Errors
    /// [`WindowError::Merge`] if panes do not fit together, which would be a fault of the program.
    pub fn roll_up(&mut self) -> Result<usize, WindowError> {
        let Some(watermark) = self.watermark.value() else { return Ok(0) };
        let mut rolled = 0;
        for (age, width) in self.time.roll_ups() {
            rolled += self.panes.roll_up(watermark.saturating_sub(age), width, ROLLED_PER_STEP)?;
        }
        Ok(rolled)
    }

    /// The period, widened to whole panes: those of long ago may be wider than those of now.
    #[must_use]
    pub fn whole_panes(&self, start: EventTime, end: EventTime) -> (EventTime, EventTime) {
        self.panes.whole(start, end)
    }

    /// Forgets panes and pending predictions that have outlived their use, and packs panes that have their rows. Call
    /// it after [`Windower::due`].
    pub fn expire(&mut self) -> Expired {
        let Some(watermark) = self.watermark.value() else {
            // Labels alone give no watermark; there may still be too many of them.
            return self.pending.expire(EventTime::MIN);
        };
        let floor = watermark.saturating_sub(self.time.retention).floor(self.time.pane);
        // A window that a late row can still revise has panes from before the retention.
        let reach = self.time.windows.iter().map(|window| window.length.max(window.max_length)).max();
        let kept = self.look_back.saturating_add(reach.unwrap_or_default());
        self.panes.expire(floor.saturating_sub(kept).floor(self.time.pane));
        self.panes.pack(watermark);
        for schedule in &mut self.schedules {
            schedule.expire(floor);
        }
        self.pending.expire(floor)
    }

    /// Events before this are too late; `None` before the first event.
    pub(crate) fn floor(&self) -> Option<EventTime> {
        Some(self.watermark.value()?.saturating_sub(self.time.retention).floor(self.time.pane))
    }

    /// The watermark; `None` before the first event.
    #[must_use]
    pub const fn watermark(&self) -> Option<EventTime> {
        self.watermark.value()
    }

    /// The greatest event time seen; `None` before the first event.
    #[must_use]
    pub const fn greatest(&self) -> Option<EventTime> {
        self.watermark.greatest()
    }

    /// The grids that rows are counted on.
    #[must_use]
    pub const fn spec(&self) -> &Arc<SummarySpec> {
        &self.spec
    }

    /// The model's schema.
    #[must_use]
    pub const fn schema(&self) -> &Arc<ModelSchema> {
        &self.schema
    }

    /// Sizes, for the service's own metrics.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes {
            panes: self.panes.len(),
            cells: self.panes.cells(),
            pending_predictions: self.pending.predictions(),
            waiting_labels: self.pending.waiting_labels(),
            owed_revisions: self.schedules.iter().map(Schedule::owed).sum(),
        }
    }
}

/// How much a [`Windower`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Panes kept.
    pub panes: usize,
    /// Summaries in them.
    pub cells: usize,
    /// Predictions that are known by their id.
    pub pending_predictions: usize,
    /// Labels whose prediction has not come.
    pub waiting_labels: usize,
    /// Closed windows that changed and were not evaluated again yet.
    pub owed_revisions: usize,
}
