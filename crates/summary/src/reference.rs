//! A stored reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use crate::cell::{StoredCell, StoredCellRef};
use crate::codec::{self, Kind};
use crate::{CellSummary, DecodeError, SpecParts, SummarySpec};

/// A tag and its value.
pub type SegmentKey = (Arc<str>, Arc<str>);

/// A reference with the spec that it gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// What all summaries that are compared with it must be made by.
    pub spec: Arc<SummarySpec>,
    /// Its rows.
    pub rows: u64,
    /// All of it.
    pub overall: CellSummary,
    /// Each segment of it.
    pub segments: BTreeMap<SegmentKey, CellSummary>,
    /// Where it came from, for people to read.
    pub source: String,
    /// When it was made.
    pub created: EventTime,
}

impl Reference {
    /// The encoded reference.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let segments = self.segments.iter().map(|(key, cell)| (key, StoredCellRef::of(cell))).collect();
        codec::seal(
            Kind::Reference,
            &StoredReferenceRef {
                spec: self.spec.parts(),
                rows: self.rows,
                overall: StoredCellRef::of(&self.overall),
                segments,
                source: &self.source,
                created: self.created,
            },
        )
    }

    /// Decodes a reference.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are damaged or from a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let stored: StoredReference = codec::open(Kind::Reference, bytes)?;
        let spec = SummarySpec::try_from_stored(stored.spec)?;
        let mut segments = BTreeMap::new();
        for (key, cell) in stored.segments {
            segments.insert(key, at_rest(cell.attach(&spec)?));
        }
        Ok(Self {
            overall: at_rest(stored.overall.attach(&spec)?),
            rows: stored.rows,
            segments,
            source: stored.source,
            created: stored.created,
            spec,
        })
    }
}

/// A reference stays in memory as long as its model does, and nothing is added to it.
fn at_rest(mut cell: CellSummary) -> CellSummary {
    cell.pack();
    cell
}

#[derive(Serialize)]
struct StoredReferenceRef<'a> {
    spec: &'a SpecParts,
    rows: u64,
    overall: StoredCellRef<'a>,
    segments: Vec<(&'a SegmentKey, StoredCellRef<'a>)>,
    source: &'a str,
    created: EventTime,
}

#[derive(Deserialize)]
struct StoredReference {
    spec: SpecParts,
    rows: u64,
    overall: StoredCell,
    segments: Vec<(SegmentKey, StoredCell)>,
    source: String,
    created: EventTime,
}
