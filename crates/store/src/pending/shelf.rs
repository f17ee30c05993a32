//! Entries of one kind and model: found by id, forgotten by age.

use std::ops::ControlFlow;
use std::sync::Arc;

use driftline_events::EventTime;
use driftline_window::{IdKey, Pending, PendingError, Word};
use rustc_hash::FxHashMap;

use super::counts::{Counts, MINUTE};
use crate::state::{State, StateError, Table};

/// What a [`Shelf`] holds.
pub(super) trait Entry: Sized {
    fn time(&self) -> EventTime;
    fn is_labelled(&self) -> bool;
    fn encode(&self, out: &mut Vec<u8>);
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Entry for Pending {
    fn time(&self) -> EventTime {
        self.time
    }

    fn is_labelled(&self) -> bool {
        matches!(self.label, Some(Word { label: Some(_), .. }))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes)
    }
}

impl Entry for Word {
    fn time(&self) -> EventTime {
        self.time
    }

    fn is_labelled(&self) -> bool {
        false
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes)
    }
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forgotten {
    pub(super) entries: u64,
    pub(super) labelled: u64,
    /// Of the entries, those that would have had time left.
    pub(super) early: u64,
}

#[derive(Debug)]
pub(super) struct Shelf<T> {
    table: Table,
    space: u32,
    capacity: usize,
    /// What the last load read, and what was put since.
    loaded: FxHashMap<IdKey, T>,
    counts: Arc<Counts>,
    /// What is older is not there.
    floor: EventTime,
    /// What is older is too old. The floor is beyond it where the store was full.
    before: EventTime,
    /// Entries that came too late to be kept, since the last expiry.
    late: Forgotten,
    /// Room to encode and to sort in.
    bytes: Vec<u8>,
    keys: Vec<[u8; 20]>,
}

impl<T: Entry> Shelf<T> {
    pub(super) fn open(state: &State, table: Table, space: u32, capacity: usize) -> Result<Self, StateError> {
        let counts = Arc::new(Counts::open(state, table, space)?);
        state.save_at_seal(Arc::clone(&counts));
        Ok(Self {
            table,
            space,
            capacity,
            loaded: FxHashMap::default(),
            counts,
            floor: state.floor(table, space)?.unwrap_or(EventTime::MIN),
            before: EventTime::MIN,
            late: Forgotten::default(),
            bytes: Vec::new(),
            keys: Vec::new(),
        })
    }

    fn key(&self, id: IdKey) -> [u8; 20] {
        let mut key = [0; 20];
        key[..4].copy_from_slice(&self.space.to_be_bytes());
        key[4..].copy_from_slice(&id.to_be_bytes());
        key
    }

    pub(super) fn len(&self) -> usize {
        self.counts.lock().entries()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Reads what is known of these ids.
    pub(super) fn load(&mut self, state: &State, ids: &[IdKey]) -> Result<(), PendingError> {
        self.loaded.clear();
        self.loaded.shrink_to(2 * ids.len());
        if self.len() == 0 {
            return Ok(());
        }
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys.extend(ids.iter().map(|id| self.key(*id)));
        // In the order they stand on disk, so that each block is read once.
        keys.sort_unstable();
        keys.dedup();
        let mut damaged = false;
        let read = state.get_each(self.table, &keys, &mut |key, value| match T::decode(value) {
            Some(entry) if entry.time() >= self.floor => {
                self.loaded.insert(id_of(key), entry);
            }
            Some(_) => {}
            None => damaged = true,
        });
        self.keys = keys;
        match read {
            Ok(()) if !damaged => Ok(()),
            outcome => {
                self.loaded.clear();
                Err(PendingError(Box::new(outcome.err().unwrap_or_else(|| unreadable(state, self.table)))))
            }
        }
    }

    pub(super) fn get(&self, id: IdKey) -> Option<&T> {
        self.loaded.get(&id).filter(|entry| entry.time() >= self.floor)
    }

    pub(super) fn put(&mut self, state: &State, id: IdKey, entry: T) {
        let (time, is_labelled) = (entry.time(), entry.is_labelled());
        if time < self.floor {
            self.late.entries += 1;
            self.late.labelled += u64::from(is_labelled);
            self.late.early += u64::from(time.floor(MINUTE).saturating_add(MINUTE) > self.before);
            if let Some(former) = self.get(id) {
                self.counts.lock().take(former.time(), former.is_labelled());
                self.forget(state, id);
            }
            return;
        }
        self.bytes.clear();
        entry.encode(&mut self.bytes);
        state.put_bytes(self.table, &self.key(id), &self.bytes);
        // What is older than the floor was taken from the counts when it was forgotten.
        let former = self.loaded.insert(id, entry).filter(|former| former.time() >= self.floor);
        let mut counts = self.counts.lock();
        if let Some(former) = former {
            counts.take(former.time(), former.is_labelled());
        }
        counts.add(time, is_labelled);
    }

    pub(super) fn take(&mut self, state: &State, id: IdKey) -> Option<T>
    where
        T: Clone,
    {
        let entry = self.get(id)?.clone();
        self.counts.lock().take(entry.time(), entry.is_labelled());
        self.forget(state, id);
        Some(entry)
    }

    fn forget(&mut self, state: &State, id: IdKey) {
        state.remove(self.table, &self.key(id));
        self.loaded.remove(&id);
    }

    /// Shows every entry.
    pub(super) fn each(&self, state: &State, show: &mut dyn FnMut(&T)) -> Result<(), PendingError> {
        let mut damaged = false;
        let scanned = state.scan(self.table, &self.space.to_be_bytes(), false, &mut |_, value| {
            match T::decode(value) {
                Some(entry) if entry.time() >= self.floor => show(&entry),
                Some(_) => {}
                None => damaged = true,
            }
            if damaged { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match scanned {
            Ok(()) if !damaged => Ok(()),
            outcome => {
                Err(PendingError(Box::new(outcome.err().unwrap_or_else(|| unreadable(state, self.table)))))
            }
        }
    }

    /// Forgets whole minutes that ended before `before`, then the oldest minutes while there are too many entries.
    pub(super) fn expire(&mut self, state: &State, before: EventTime) -> Forgotten {
        self.before = self.before.max(before);
        let mut forgotten = std::mem::take(&mut self.late);
        let mut floor = self.floor;
        let mut counts = self.counts.lock();
        while let Some(minute) = counts.first() {
            let end = minute.saturating_add(MINUTE);
            let is_over = end <= before;
            if !is_over && counts.entries() <= self.capacity {
                break;
            }
            let count = counts.remove(minute);
            forgotten.entries += u64::from(count.entries);
            forgotten.labelled += u64::from(count.labelled);
            forgotten.early += if is_over { 0 } else { u64::from(count.entries) };
            floor = floor.max(end);
        }
        drop(counts);
        if floor > self.floor {
            self.floor = floor;
            state.set_floor(self.table, self.space, floor);
        }
        forgotten
    }
}

fn id_of(key: &[u8; 20]) -> IdKey {
    let mut id = [0; 16];
    id.copy_from_slice(&key[4..]);
    IdKey::from_be_bytes(id)
}

fn unreadable(state: &State, table: Table) -> StateError {
    StateError::damaged(state.folder(), format!("an entry of the table {} cannot be read", table.name()))
}
