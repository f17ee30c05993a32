//! How durability fares, for `/readyz` and the metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftline_expose::{DurabilityFigures, SinkSnapshot};

/// Shared by the parts that keep events safe, and read by whoever asks.
#[derive(Debug, Default)]
pub struct Health(Mutex<DurabilitySnapshot>);

/// How far the replay of the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Bytes of the journal that were read.
    pub done_bytes: u64,
    /// Bytes to read.
    pub total_bytes: u64,
    /// Rows that were folded again.
    pub rows: u64,
    /// Whether it is over.
    pub finished: bool,
    /// How long it took, or has taken so far.
    pub elapsed: Duration,
}

/// How durability fares at one moment.
#[derive(Clone, Debug, Default)]
pub struct DurabilitySnapshot {
    /// The replay of the journal at the start.
    pub recovery: Recovery,
    /// Why the journal cannot be written; `None` while it can.
    pub journal_fault: Option<String>,
    /// Why checkpoints cannot be committed; `None` while they can.
    pub checkpoint_fault: Option<String>,
    /// Why rows cannot be folded for what is on disk cannot be read; `None` while it can.
    pub read_fault: Option<String>,
    /// How it stands with each sink of alerts.
    pub sinks: Vec<SinkSnapshot>,
    /// Counts, times and sizes.
    pub figures: DurabilityFigures,
}

impl DurabilitySnapshot {
    /// What keeps the service from taking rows; `None` if nothing does.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let faults = [&self.journal_fault, &self.checkpoint_fault, &self.read_fault];
        faults.into_iter().flatten().next().cloned()
    }

    /// What the metrics show.
    #[must_use]
    pub fn shown(&self) -> DurabilityFigures {
        DurabilityFigures {
            storage_ok: self.fault().is_none(),
            recovered: self.recovery.finished,
            recovery_rows: self.recovery.rows,
            recovery_seconds: self.recovery.elapsed.as_secs_f64(),
            ..self.figures.clone()
        }
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, DurabilitySnapshot> {
        // Finished values only: whole whatever panicked beside them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something.
    pub(crate) fn note(&self, change: impl FnOnce(&mut DurabilitySnapshot)) {
        change(&mut self.lock());
    }

    /// All of it.
    #[must_use]
    pub fn snapshot(&self) -> DurabilitySnapshot {
        self.lock().clone()
    }

    /// Why the service is not ready; `None` if it is.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let snapshot = self.lock();
        let Recovery { done_bytes, total_bytes, finished, .. } = snapshot.recovery;
        if !finished {
            let percent = 100.0 * done_bytes as f64 / total_bytes.max(1) as f64;
            return Some(format!("replaying the journal: {percent:.0} % of {total_bytes} bytes"));
        }
        snapshot.fault()
    }
}
