//! Which summaries of a pane an event belongs to: its version, and its version's segments.

use std::sync::Arc;

use arrow::array::RecordBatch;
use driftline_events::layout;
use driftline_summary::SegmentKey;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::WindowError;
use crate::slice::Keys;

/// The name that stands for every version or segment value beyond the bound.
pub const OTHER: &str = "__other__";

/// Versions kept apart in one model. Deployments are tens a year; more is a version per request.
const MAX_VERSIONS: usize = 64;

/// A summary's key inside a pane: a version, and one segment of it or all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// The model version; empty text where events carry none.
    pub version: Arc<str>,
    /// A tag and its value; `None` for all rows of the version.
    pub segment: Option<(Arc<str>, Arc<str>)>,
}

/// A [`CellKey`]'s short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct CellId(pub(crate) u32);

/// The set of cells a row is folded into, in short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellSet(u32);

impl CellSet {
    /// The number that stands for it on disk.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// A [`KeyTable`] on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredKeys {
    keys: Vec<(Arc<str>, Option<SegmentKey>)>,
    sets: Vec<Vec<u32>>,
    versions: Vec<Arc<str>>,
    values: Vec<Vec<Arc<str>>>,
}

/// Gives keys their short forms, and bounds how many there are.
#[derive(Debug)]
pub(crate) struct KeyTable {
    segments: Vec<Arc<str>>,
    max_segment_values: usize,
    keys: Vec<CellKey>,
    ids: FxHashMap<CellKey, CellId>,
    versions: FxHashMap<Arc<str>, Arc<str>>,
    values: Vec<FxHashMap<Arc<str>, Arc<str>>>,
    sets: Vec<Box<[CellId]>>,
    set_ids: FxHashMap<Box<[CellId]>, CellSet>,
}

impl KeyTable {
    pub(crate) fn new(segments: Vec<Arc<str>>, max_segment_values: usize) -> Self {
        let values = segments.iter().map(|_| FxHashMap::default()).collect();
        Self {
            segments,
            max_segment_values,
            keys: Vec::new(),
            ids: FxHashMap::default(),
            versions: FxHashMap::default(),
            values,
            sets: Vec::new(),
            set_ids: FxHashMap::default(),
        }
    }

    pub(crate) const fn max_segment_values(&self) -> usize {
        self.max_segment_values
    }

    pub(crate) fn key(&self, id: CellId) -> &CellKey {
        &self.keys[id.0 as usize]
    }

    pub(crate) fn id(&self, key: &CellKey) -> Option<CellId> {
        self.ids.get(key).copied()
    }

    pub(crate) fn cells(&self, set: CellSet) -> &[CellId] {
        &self.sets[set.0 as usize]
    }

