//! Pending predictions in memory, for replays and tests.

use std::collections::BTreeMap;
use std::time::Duration;

use driftline_events::EventTime;
use rustc_hash::FxHashMap;

use super::{Expired, IdKey, Pending, PendingError, PendingStore, Word};

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
    fn load(&mut self, _: &[IdKey]) -> Result<(), PendingError> {
        Ok(())
    }

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

    fn each_labelled(&self, show: &mut dyn FnMut(&Pending)) -> Result<(), PendingError> {
        let has_label = |pending: &&Pending| matches!(pending.label, Some(Word { label: Some(_), .. }));
        self.predictions.entries.values().filter(has_label).for_each(show);
        Ok(())
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
