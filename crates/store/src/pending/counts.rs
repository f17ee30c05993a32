//! How many entries there are, by the minute they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftline_events::EventTime;

use crate::state::{SealSource, State, StateError, Table};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The beginning of all their keys in [`Table::Meta`].
const PREFIX: &[u8] = b"pending/";

/// The entries of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) entries: u32,
    /// Of these, those that have a label.
    pub(super) labelled: u32,
}

/// The counts of one table and space. They are stored with each checkpoint: those that changed.
#[derive(Debug)]
pub(super) struct Counts {
    prefix: Vec<u8>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    minutes: BTreeMap<EventTime, Count>,
    changed: BTreeSet<EventTime>,
    /// The last that changed and is among those: rows come in runs of one minute.
    last_changed: Option<EventTime>,
    entries: usize,
}

impl Counts {
    pub(super) fn open(state: &State, table: Table, space: u32) -> Result<Self, StateError> {
        let prefix = [PREFIX, table.name().as_bytes(), b"/", &space.to_be_bytes()].concat();
        let mut inner = Inner::default();
        let mut damaged = false;
        state.scan(Table::Meta, &prefix, false, &mut |key, value| {
            let minute =
                key[prefix.len()..].try_into().map(|bytes| EventTime::from_millis(i64::from_be_bytes(bytes)));
            match (minute, postcard::from_bytes::<(u32, u32)>(value)) {
                (Ok(minute), Ok((entries, labelled))) => {
                    inner.minutes.insert(minute, Count { entries, labelled });
                    inner.entries += entries as usize;
                }
                _ => damaged = true,
            }
            ControlFlow::Continue(())
        })?;
        if damaged {
            return Err(StateError::damaged(state.folder(), "counts of pending predictions cannot be read"));
        }
        Ok(Self { prefix, inner: Mutex::new(inner) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SealSource for Counts {
    fn save(&self, state: &State) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let mut key = self.prefix.clone();
        inner.last_changed = None;
        while let Some(minute) = inner.changed.pop_first() {
            key.truncate(self.prefix.len());
            key.extend(minute.as_millis().to_be_bytes());
            match inner.minutes.get(&minute) {
                Some(Count { entries, labelled }) => {
                    let value = postcard::to_stdvec(&(*entries, *labelled)).expect("a vector takes all");
                    state.put(Table::Meta, &key, value);
                }
                None => state.remove(Table::Meta, &key),
            }
        }
    }
}

impl Inner {
    fn note_change(&mut self, minute: EventTime) {
        if self.last_changed != Some(minute) {
            self.last_changed = Some(minute);
            self.changed.insert(minute);
        }
    }

    pub(super) const fn entries(&self) -> usize {
        self.entries
    }

    pub(super) fn add(&mut self, time: EventTime, is_labelled: bool) {
        let minute = time.floor(MINUTE);
        let count = self.minutes.entry(minute).or_default();
        count.entries += 1;
        count.labelled += u32::from(is_labelled);
        self.entries += 1;
        self.note_change(minute);
    }

    pub(super) fn take(&mut self, time: EventTime, was_labelled: bool) {
        let minute = time.floor(MINUTE);
        let Some(count) = self.minutes.get_mut(&minute) else { return };
        count.entries = count.entries.saturating_sub(1);
        count.labelled = count.labelled.saturating_sub(u32::from(was_labelled));
        self.entries = self.entries.saturating_sub(1);
        if count.entries == 0 {
            self.minutes.remove(&minute);
        }
        self.note_change(minute);
    }

    pub(super) fn first(&self) -> Option<EventTime> {
        self.minutes.keys().next().copied()
    }

    pub(super) fn remove(&mut self, minute: EventTime) -> Count {
        let count = self.minutes.remove(&minute).unwrap_or_default();
        self.entries -= count.entries as usize;
        self.note_change(minute);
        count
    }
}
