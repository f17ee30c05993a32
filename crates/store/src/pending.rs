//! Pending predictions and waiting labels in the state folder.

mod counts;
mod shelf;
#[cfg(test)]
mod tests;

use driftline_events::EventTime;
use driftline_window::{Expired, IdKey, Pending, PendingError, PendingStore, Word};

use shelf::Shelf;

use crate::state::{SealSource as _, State, StateError, Table};

/// A [`PendingStore`] in the state folder, of one model.
///
/// What is put goes to the [`State`] at once, so that it is part of the next checkpoint. [`PendingStore::load`] reads what is
/// asked for; it is kept decoded until the next load, and so is what is put.
///
/// What is older than the floor that [`PendingStore::expire`] set is not there, though it leaves the disk only when
/// its block is merged. How many are there is counted by minute, so that nothing has to be read to forget.
#[derive(Debug)]
pub struct StoredPending {
    state: State,
    space: u32,
    predictions: Shelf<Pending>,
    waiting: Shelf<Word>,
}

impl StoredPending {
    /// What is pending of the model with the number `space`; at most `capacity` predictions, and as many labels.
    ///
    /// # Errors
    /// [`StateError`] if its counts cannot be read.
    pub fn open(state: State, space: u32, capacity: usize) -> Result<Self, StateError> {
        let predictions = Shelf::open(&state, Table::Predictions, space, capacity)?;
        let waiting = Shelf::open(&state, Table::Waiting, space, capacity)?;
        Ok(Self { state, space, predictions, waiting })
    }

    /// The model's number.
    #[must_use]
    pub const fn space(&self) -> u32 {
        self.space
    }
}

impl PendingStore for StoredPending {
    fn load(&mut self, ids: &[IdKey]) -> Result<(), PendingError> {
        self.predictions.load(&self.state, ids)?;
        self.waiting.load(&self.state, ids)
    }

    fn prediction(&self, id: IdKey) -> Option<&Pending> {
        self.predictions.get(id)
    }

    fn put_prediction(&mut self, id: IdKey, pending: Pending) {
        self.predictions.put(&self.state, id, pending);
    }

    fn set_label(&mut self, id: IdKey, word: Word) {
        if let Some(mut pending) = self.predictions.get(id).cloned() {
            pending.label = Some(word);
            self.predictions.put(&self.state, id, pending);
        }
    }

    fn waiting(&self, id: IdKey) -> Option<&Word> {
        self.waiting.get(id)
    }

    fn put_waiting(&mut self, id: IdKey, word: Word) {
        self.waiting.put(&self.state, id, word);
    }

    fn take_waiting(&mut self, id: IdKey) -> Option<Word> {
        self.waiting.take(&self.state, id)
    }

    fn each_labelled(&self, show: &mut dyn FnMut(&Pending)) -> Result<(), PendingError> {
        self.predictions.each(&self.state, &mut |pending| {
            if shelf::Entry::is_labelled(pending) {
                show(pending);
            }
        })
    }

    fn expire(&mut self, before: EventTime) -> Expired {
        let predictions = self.predictions.expire(&self.state, before);
        let waiting = self.waiting.expire(&self.state, before);
        Expired {
            unlabelled: predictions.entries - predictions.labelled,
            labelled: predictions.labelled,
            unmatched_labels: waiting.entries,
            early: predictions.early + waiting.early,
        }
    }

    fn predictions(&self) -> usize {
        self.predictions.len()
    }

    fn waiting_labels(&self) -> usize {
        self.waiting.len()
    }
}

impl Drop for StoredPending {
    fn drop(&mut self) {
        // Else they would be lost between here and the next seal.
        self.predictions.counts().save(&self.state);
        self.waiting.counts().save(&self.state);
    }
}
