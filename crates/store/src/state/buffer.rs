//! Entries that are not on disk yet.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
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

    /// Empty, with room for as many as these: the next checkpoint will be about as large.
    fn emptied(&self) -> Self {
        match self {
            Self::Ordered(_) => Self::Ordered(BTreeMap::new()),
            Self::Hashed(entries) => {
                Self::Hashed(FxHashMap::with_capacity_and_hasher(entries.len(), Default::default()))
            }
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
                // Keys lie all over memory: most of the comparing is done by their first bytes, side by side.
                let mut entries: Vec<_> =
                    entries.iter().map(|(key, value)| (prefix(key), key, value)).collect();
                entries.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
                entries.into_iter().map(|(_, key, value)| (key, value)).collect()
            }
        }
    }
}

/// The first 16 bytes of a key, in an order that agrees with the keys'.
fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
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

    /// Gives what is in it, and is empty then.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self {
            tables: self.tables.each_ref().map(Changes::emptied),
            floors: Floors::default(),
            bytes: 0,
        };
        std::mem::replace(self, empty)
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
            Changes::Hashed(entries) => match entries.entry(key.into()) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    self.bytes += key.len() + ENTRY_BYTES;
                    entry.insert(value);
                    return;
                }
            },
        };
        self.bytes -= size(entry);
        *entry = value;
    }
}
