//! A stored reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_events::EventTime;

use crate::{CellSummary, DecodeError, SummarySpec};

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
        Vec::new()
    }

    /// Decodes a reference.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are damaged or from a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let _ = bytes;
        Err(DecodeError::NotASummary)
    }
}
