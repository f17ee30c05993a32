//! Which pane summaries changed since they were last stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline_events::EventTime;
use driftline_summary::{CellSummary, DecodeError, SummarySpec};

use super::{Pane, Panes};
use crate::key::CellId;

/// Where a stored summary belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaneKey {
    /// The pane's start.
    pub start: EventTime,
    pub(crate) cell: CellId,
}

impl PaneKey {
    /// The key as bytes, in the order of time.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        // The sign bit is turned, so that times before 1970 sort before those after.
        let start = (self.start.as_millis() as u64) ^ (1 << 63);
        bytes[..8].copy_from_slice(&start.to_be_bytes());
        bytes[8..].copy_from_slice(&self.cell.0.to_be_bytes());
        bytes
    }

    /// The key from its bytes; `None` if they are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (start, cell) = bytes.split_first_chunk::<8>()?;
        let start = u64::from_be_bytes(*start) ^ (1 << 63);
        let cell = CellId(u32::from_be_bytes(cell.try_into().ok()?));
        Some(Self { start: EventTime::from_millis(start as i64), cell })
    }
}

/// Keys that were written or removed. Nothing is noted until somebody wants to know.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Whether the summary is still there.
    keys: Option<BTreeMap<PaneKey, bool>>,
}

impl Changes {
    pub(super) fn wrote(&mut self, start: EventTime, cell: CellId) {
        if let Some(keys) = &mut self.keys {
            keys.insert(PaneKey { start, cell }, true);
        }
    }

    pub(super) fn removed(&mut self, start: EventTime, cell: CellId) {
        if let Some(keys) = &mut self.keys {
            keys.insert(PaneKey { start, cell }, false);
        }
    }
}

impl Panes {
    /// Notes changes from now on.
    pub(crate) fn note_changes(&mut self) {
        self.changes.keys.get_or_insert_default();
    }

    /// Shows every summary that changed since the last call, encoded; `None` for one that is gone.
    pub(crate) fn take_changes(&mut self, show: &mut dyn FnMut(PaneKey, Option<Vec<u8>>)) {
        let Some(keys) = &mut self.changes.keys else { return };
        for (key, _) in std::mem::take(keys) {
            let pane = self.panes.get(&key.start);
            let summary = pane.and_then(|pane| Some((pane.width, pane.cells.get(&key.cell)?)));
            show(key, summary.map(|(width, summary)| stored(width, summary)));
        }
    }

    /// Puts a stored summary back.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are damaged or of another spec.
    pub(crate) fn restore(
        &mut self,
        key: PaneKey,
        bytes: &[u8],
        spec: &Arc<SummarySpec>,
    ) -> Result<(), DecodeError> {
        let (width, bytes) = bytes.split_first_chunk::<8>().ok_or(DecodeError::NotASummary)?;
        let width = Duration::from_millis(u64::from_le_bytes(*width));
        let mut summary = CellSummary::decode(bytes, spec)?;
        // A service that starts with weeks of panes must not need more memory than it had.
        summary.pack();
        let pane = self.panes.entry(key.start).or_insert_with(|| Pane::new(width));
        pane.cells.insert(key.cell, summary);
        Ok(())
    }
}

fn stored(width: Duration, summary: &CellSummary) -> Vec<u8> {
    let mut bytes = (width.as_millis() as u64).to_le_bytes().to_vec();
    bytes.extend(summary.encode());
    bytes
}
