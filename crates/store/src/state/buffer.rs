//! Entries that are not on disk yet.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use fjall::Slice;
use rustc_hash::FxHashMap;

use super::expiry::Floors;
use super::table::Table;

/// What an entry costs in memory beside its key and value, roughly.
const ENTRY_BYTES: usize = 64;

/// Where a range of keys begins and ends.
pub(super) type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// One table's changes; `None` removes.
#[derive(Debug)]
pub(super) enum Changes {
    Ordered(BTreeMap<Slice, Option<Slice>>),
    Hashed(FxHashMap<Slice, Option<Slice>>),
}

impl Changes {
    fn new(table: Table) -> Self {
        if table.is_hashed() { Self::Hashed(FxHashMap::default()) } else { Self::Ordered(BTreeMap::new()) }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Slice>> {
        match self {
            Self::Ordered(entries) => entries.get(key),
            Self::Hashed(entries) => entries.get(key),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Ordered(entries) => entries.len(),
            Self::Hashed(entries) => entries.len(),
        }
    }

    /// Lays the changes within a range over those in `onto`.
    pub(super) fn lay_over(&self, range: Range<'_>, onto: &mut BTreeMap<Slice, Option<Slice>>) {
        match self {
            Self::Ordered(entries) => {
                onto.extend(entries.range::<[u8], _>(range).map(|(key, value)| (key.clone(), value.clone())));
            }
            Self::Hashed(entries) => {
                let within = |key: &Slice| RangeBounds::<[u8]>::contains(&range, &**key);
                onto.extend(
                    entries
                        .iter()
                        .filter(|(key, _)| within(key))
                        .map(|(key, value)| (key.clone(), value.clone())),
                );
            }
        }
    }

    /// Every change, in the order of keys.
    pub(super) fn sorted(&self) -> Vec<(&Slice, &Option<Slice>)> {
        match self {
            Self::Ordered(entries) => entries.iter().collect(),
            Self::Hashed(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
                entries
            }
        }
    }
}

/// The changes of every table since the last seal.
#[derive(Debug)]
pub(super) struct Buffer {
    tables: [Changes; Table::ALL.len()],
    pub(super) floors: Floors,
    pub(super) bytes: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self { tables: Table::ALL.map(Changes::new), floors: Floors::default(), bytes: 0 }
    }

    pub(super) fn table(&self, table: Table) -> &Changes {
        &self.tables[table.index()]
    }

    pub(super) fn entries(&self) -> usize {
        self.tables.iter().map(Changes::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(|changes| changes.len() == 0)
    }

    pub(super) fn set(&mut self, table: Table, key: &[u8], value: Option<Slice>) {
        let size = |value: &Option<Slice>| value.as_ref().map_or(0, |value| value.len());
        self.bytes += size(&value);
        let entry = match &mut self.tables[table.index()] {
            Changes::Ordered(entries) => match entries.get_mut(key) {
                Some(entry) => entry,
                None => {
                    self.bytes += key.len() + ENTRY_BYTES;
                    entries.insert(key.into(), value);
                    return;
                }
            },
            Changes::Hashed(entries) => match entries.get_mut(key) {
                Some(entry) => entry,
                None => {
                    self.bytes += key.len() + ENTRY_BYTES;
                    entries.insert(key.into(), value);
                    return;
                }
            },
        };
        self.bytes -= size(entry);
        *entry = value;
    }
}
