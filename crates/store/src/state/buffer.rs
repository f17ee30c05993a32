//! Entries that are not on disk yet.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use fjall::Slice;

use super::expiry::Floors;
use super::hashed::Hashed;
use super::table::Table;

/// What an entry costs in memory beside its key and value, roughly.
const ENTRY_BYTES: usize = 64;

/// Where a range of keys begins and ends.
pub(super) type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Changes of a range, in the order of keys; `None` removes.
pub(super) type Overlay = BTreeMap<Slice, Option<Slice>>;

/// The changes of every table since the last seal.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    ordered: [Overlay; Table::STORED.len()],
    hashed: [Hashed; Table::HASHED.len()],
    pub(super) floors: Floors,
    /// Of the ordered tables.
    bytes: usize,
}

impl Buffer {
    /// Gives what is in it, and is empty then, with room for about as much.
    pub(super) fn take(&mut self) -> Self {
        let hashed = self.hashed.each_ref().map(Hashed::emptied);
        std::mem::replace(self, Self { hashed, ..Self::default() })
    }

    /// What is said of a key: its value, or `None` if it is removed.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        if table.is_hashed() {
            return self.hashed(table).get(key);
        }
        self.ordered(table).get(key).map(Option::as_deref)
    }

    pub(super) fn ordered(&self, table: Table) -> &Overlay {
        &self.ordered[table.index()]
    }

    pub(super) fn hashed(&self, table: Table) -> &Hashed {
        &self.hashed[table.hashed_index()]
    }

    pub(super) fn entries(&self) -> usize {
        self.ordered.iter().map(BTreeMap::len).chain(self.hashed.iter().map(Hashed::len)).sum()
    }

    /// Roughly its bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.hashed.iter().map(Hashed::bytes).sum::<usize>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    pub(super) fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        if table.is_hashed() {
            self.hashed[table.hashed_index()].set(key, value);
            return;
        }
        self.bytes += value.map_or(0, <[u8]>::len);
        let entries = &mut self.ordered[table.index()];
        match entries.get_mut(key) {
            Some(entry) => {
                self.bytes -= entry.as_ref().map_or(0, |value| value.len());
                *entry = value.map(Slice::from);
            }
            None => {
                self.bytes += key.len() + ENTRY_BYTES;
                entries.insert(key.into(), value.map(Slice::from));
            }
        }
    }

    /// Lays a table's changes within a range over those in `onto`.
    pub(super) fn lay_over(&self, table: Table, range: Range<'_>, onto: &mut Overlay) {
        if table.is_hashed() {
            let within = |key: &[u8]| RangeBounds::<[u8]>::contains(&range, key);
            let changes = self.hashed(table).iter().filter(|(key, _)| within(key));
            onto.extend(changes.map(|(key, value)| (key.into(), value.map(Slice::from))));
        } else {
            let changes = self.ordered(table).range::<[u8], _>(range);
            onto.extend(changes.map(|(key, value)| (key.clone(), value.clone())));
        }
    }
}
