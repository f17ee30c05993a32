//! The label join as the windower does it: outcomes go into the pane of the prediction and the pane of the label.

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use driftline_events::{EventTime, Task, layout};
use driftline_summary::{Actual, Outcome, Predicted};

use crate::WindowError;
use crate::join::{IdKey, Pending, Word};
use crate::slice::{Keys, column, number_at, numbers, times};
use crate::windower::Windower;

/// What a batch of labels came to. Every row is in exactly one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Labels that met their prediction.
    pub joined: u64,
    /// Labels that replaced an earlier one.
    pub corrected: u64,
    /// Labels taken back.
    pub retracted: u64,
    /// Labels whose prediction has not come yet.
    pub waiting: u64,
    /// The same label again.
    pub duplicates: u64,
    /// Older than what is known of the id already.
    pub superseded: u64,
    /// More than the label horizon after their prediction, or older than the retention.
    pub too_late: u64,
}

impl Labelled {
    /// Labels that had an effect or may still have one.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.joined + self.corrected + self.retracted + self.waiting
    }
}

impl std::ops::AddAssign for Labelled {
    fn add_assign(&mut self, other: Self) {
        self.joined += other.joined;
        self.corrected += other.corrected;
        self.retracted += other.retracted;
        self.waiting += other.waiting;
        self.duplicates += other.duplicates;
        self.superseded += other.superseded;
        self.too_late += other.too_late;
    }
}

/// Adding or taking back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Add,
    Retract,
}

impl Windower {
    /// Joins a batch of labels in the decoder's layout.
    ///
    /// The latest word on an id by event time holds, in whatever order labels, corrections and retractions come in.
    ///
    /// # Errors
    /// [`WindowError`] if the batch is not in the layout; nothing is joined then.
    pub fn push_labels(&mut self, batch: &RecordBatch) -> Result<Labelled, WindowError> {
        let ids = id_column(batch)?;
        let classes = Keys::try_new(batch, layout::LABEL)?;
        let values = numbers(batch, layout::VALUE)?;
        let weights = numbers(batch, layout::WEIGHT)?;
        let retract = column(batch, layout::RETRACT)?
            .as_boolean_opt()
            .ok_or(WindowError::Column { name: layout::RETRACT })?;
        let regression = self.schema.task() == Task::Regression;
        let times = times(batch)?;
        let keys: Vec<IdKey> = ids.iter().flatten().map(IdKey::new).collect();
        self.pending.load(&keys)?;
        let mut labelled = Labelled::default();
        for (row, &time) in times.iter().enumerate() {
            let label = if retract.value(row) {
                None
            } else if regression {
                number_at(values, row).map(Actual::Value)
            } else {
                classes.text(classes.key(row)).map(|class| Actual::Class(self.texts.share(class)))
            };
            let word = Word {
                time: EventTime::from_millis(time),
                label: label.map(|actual| (actual, weights.value(row))),
            };
            self.take_word(IdKey::new(ids.value(row)), word, &mut labelled);
        }
        Ok(labelled)
    }

    /// The prediction of a loaded id. What is older than the retention is not known any more, whether it is still
    /// stored or not: so the answer does not depend on when the store was last cleaned.
    pub(crate) fn known_prediction(&self, id: IdKey) -> Option<&Pending> {
        let floor = self.floor();
        self.pending.prediction(id).filter(|pending| floor.is_none_or(|floor| pending.time >= floor))
    }

    /// Whether an id has a prediction that is known.
    pub(crate) fn is_known(&self, id: IdKey) -> bool {
        self.pending.made(id).is_some_and(|made| self.floor().is_none_or(|floor| made >= floor))
    }

    fn waiting_label(&self, id: IdKey) -> Option<&Word> {
        let word = self.pending.waiting(id)?;
        let floor = self.floor();
        Some(word).filter(|word| floor.is_none_or(|floor| word.time >= floor))
    }

    fn take_word(&mut self, id: IdKey, word: Word, labelled: &mut Labelled) {
        let floor = self.floor();
        let Some(pending) = self.known_prediction(id) else {
            match self.waiting_label(id) {
                Some(known) if known.time > word.time => labelled.superseded += 1,
                Some(known) if known.time == word.time && known.label == word.label => {
                    labelled.duplicates += 1
                }
                _ if floor.is_some_and(|floor| word.time < floor) => labelled.too_late += 1,
                _ => {
                    labelled.waiting += 1;
                    self.pending.put_waiting(id, word);
                }
            }
            return;
        };
        if word.time > pending.time.saturating_add(self.time.label_horizon) {
            labelled.too_late += 1;
            return;
        }
        let pending = pending.clone();
        match &pending.label {
            Some(known) if known.time > word.time => {
                labelled.superseded += 1;
                return;
            }
            Some(known) if known.time == word.time && known.label == word.label => {
                labelled.duplicates += 1;
                return;
            }
            Some(Word { label: Some(_), time }) => {
                let known =
                    Word { time: *time, label: pending.label.as_ref().and_then(|word| word.label.clone()) };
                self.apply(&pending, &known, Sign::Retract);
                match word.label {
                    Some(_) => labelled.corrected += 1,
                    None => labelled.retracted += 1,
                }
            }
            Some(Word { label: None, .. }) | None => match word.label {
                Some(_) => labelled.joined += 1,
                None => labelled.retracted += 1,
            },
        }
        self.apply(&pending, &word, Sign::Add);
        self.pending.set_label(id, word);
    }

