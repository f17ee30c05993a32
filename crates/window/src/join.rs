//! The label join: predictions that wait for their label, and labels that wait for their prediction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline_events::EventTime;
use driftline_summary::{Actual, Predicted};
use rustc_hash::FxHashMap;

use crate::key::CellSet;

/// A `prediction_id` as the join keeps it: 128 bits of XXH3.
///
/// With 10^9 ids of one model in memory two of them share a key with a chance of about 1 in 10^21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey(u128);

impl IdKey {
    /// The key of an id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(id.as_bytes()))
    }
}

/// What the join keeps of a prediction.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct Word {
    /// When it was said. The latest by event time holds, whatever came in first.
    pub time: EventTime,
    /// The label and its weight; `None`: taken back.
    pub label: Option<(Actual, f64)>,
}

/// Where pending predictions and waiting labels live: in memory here, on disk behind the same trait.
pub trait PendingStore: Send {
    /// The prediction of an id.
    fn prediction(&self, id: IdKey) -> Option<&Pending>;
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
    fn each_labelled(&self, show: &mut dyn FnMut(&Pending));
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

/// A [`PendingStore`] in memory, bounded in entries; the oldest go first.
#[derive(Debug)]
pub struct MemoryPending {
    predictions: Aged<Pending>,
    waiting: Aged<Word>,
}

/// Entries of one kind, found by id and forgotten by age.
#[derive(Debug)]
struct Aged<T> {
    entries: FxHashMap<IdKey, T>,
    /// Ids by the minute they belong to; an id may be listed in vain.
    minutes: BTreeMap<EventTime, Vec<IdKey>>,
    /// Ids in `minutes`, those in vain included.
    listed: usize,
    capacity: usize,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Ids listed in vain that are left until it pays to list all anew.
const SPARE_LISTED: usize = 10_000;

impl<T> Aged<T> {
    fn new(capacity: usize) -> Self {
        Self { entries: FxHashMap::default(), minutes: BTreeMap::new(), listed: 0, capacity }
    }

    fn put(&mut self, id: IdKey, time: EventTime, entry: T, time_of: impl Fn(&T) -> EventTime) {
        let minute = time.floor(MINUTE);
        let listed =
            self.entries.insert(id, entry).is_some_and(|former| time_of(&former).floor(MINUTE) == minute);
        if !listed {
            self.minutes.entry(minute).or_default().push(id);
            self.listed += 1;
        }
        if self.listed > 2 * self.entries.len() + SPARE_LISTED {
            self.minutes.clear();
            for (&id, entry) in &self.entries {
                self.minutes.entry(time_of(entry).floor(MINUTE)).or_default().push(id);
            }
            self.listed = self.entries.len();
        }
    }

    /// Forgets whole minutes that ended before `before`, then the oldest minutes while there are too many entries.
    fn expire(&mut self, before: EventTime, time_of: impl Fn(&T) -> EventTime) -> Vec<(T, bool)> {
        let mut gone = Vec::new();
        while let Some((&minute, _)) = self.minutes.first_key_value() {
            let over = minute.saturating_add(MINUTE) <= before;
            let full = self.entries.len() > self.capacity;
            if !over && !full {
                break;
            }
            let ids = self.minutes.remove(&minute).expect("the minute was just seen");
            self.listed -= ids.len();
            for id in ids {
                // An entry that was replaced since is listed under its new minute too.
                if self.entries.get(&id).is_some_and(|entry| time_of(entry).floor(MINUTE) == minute)
                    && let Some(entry) = self.entries.remove(&id)
                {
                    gone.push((entry, !over));
                }
            }
        }
        gone
    }
}

impl MemoryPending {
    /// An empty store for at most `capacity` predictions and as many waiting labels.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { predictions: Aged::new(capacity), waiting: Aged::new(capacity) }
    }
}

impl PendingStore for MemoryPending {
    fn prediction(&self, id: IdKey) -> Option<&Pending> {
        self.predictions.entries.get(&id)
    }

    fn put_prediction(&mut self, id: IdKey, pending: Pending) {
        self.predictions.put(id, pending.time, pending, |pending| pending.time);
    }

    fn set_label(&mut self, id: IdKey, word: Word) {
        if let Some(pending) = self.predictions.entries.get_mut(&id) {
            pending.label = Some(word);
        }
    }

    fn waiting(&self, id: IdKey) -> Option<&Word> {
        self.waiting.entries.get(&id)
    }

    fn put_waiting(&mut self, id: IdKey, word: Word) {
        self.waiting.put(id, word.time, word, |word| word.time);
    }

    fn take_waiting(&mut self, id: IdKey) -> Option<Word> {
        self.waiting.entries.remove(&id)
    }

    fn each_labelled(&self, show: &mut dyn FnMut(&Pending)) {
        let has_label = |pending: &&Pending| matches!(pending.label, Some(Word { label: Some(_), .. }));
        self.predictions.entries.values().filter(has_label).for_each(show);
    }

    fn expire(&mut self, before: EventTime) -> Expired {
        let mut expired = Expired::default();
        for (pending, early) in self.predictions.expire(before, |pending| pending.time) {
            match pending.label {
                Some(Word { label: Some(_), .. }) => expired.labelled += 1,
                _ => expired.unlabelled += 1,
            }
            expired.early += u64::from(early);
        }
        for (_, early) in self.waiting.expire(before, |word| word.time) {
            expired.unmatched_labels += 1;
            expired.early += u64::from(early);
        }
        expired
    }

    fn predictions(&self) -> usize {
        self.predictions.entries.len()
    }

    fn waiting_labels(&self) -> usize {
        self.waiting.entries.len()
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
