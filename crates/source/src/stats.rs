//! What was counted on the way in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::submission::{EventKind, Taken};

/// Counters of everything that came in. Label sets are bounded: models are those that are registered (rows of any
/// other are under the empty name), reasons and statuses are few and fixed.
#[derive(Debug, Default)]
pub(crate) struct IngestStats {
    rows: Mutex<BTreeMap<(EventKind, String), RowCounts>>,
    rejected: Mutex<BTreeMap<(EventKind, String, &'static str), u64>>,
    payloads: Mutex<BTreeMap<(EventKind, &'static str), u64>>,
    requests: Mutex<BTreeMap<(EventKind, u16), u64>>,
    received_bytes: AtomicU64,
    ignored_fields: AtomicU64,
}

/// Everything counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestSnapshot {
    /// Rows by kind and model.
    pub rows: Vec<RowCounts>,
    /// Rejected rows by kind, model and reason.
    pub rejected: Vec<RowRejections>,
    /// Payloads that could not be used at all, by kind and reason.
    pub payloads_rejected: Vec<PayloadRejections>,
    /// Requests by kind and status.
    pub requests: Vec<RequestCount>,
    /// Bytes of bodies as sent.
    pub received_bytes: u64,
    /// Fields of accepted events that were not used.
    pub ignored_fields: u64,
    /// Bytes held for requests now.
    pub in_flight_bytes: u64,
    /// Bytes that may be held.
    pub in_flight_bytes_limit: u64,
    /// Submissions that wait for the pipeline now.
    pub queue_depth: u64,
    /// Submissions that may wait.
    pub queue_capacity: u64,
}

/// Rows of one kind and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// Their kind.
    pub event: EventKind,
    /// Their model.
    pub model: String,
    /// Decoded, and looked at by the pipeline.
    pub received: u64,
    /// Taken by it.
    pub accepted: u64,
    /// Seen before.
    pub duplicates: u64,
    /// Older than the retention.
    pub too_late: u64,
}

/// Rejected rows of one kind, model and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRejections {
    /// Their kind.
    pub event: EventKind,
    /// Their model; empty if it is not known.
    pub model: String,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub rows: u64,
}

/// Payloads that could not be used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadRejections {
    /// Their kind.
    pub event: EventKind,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub payloads: u64,
}

/// Requests with one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// What they sent.
    pub event: EventKind,
    /// The status they were answered with.
    pub status: u16,
    /// How many.
    pub requests: u64,
}

/// The counters stay true when a thread that held the lock panicked: each change is one addition.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IngestStats {
    pub(crate) fn answered(&self, event: EventKind, status: u16) {
        *locked(&self.requests).entry((event, status)).or_default() += 1;
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn ignored(&self, fields: u64) {
        self.ignored_fields.fetch_add(fields, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, event: EventKind, model: &str, rows: u64) {
        self.change(event, model, |counts| counts.received += rows);
    }

    pub(crate) fn took(&self, event: EventKind, model: &str, taken: Taken) {
        self.change(event, model, |counts| {
            counts.accepted += taken.accepted;
            counts.duplicates += taken.duplicates;
            counts.too_late += taken.too_late;
        });
    }

    pub(crate) fn rejected(&self, event: EventKind, model: &str, reason: &'static str, rows: u64) {
        *locked(&self.rejected).entry((event, model.to_owned(), reason)).or_default() += rows;
    }

    pub(crate) fn payload_rejected(&self, event: EventKind, reason: &'static str) {
        *locked(&self.payloads).entry((event, reason)).or_default() += 1;
    }

    fn change(&self, event: EventKind, model: &str, change: impl FnOnce(&mut RowCounts)) {
        let mut rows = locked(&self.rows);
        let counts = rows.entry((event, model.to_owned())).or_insert_with(|| RowCounts {
            event,
            model: model.to_owned(),
            received: 0,
            accepted: 0,
            duplicates: 0,
            too_late: 0,
        });
        change(counts);
    }

    /// The counters; what else the snapshot holds is zero.
    pub(crate) fn snapshot(&self) -> IngestSnapshot {
        IngestSnapshot {
            rows: locked(&self.rows).values().cloned().collect(),
            rejected: locked(&self.rejected)
                .iter()
                .map(|((event, model, reason), &rows)| RowRejections {
                    event: *event,
                    model: model.clone(),
                    reason,
                    rows,
                })
                .collect(),
            payloads_rejected: locked(&self.payloads)
                .iter()
                .map(|(&(event, reason), &payloads)| PayloadRejections { event, reason, payloads })
                .collect(),
            requests: locked(&self.requests)
                .iter()
                .map(|(&(event, status), &requests)| RequestCount { event, status, requests })
                .collect(),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            ignored_fields: self.ignored_fields.load(Ordering::Relaxed),
            ..IngestSnapshot::default()
        }
    }
}
