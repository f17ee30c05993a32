//! The label join: predictions that wait for their label, and labels that wait for their prediction.

use std::sync::Arc;

use driftline_events::EventTime;
use driftline_summary::{Actual, Predicted};
use rustc_hash::FxHashMap;

use crate::key::CellSet;

mod codec;
mod memory;

pub use memory::MemoryPending;

/// A `prediction_id` as the join keeps it: 128 bits of XXH3.
///
/// With 10^9 ids of one model in memory two of them share a key with a chance of about 1 in 10^21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey {
    // Two halves, so that an entry beside a key is not padded to 16 bytes.
    high: u64,
    low: u64,
}

impl IdKey {
    /// The key of an id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self::from_number(xxhash_rust::xxh3::xxh3_128(id.as_bytes()))
    }

    /// The key as it stands on disk.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 16] {
        (((self.high as u128) << 64) | self.low as u128).to_be_bytes()
    }

    /// The key from disk.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 16]) -> Self {
        Self::from_number(u128::from_be_bytes(bytes))
    }

    /// One of so many equal parts of all keys.
    pub(crate) const fn part(self, parts: usize) -> usize {
        // Not by the bits that a hash table looks at first.
        ((self.high >> 32) as usize) % parts
    }

    /// A part of it that the part of all keys says nothing of.
    pub(crate) const fn tag(self) -> u32 {
        self.low as u32
    }

    const fn from_number(number: u128) -> Self {
        Self { high: (number >> 64) as u64, low: number as u64 }
    }
}

/// What the join keeps of a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// When it was made.
    pub time: EventTime,
    /// The summaries it was folded into.
    pub cells: CellSet,
    /// How many requests it stands for.
    pub weight: f64,
    /// What was predicted.
    pub predicted: Predicted,
    /// The latest word on its label.
    pub label: Option<Word>,
}

/// The latest word on an id's label: a label, or that it was taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// When it was said. The latest by event time holds, whatever came in first.
    pub time: EventTime,
    /// The label and its weight; `None`: taken back.
    pub label: Option<(Actual, f64)>,
}

/// What is pending cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("pending predictions cannot be read from the state folder")]
pub struct PendingError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where pending predictions and waiting labels live: in memory here, on disk behind the same trait.
///
/// Everything about an id is asked after [`PendingStore::load`] of that id, which may read a disk and fail; what
/// comes after it does neither, so that a batch is joined as a whole or not at all.
pub trait PendingStore: Send + Sync {
    /// Gets ready what is known of these ids.
    ///
    /// # Errors
    /// [`PendingError`] if it cannot be read; nothing has changed then.
    fn load(&mut self, ids: &[IdKey]) -> Result<(), PendingError>;
    /// The prediction of an id.
    fn prediction(&self, id: IdKey) -> Option<&Pending>;
    /// When the prediction of an id was made.
    fn made(&self, id: IdKey) -> Option<EventTime> {
        self.prediction(id).map(|pending| pending.time)
    }
    /// Keeps no more of a prediction than its id and time, where the store expects no labels. `false`: it wants the
    /// prediction itself.
    fn put_seen(&mut self, _id: IdKey, _time: EventTime) -> bool {
        false
    }
    /// Keeps a prediction.
    fn put_prediction(&mut self, id: IdKey, pending: Pending);
    /// Sets the latest word on a kept prediction's label.
    fn set_label(&mut self, id: IdKey, word: Word);
    /// The label that waits for an id's prediction.
    fn waiting(&self, id: IdKey) -> Option<&Word>;
    /// Keeps a label until its prediction comes.
    fn put_waiting(&mut self, id: IdKey, word: Word);
    /// Takes the label that waits for an id's prediction.
    fn take_waiting(&mut self, id: IdKey) -> Option<Word>;
    /// Shows every prediction that has a label.
    ///
    /// # Errors
    /// [`PendingError`] if they cannot be read; some may have been shown.
    fn each_labelled(&self, show: &mut dyn FnMut(&Pending)) -> Result<(), PendingError>;
    /// Forgets what is older than `before`, and the oldest beyond what the store can hold.
    fn expire(&mut self, before: EventTime) -> Expired;
    /// How many predictions are kept.
    fn predictions(&self) -> usize;
    /// How many labels wait.
    fn waiting_labels(&self) -> usize;
}

/// What a [`PendingStore::expire`] forgot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Predictions that never got a label.
    pub unlabelled: u64,
    /// Predictions that had one.
    pub labelled: u64,
    /// Labels whose prediction never came.
    pub unmatched_labels: u64,
    /// Of all these, how many went before their time because the store was full.
    pub early: u64,
}

impl std::ops::AddAssign for Expired {
    fn add_assign(&mut self, other: Self) {
        self.unlabelled += other.unlabelled;
        self.labelled += other.labelled;
        self.unmatched_labels += other.unmatched_labels;
        self.early += other.early;
    }
}

/// The classes that were seen, shared so that a pending prediction holds a pointer and not a copy.
#[derive(Debug, Default)]
pub(crate) struct Texts(FxHashMap<Arc<str>, ()>);

/// More distinct classes than any classifier has: beyond it texts are copied instead of shared.
const MAX_TEXTS: usize = 10_000;

impl Texts {
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some((shared, ())) = self.0.get_key_value(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = text.into();
        if self.0.len() < MAX_TEXTS {
            self.0.insert(Arc::clone(&shared), ());
        }
        shared
    }
}
