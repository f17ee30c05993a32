//! Pending predictions in memory, for replays and tests.

use std::collections::BTreeMap;
use std::time::Duration;

use driftline_events::EventTime;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{Expired, IdKey, Pending, PendingError, PendingStore, Word};

/// A [`PendingStore`] in memory, bounded in entries; the oldest go first.
#[derive(Debug)]
pub struct MemoryPending {
    predictions: Aged<Pending>,
    waiting: Aged<Word>,
    /// When each prediction was made, where no more is kept of them.
    seen: Option<Aged<EventTime>>,
}

/// Entries of one kind, found by id and forgotten by age.
///
/// They lie by the minute they belong to; the table has only their places. A table of the entries themselves would be moved
/// whole each time it grows.
#[derive(Debug)]
struct Aged<T> {
    places: Places,
    pages: Vec<Page<T>>,
    /// The page of each minute that has entries.
    minutes: BTreeMap<EventTime, u32>,
    /// Pages of no minute.
    free: Vec<u32>,
    capacity: usize,
}

/// Where each id's entry lies, in parts: a table that grows is in memory twice for a moment, and a part is little.
#[derive(Debug)]
struct Places([HashTable<Place>; PARTS]);

const PARTS: usize = 32;

impl Default for Places {
    fn default() -> Self {
        Self(std::array::from_fn(|_| HashTable::new()))
    }
}

impl Places {
    fn of(&self, id: IdKey) -> &HashTable<Place> {
        &self.0[id.part(PARTS)]
    }

    fn of_mut(&mut self, id: IdKey) -> &mut HashTable<Place> {
        &mut self.0[id.part(PARTS)]
    }

    fn len(&self) -> usize {
        self.0.iter().map(HashTable::len).sum()
    }

    /// The place of an entry that lies at `place`.
    fn remove(&mut self, id: IdKey, place: Place) {
        let found = self.of_mut(id).find_entry(place.hash(), |other| *other == place);
        found.expect("every entry has its place").remove();
    }
}

/// The entries of a minute.
#[derive(Debug)]
struct Page<T> {
    minute: EventTime,
    entries: Vec<(IdKey, T)>,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// A part of its id, which tells nearly every other id apart; the id itself stands with the entry.
    tag: u32,
    page: u32,
    at: u32,
}

impl Place {
    const fn hash(self) -> u64 {
        hash(self.tag)
    }
}