    /// Adds an outcome to the panes of its prediction and of its label, or takes it back from them.
    fn apply(&mut self, pending: &Pending, word: &Word, sign: Sign) {
        let Some((actual, weight)) = &word.label else { return };
        let outcome = outcome(pending, word.time, actual, *weight);
        let floor = self.floor();
        let made_in = pending.time.floor(self.time.pane);
        let labelled_in = word.time.floor(self.time.pane);
        let kept = |pane: EventTime| floor.is_none_or(|floor| pane >= floor);
        for cell in self.keys.cells(pending.cells).to_vec() {
            match sign {
                Sign::Add => {
                    if kept(made_in) {
                        self.panes.cell_mut(&self.spec, made_in, cell).outcomes.add(&outcome);
                        self.changed(made_in, cell);
                    }
                    if kept(labelled_in) {
                        self.panes.cell_mut(&self.spec, labelled_in, cell).arrivals.add(&outcome);
                        self.changed(labelled_in, cell);
                    }
                }
                Sign::Retract => {
                    if let Some(summary) = self.panes.existing_mut(made_in, cell) {
                        summary.outcomes.retract(&outcome);
                        self.changed(made_in, cell);
                    }
                    if let Some(summary) = self.panes.existing_mut(labelled_in, cell) {
                        summary.arrivals.retract(&outcome);
                        self.changed(labelled_in, cell);
                    }
                }
            }
        }
    }

    /// Counts the labels of kept predictions on new grids, after the panes' label summaries were emptied.
    ///
    /// # Errors
    /// [`WindowError::Pending`]; it may be begun again after the panes were emptied again.
    pub(crate) fn count_labels_anew(&mut self) -> Result<(), WindowError> {
        let (pane, keys, panes) = (self.time.pane, &self.keys, &mut self.panes);
        self.pending.each_labelled(&mut |pending| {
            let Some(Word { time, label: Some((actual, weight)) }) = &pending.label else { return };
            let outcome = outcome(pending, *time, actual, *weight);
            for &cell in keys.cells(pending.cells) {
                if let Some(summary) = panes.existing_mut(pending.time.floor(pane), cell) {
                    summary.outcomes.add_label(&outcome);
                }
                if let Some(summary) = panes.existing_mut(time.floor(pane), cell) {
                    summary.arrivals.add_label(&outcome);
                }
            }
        })?;
        Ok(())
    }

    /// Keeps the predictions of a batch for their labels, and joins the labels that came before them. `ids` are those
    /// of the rows.
    pub(crate) fn join_predictions(
        &mut self,
        rows: &RecordBatch,
        ids: &[Option<IdKey>],
    ) -> Result<Labelled, WindowError> {
        let mut labelled = Labelled::default();
        if ids.iter().all(Option::is_none) {
            return Ok(labelled);
        }
        let sets = self.keys.sets(rows)?;
        let labels = Keys::try_new(rows, layout::PREDICTION_LABEL)?;
        let scores = numbers(rows, layout::PREDICTION_SCORE)?;
        let values = numbers(rows, layout::PREDICTION_VALUE)?;
        let weights = numbers(rows, layout::WEIGHT)?;
        let class_scores = self.class_scores(rows);
        // Each class is shared once, and not once a row.
        let classes: Vec<_> =
            labels.texts().map(|class| class.map(|class| self.texts.share(class))).collect();
        for (row, (&time, id)) in times(rows)?.iter().zip(ids).enumerate() {
            let Some(id) = *id else { continue };
            let time = EventTime::from_millis(time);
            if self.pending.put_seen(id, time) {
                continue;
            }
            let each: Vec<_> = class_scores
                .iter()
                .filter_map(|(class, column)| Some((Arc::clone(class), number_at(column, row)?)))
                .collect();
            let predicted = Predicted {
                label: usize::try_from(labels.key(row)).ok().and_then(|key| classes[key].clone()),
                score: number_at(scores, row),
                value: number_at(values, row),
                scores: (!each.is_empty()).then(|| each.into()),
            };
            let pending =
                Pending { time, cells: sets[row], weight: weights.value(row), predicted, label: None };
            let waited = self.waiting_label(id).is_some();
            self.pending.put_prediction(id, pending);
            if let Some(word) = self.pending.take_waiting(id)
                && waited
            {
                self.take_word(id, word, &mut labelled);
            }
        }
        Ok(labelled)
    }

    /// The columns that hold a probability for each class.
    fn class_scores(&mut self, rows: &RecordBatch) -> Vec<(Arc<str>, Float64Array)> {
        let schema = rows.schema();
        let mut found = Vec::new();
        for (field, column) in schema.fields().iter().zip(rows.columns()) {
            if let Some(class) = field.name().strip_prefix(&layout::score(""))
                && let Some(scores) = column.as_primitive_opt::<Float64Type>()
            {
                found.push((self.texts.share(class), scores.clone()));
            }
        }
        found
    }
}

/// A prediction joined with a label said at `time`.
fn outcome(pending: &Pending, time: EventTime, actual: &Actual, weight: f64) -> Outcome {
    Outcome {
        predicted: pending.predicted.clone(),
        actual: actual.clone(),
        weight: pending.weight * weight,
        delay_seconds: time.since(pending.time).as_secs_f64(),
    }
}

fn id_column(batch: &RecordBatch) -> Result<&StringArray, WindowError> {
    column(batch, layout::PREDICTION_ID)?
        .as_string_opt::<i32>()
        .ok_or(WindowError::Column { name: layout::PREDICTION_ID })
}
