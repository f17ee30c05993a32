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
///
/// They lie by the minute they belong to; the table has only their places. A table of the entries themselves would be moved
/// whole each time it grows.
#[derive(Debug)]
struct Aged<T> {
    places: FxHashMap<IdKey, Place>,
    /// No minute is empty.
    minutes: BTreeMap<EventTime, Vec<(IdKey, T)>>,
    capacity: usize,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    minute: EventTime,
    at: u32,
}

const MINUTE: Duration = Duration::from_secs(60);

impl<T> Aged<T> {
    fn new(capacity: usize) -> Self {
        Self { places: FxHashMap::default(), minutes: BTreeMap::new(), capacity }
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn get(&self, id: IdKey) -> Option<&T> {
        let Place { minute, at } = *self.places.get(&id)?;
        self.minutes.get(&minute)?.get(at as usize).map(|(_, entry)| entry)
    }

    fn get_mut(&mut self, id: IdKey) -> Option<&mut T> {
        let Place { minute, at } = *self.places.get(&id)?;
        self.minutes.get_mut(&minute)?.get_mut(at as usize).map(|(_, entry)| entry)
    }

    fn put(&mut self, id: IdKey, time: EventTime, entry: T) {
        let minute = time.floor(MINUTE);
        let entries = self.minutes.entry(minute).or_default();
        let at = u32::try_from(entries.len()).expect("a minute's entries are numbered in 32 bits");
        entries.push((id, entry));
        if let Some(former) = self.places.insert(id, Place { minute, at }) {
            self.take_out(former);
        }
    }

    fn remove(&mut self, id: IdKey) -> Option<T> {
        let place = self.places.remove(&id)?;
        Some(self.take_out(place))
    }

    /// Takes an entry out of its minute; the minute's last takes its place.
    fn take_out(&mut self, Place { minute, at }: Place) -> T {
        let entries = self.minutes.get_mut(&minute).expect("a place is of a minute that is there");
        let (_, entry) = entries.swap_remove(at as usize);
        match entries.get(at as usize) {
            Some((moved, _)) => {
                let moved = self.places.get_mut(moved).expect("every entry has its place");
                moved.at = at;
            }
            None if entries.is_empty() => drop(self.minutes.remove(&minute)),
            None => {}
        }
        entry
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.minutes.values().flatten().map(|(_, entry)| entry)
    }

    /// Forgets whole minutes that ended before `before`, then the oldest minutes while there are too many entries.
    fn expire(&mut self, before: EventTime) -> Vec<(T, bool)> {
        let mut gone = Vec::new();
        while let Some(first) = self.minutes.first_entry() {
            let over = first.key().saturating_add(MINUTE) <= before;
            let full = self.places.len() > self.capacity;
            if !over && !full {
                break;
            }
            for (id, entry) in first.remove() {
                self.places.remove(&id);
                gone.push((entry, !over));
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
        self.predictions.get(id)
    }

    fn put_prediction(&mut self, id: IdKey, pending: Pending) {
        self.predictions.put(id, pending.time, pending);
    }

    fn set_label(&mut self, id: IdKey, word: Word) {
        if let Some(pending) = self.predictions.get_mut(id) {
            pending.label = Some(word);
        }
    }

    fn waiting(&self, id: IdKey) -> Option<&Word> {
        self.waiting.get(id)
    }

    fn put_waiting(&mut self, id: IdKey, word: Word) {
        self.waiting.put(id, word.time, word);
    }

    fn take_waiting(&mut self, id: IdKey) -> Option<Word> {
        self.waiting.remove(id)
    }

    fn each_labelled(&self, show: &mut dyn FnMut(&Pending)) -> Result<(), PendingError> {
        let has_label = |pending: &&Pending| matches!(pending.label, Some(Word { label: Some(_), .. }));
        self.predictions.iter().filter(has_label).for_each(show);
        Ok(())
    }

    fn expire(&mut self, before: EventTime) -> Expired {
        let mut expired = Expired::default();
        for (pending, early) in self.predictions.expire(before) {
            match pending.label {
                Some(Word { label: Some(_), .. }) => expired.labelled += 1,
                _ => expired.unlabelled += 1,
            }
            expired.early += u64::from(early);
        }
        for (_, early) in self.waiting.expire(before) {
            expired.unmatched_labels += 1;
            expired.early += u64::from(early);
        }
        expired
    }

    fn predictions(&self) -> usize {
        self.predictions.len()
    }

    fn waiting_labels(&self) -> usize {
        self.waiting.len()
    }
}