/// A tag's hash: a table looks at its first bits and at its last ones (Fibonacci hashing; Knuth, The Art of Computer
/// Programming, volume 3, 6.4).
const fn hash(tag: u32) -> u64 {
    (tag as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

const MINUTE: Duration = Duration::from_secs(60);

/// Whether a place with an id's tag is that id's.
fn is_of<T>(pages: &[Page<T>], id: IdKey) -> impl Fn(&Place) -> bool {
    move |place| place.tag == id.tag() && pages[place.page as usize].entries[place.at as usize].0 == id
}

impl<T> Aged<T> {
    fn new(capacity: usize) -> Self {
        Self {
            places: Places::default(),
            pages: Vec::new(),
            minutes: BTreeMap::new(),
            free: Vec::new(),
            capacity,
        }
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn place(&self, id: IdKey) -> Option<Place> {
        self.places.of(id).find(hash(id.tag()), is_of(&self.pages, id)).copied()
    }

    fn get(&self, id: IdKey) -> Option<&T> {
        let place = self.place(id)?;
        Some(&self.pages[place.page as usize].entries[place.at as usize].1)
    }

    fn get_mut(&mut self, id: IdKey) -> Option<&mut T> {
        let place = self.place(id)?;
        Some(&mut self.pages[place.page as usize].entries[place.at as usize].1)
    }

    fn put(&mut self, id: IdKey, time: EventTime, entry: T) {
        let page = self.page_of(time.floor(MINUTE));
        let entries = &mut self.pages[page as usize].entries;
        let at = u32::try_from(entries.len()).expect("a minute's entries are numbered in 32 bits");
        entries.push((id, entry));
        let place = Place { tag: id.tag(), page, at };
        let former =
            match self.places.of_mut(id).entry(place.hash(), is_of(&self.pages, id), |place| place.hash()) {
                Entry::Occupied(mut known) => Some(std::mem::replace(known.get_mut(), place)),
                Entry::Vacant(room) => {
                    room.insert(place);
                    None
                }
            };
        if let Some(former) = former {
            self.take_out(former);
        }
    }

    /// The page of a minute, which is taken into use if it has none.
    fn page_of(&mut self, minute: EventTime) -> u32 {
        if let Some(&page) = self.minutes.get(&minute) {
            return page;
        }
        let page = match self.free.pop() {
            Some(page) => {
                self.pages[page as usize].minute = minute;
                page
            }
            None => {
                self.pages.push(Page { minute, entries: Vec::new() });
                u32::try_from(self.pages.len() - 1).expect("minutes are numbered in 32 bits")
            }
        };
        self.minutes.insert(minute, page);
        page
    }

    fn remove(&mut self, id: IdKey) -> Option<T> {
        if self.minutes.is_empty() {
            return None;
        }
        let place = self.place(id)?;
        self.places.remove(id, place);
        Some(self.take_out(place))
    }

    /// Takes an entry out of its minute; the minute's last takes its place.
    fn take_out(&mut self, Place { page, at, .. }: Place) -> T {
        let Page { minute, entries } = &mut self.pages[page as usize];
        let (_, entry) = entries.swap_remove(at as usize);
        match entries.get(at as usize) {
            Some(&(moved, _)) => {
                let was = Place { tag: moved.tag(), page, at: entries.len() as u32 };
                let place = self.places.of_mut(moved).find_mut(was.hash(), |place| *place == was);
                place.expect("every entry has its place").at = at;
            }
            None if entries.is_empty() => {
                *entries = Vec::new();
                self.minutes.remove(minute);
                self.free.push(page);
            }
            None => {}
        }
        entry
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        let pages = self.minutes.values().map(|&page| &self.pages[page as usize]);
        pages.flat_map(|page| &page.entries).map(|(_, entry)| entry)
    }

    /// Forgets whole minutes that ended before `before`, then the oldest minutes while there are too many entries. Shows
    /// each entry, and whether it went before its time.
    fn expire(&mut self, before: EventTime, mut show: impl FnMut(T, bool)) {
        while let Some(first) = self.minutes.first_entry() {
            let over = first.key().saturating_add(MINUTE) <= before;
            let full = self.places.len() > self.capacity;
            if !over && !full {
                break;
            }
            let page = first.remove();
            self.free.push(page);
            let entries = std::mem::take(&mut self.pages[page as usize].entries);
            for (at, (id, entry)) in (0..).zip(entries) {
                self.places.remove(id, Place { tag: id.tag(), page, at });
                show(entry, !over);
            }
        }
    }
}

impl MemoryPending {
    /// An empty store for at most `capacity` predictions and as many waiting labels.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { predictions: Aged::new(capacity), waiting: Aged::new(capacity), seen: None }
    }

    /// An empty store for at most `capacity` predictions that no label will come for: it keeps their ids and times alone.
    #[must_use]
    pub fn of_ids(capacity: usize) -> Self {
        Self { seen: Some(Aged::new(capacity)), ..Self::new(capacity) }
    }
}

impl PendingStore for MemoryPending {
    fn load(&mut self, _: &[IdKey]) -> Result<(), PendingError> {
        Ok(())
    }

    fn prediction(&self, id: IdKey) -> Option<&Pending> {
        self.predictions.get(id)
    }

    fn made(&self, id: IdKey) -> Option<EventTime> {
        match &self.seen {
            Some(seen) => seen.get(id).copied(),
            None => self.predictions.get(id).map(|pending| pending.time),
        }
    }

    fn put_seen(&mut self, id: IdKey, time: EventTime) -> bool {
        let Some(seen) = &mut self.seen else { return false };
        seen.put(id, time, time);
        true
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
        self.predictions.expire(before, |pending, early| {
            match pending.label {
                Some(Word { label: Some(_), .. }) => expired.labelled += 1,
                _ => expired.unlabelled += 1,
            }
            expired.early += u64::from(early);
        });
        if let Some(seen) = &mut self.seen {
            seen.expire(before, |_, early| {
                expired.unlabelled += 1;
                expired.early += u64::from(early);
            });
        }
        self.waiting.expire(before, |_, early| {
            expired.unmatched_labels += 1;
            expired.early += u64::from(early);
        });
        expired
    }

    fn predictions(&self) -> usize {
        self.predictions.len() + self.seen.as_ref().map_or(0, Aged::len)
    }

    fn waiting_labels(&self) -> usize {
        self.waiting.len()
    }
}
