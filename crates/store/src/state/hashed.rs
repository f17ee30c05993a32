//! Changes of a table whose keys are hashes.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::runs::{hash, prefix};

/// What removes an entry has this length.
const REMOVED: u32 = u32::MAX;

/// Where a change stands: its key, and its value behind it.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    at: usize,
    key: u32,
    value: u32,
}

/// The changes, one behind the other as they came; what was replaced stays until the checkpoint goes. An entry is
/// nothing but its bytes and a place in a table: nothing is allocated for it.
#[derive(Debug, Default)]
pub(super) struct Hashed {
    places: HashTable<Place>,
    log: Vec<u8>,
}

impl Hashed {
    /// Empty, with room for as many as these: the next checkpoint will be about as large.
    pub(super) fn emptied(&self) -> Self {
        Self { places: HashTable::with_capacity(self.places.len()), log: Vec::with_capacity(self.log.len()) }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.log.len() + self.places.len() * (size_of::<Place>() + 8)
    }

    fn key(log: &[u8], place: Place) -> &[u8] {
        &log[place.at..place.at + place.key as usize]
    }

    fn change(&self, place: Place) -> (&[u8], Option<&[u8]>) {
        let value = place.at + place.key as usize;
        let value = (place.value != REMOVED).then(|| &self.log[value..value + place.value as usize]);
        (Self::key(&self.log, place), value)
    }

    /// What is said of a key: its value, or `None` if it is removed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        if self.places.is_empty() {
            return None;
        }
        let hash = hash(key);
        let is_it = |place: &Place| place.hash == hash && Self::key(&self.log, *place) == key;
        self.places.find(hash, is_it).map(|place| self.change(*place).1)
    }

    /// Sets an entry; `None` removes it.
    ///
    /// # Panics
    /// With a key or value of 4 GiB: nothing that comes in is nearly so large.
    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("no entry has 4 GiB");
        let at = self.log.len();
        let hash = hash(key);
        let new = Place { hash, at, key: length(key), value: value.map_or(REMOVED, length) };
        let is_it = |place: &Place| place.hash == hash && Self::key(&self.log, *place) == key;
        match self.places.entry(hash, is_it, |place| place.hash) {
            Entry::Occupied(mut entry) => *entry.get_mut() = new,
            Entry::Vacant(entry) => drop(entry.insert(new)),
        }
        self.log.extend_from_slice(key);
        self.log.extend_from_slice(value.unwrap_or_default());
    }

    /// Every change, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.places.iter().map(|place| self.change(*place))
    }

    /// Every change, in the order of keys, with its key's [`hash`].
    pub(super) fn sorted(&self) -> impl Iterator<Item = (u64, &[u8], Option<&[u8]>)> {
        // Keys lie all over memory: nearly all of the comparing is done by their first bytes, side by side.
        let mut places: Vec<_> =
            self.places.iter().map(|place| (prefix(Self::key(&self.log, *place)), *place)).collect();
        places.sort_unstable_by(|(a, one), (b, other)| {
            a.cmp(b).then_with(|| Self::key(&self.log, *one).cmp(Self::key(&self.log, *other)))
        });
        places.into_iter().map(|(_, place)| {
            let (key, value) = self.change(place);
            (place.hash, key, value)
        })
    }
}