    /// The cell set of every row of a prediction batch.
    ///
    /// # Errors
    /// [`WindowError::NamedColumn`] if the version or a segment's column is missing.
    pub(crate) fn sets(&mut self, batch: &RecordBatch) -> Result<Vec<CellSet>, WindowError> {
        let version = Keys::try_new(batch, layout::VERSION)?;
        let tags = self
            .segments
            .iter()
            .map(|segment| Keys::try_new(batch, &layout::tag(segment)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut known: FxHashMap<Vec<i32>, CellSet> = FxHashMap::default();
        let mut codes = Vec::with_capacity(1 + tags.len());
        // Rows come in runs.
        let mut last: Option<(Vec<i32>, CellSet)> = None;
        let mut sets = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            codes.clear();
            codes.push(version.key(row));
            codes.extend(tags.iter().map(|tag| tag.key(row)));
            if let Some((seen, set)) = &last
                && *seen == codes
            {
                sets.push(*set);
                continue;
            }
            let set = match known.get(&codes) {
                Some(&set) => set,
                None => {
                    let texts: Vec<_> =
                        tags.iter().zip(&codes[1..]).map(|(tag, &code)| tag.text(code)).collect();
                    let set = self.intern(version.text(codes[0]).unwrap_or(""), &texts);
                    known.insert(codes.clone(), set);
                    set
                }
            };
            let (seen, last_set) = last.get_or_insert_with(|| (Vec::new(), set));
            seen.clone_from(&codes);
            *last_set = set;
            sets.push(set);
        }
        Ok(sets)
    }

    /// Takes up a segment's value before any row has it.
    pub(crate) fn know(&mut self, tag: &str, value: &str) {
        if let Some(place) = self.segments.iter().position(|segment| **segment == *tag)
            && value != OTHER
        {
            bounded(&mut self.values[place], value, self.max_segment_values);
        }
    }

    /// What is stored of the table; the rest follows from it.
    pub(crate) fn stored(&self) -> StoredKeys {
        let texts = |known: &FxHashMap<Arc<str>, Arc<str>>| {
            let mut texts: Vec<Arc<str>> = known.keys().cloned().collect();
            texts.sort_unstable();
            texts
        };
        StoredKeys {
            keys: self.keys.iter().map(|key| (Arc::clone(&key.version), key.segment.clone())).collect(),
            sets: self.sets.iter().map(|set| set.iter().map(|cell| cell.0).collect()).collect(),
            versions: texts(&self.versions),
            values: self.values.iter().map(texts).collect(),
        }
    }

    /// The table as it was stored. `None` if the parts do not belong together.
    pub(crate) fn restored(
        segments: Vec<Arc<str>>,
        max_segment_values: usize,
        stored: StoredKeys,
    ) -> Option<Self> {
        let mut table = Self::new(segments, max_segment_values);
        for (version, segment) in stored.keys {
            table.intern_key(CellKey { version, segment });
        }
        for cells in stored.sets {
            let cells: Box<[CellId]> = cells.into_iter().map(CellId).collect();
            if cells.iter().any(|cell| cell.0 as usize >= table.keys.len()) {
                return None;
            }
            table.set_ids.insert(cells.clone(), CellSet(table.sets.len() as u32));
            table.sets.push(cells);
        }
        table.versions = known(stored.versions);
        if stored.values.len() != table.values.len() {
            return None;
        }
        table.values = stored.values.into_iter().map(known).collect();
        Some(table)
    }

    fn intern(&mut self, version: &str, tags: &[Option<&str>]) -> CellSet {
        let version = bounded(&mut self.versions, version, MAX_VERSIONS);
        let mut cells = vec![self.intern_key(CellKey { version: Arc::clone(&version), segment: None })];
        for (place, value) in tags.iter().enumerate() {
            if let Some(value) = value {
                let value = bounded(&mut self.values[place], value, self.max_segment_values);
                let segment = Some((Arc::clone(&self.segments[place]), value));
                cells.push(self.intern_key(CellKey { version: Arc::clone(&version), segment }));
            }
        }
        let cells = cells.into_boxed_slice();
        if let Some(&set) = self.set_ids.get(&cells) {
            return set;
        }
        let set =
            CellSet(u32::try_from(self.sets.len()).expect("cell sets are bounded by versions and segments"));
        self.sets.push(cells.clone());
        self.set_ids.insert(cells, set);
        set
    }

    fn intern_key(&mut self, key: CellKey) -> CellId {
        if let Some(&id) = self.ids.get(&key) {
            return id;
        }
        let id = CellId(u32::try_from(self.keys.len()).expect("cells are bounded by versions and segments"));
        self.keys.push(key.clone());
        self.ids.insert(key, id);
        id
    }
}

fn known(texts: Vec<Arc<str>>) -> FxHashMap<Arc<str>, Arc<str>> {
    texts.into_iter().map(|text| (Arc::clone(&text), text)).collect()
}

/// The shared copy of `text`, or [`OTHER`] once `bound` texts are known and this is none of them.
fn bounded(known: &mut FxHashMap<Arc<str>, Arc<str>>, text: &str, bound: usize) -> Arc<str> {
    if let Some(shared) = known.get(text) {
        return Arc::clone(shared);
    }
    let text = if known.len() < bound { text } else { OTHER };
    let shared: Arc<str> = text.into();
    Arc::clone(known.entry(Arc::clone(&shared)).or_insert(shared))
}
