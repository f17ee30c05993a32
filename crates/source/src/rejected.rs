//! The last rejected rows, for people who look for the fault in a sender.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use driftline_events::{EventTime, RejectedRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::submission::EventKind;

/// The route of what came in messages.
const KAFKA: &str = "kafka";

/// One payload's rows do not push out those of all others.
const KEPT_OF_ONE_PAYLOAD: usize = 100;

/// The last rejected rows, newest last; bounded.
#[derive(Debug)]
pub(crate) struct RejectedLog {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<RejectedEntry>,
    total: u64,
}

/// A rejected row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedEntry {
    /// When it arrived, RFC 3339.
    pub time: String,
    /// The route it came by, or `kafka`.
    pub route: &'static str,
    /// What it was sent as.
    pub event: EventKind,
    /// Its model, where that could be read.
    pub model: Option<String>,
    /// Why it was rejected: stable and few.
    pub reason: &'static str,
    /// What was found.
    pub detail: String,
    /// Its position in the payload, from 0.
    pub row: u64,
    /// The request that brought it.
    pub request_id: Option<String>,
    /// The message that brought it.
    #[serde(flatten)]
    pub message: Option<MessagePlace>,
}

/// A message of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessagePlace {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// Some of the last rejected rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedPage {
    /// The rows, newest first.
    pub rejected: Vec<RejectedEntry>,
    /// How many rows were rejected since the start, remembered or not.
    pub total: u64,
    /// How many rows are remembered now.
    pub kept: usize,
}

impl RejectedLog {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::new(Kept { entries: VecDeque::new(), total: 0 }) }
    }

    /// Remembers the first of a payload's rejected rows, and counts all of them.
    pub(crate) fn add(
        &self,
        rows: &[RejectedRow],
        total: u64,
        event: EventKind,
        route: &'static str,
        time: EventTime,
        request_id: Option<&str>,
    ) {
        let time = time.to_string();
        self.push(rows, total, |row| RejectedEntry {
            time: time.clone(),
            route,
            event,
            model: row.model.clone(),
            reason: row.reason,
            detail: row.detail.clone(),
            row: row.row,
            request_id: request_id.map(str::to_owned),
            message: None,
        });
    }

    fn push(&self, rows: &[RejectedRow], total: u64, entry: impl Fn(&RejectedRow) -> RejectedEntry) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.total += total;
        for row in rows.iter().take(KEPT_OF_ONE_PAYLOAD.min(self.capacity)) {
            if kept.entries.len() == self.capacity {
                kept.entries.pop_front();
            }
            kept.entries.push_back(entry(row));
        }
    }

    /// Remembers the first of a message's rejected rows, and counts all of them.
    pub(crate) fn add_message(
        &self,
        place: &MessagePlace,
        rows: &[RejectedRow],
        total: u64,
        event: EventKind,
        time: EventTime,
    ) {
        self.push(rows, total, |row| RejectedEntry {
            time: time.to_string(),
            route: KAFKA,
            event,
            model: row.model.clone(),
            reason: row.reason,
            detail: row.detail.clone(),
            row: row.row,
            request_id: None,
            message: Some(place.clone()),
        });
    }

    /// The newest `limit` rows, of one model or reason where those are given.
    pub(crate) fn page(&self, model: Option<&str>, reason: Option<&str>, limit: usize) -> RejectedPage {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let rejected = kept
            .entries
            .iter()
            .rev()
            .filter(|entry| model.is_none_or(|model| entry.model.as_deref() == Some(model)))
            .filter(|entry| reason.is_none_or(|reason| entry.reason == reason))
            .take(limit)
            .cloned()
            .collect();
        RejectedPage { rejected, total: kept.total, kept: kept.entries.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(model: &str, reason: &'static str, rows: std::ops::Range<u64>) -> Vec<RejectedRow> {
        rows.map(|row| RejectedRow { row, model: Some(model.into()), reason, detail: "found 3".into() })
            .collect()
    }

    fn add(log: &RejectedLog, rows: &[RejectedRow]) {
        let time = EventTime::from_millis(0);
        log.add(rows, rows.len() as u64, EventKind::Prediction, "/v1/predictions", time, Some("r-1"));
    }

    #[test]
    fn the_oldest_go_first_and_the_total_stays() {
        let log = RejectedLog::new(3);
        add(&log, &rows("a", "no_model", 0..2));
        add(&log, &rows("b", "bad_timestamp", 2..4));
        let page = log.page(None, None, 10);
        assert_eq!(page.rejected.iter().map(|entry| entry.row).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((page.total, page.kept), (4, 3));
    }

    #[test]
    fn one_payload_does_not_push_out_the_rest() {
        let log = RejectedLog::new(150);
        add(&log, &rows("a", "no_model", 0..50));
        add(&log, &rows("b", "no_model", 0..5_000));
        assert_eq!(log.page(Some("a"), None, 1_000).rejected.len(), 50);
        assert_eq!(log.page(None, None, 1_000).total, 5_050);
    }

    #[test]
    fn filters_hold_together() {
        let log = RejectedLog::new(10);
        add(&log, &rows("a", "no_model", 0..1));
        add(&log, &rows("a", "bad_timestamp", 1..2));
        add(&log, &rows("b", "bad_timestamp", 2..3));
        let rows = |model, reason| {
            log.page(model, reason, 10).rejected.iter().map(|entry| entry.row).collect::<Vec<_>>()
        };
        assert_eq!(rows(Some("a"), None), [1, 0]);
        assert_eq!(rows(None, Some("bad_timestamp")), [2, 1]);
        assert_eq!(rows(Some("a"), Some("bad_timestamp")), [1]);
        assert_eq!(rows(Some("c"), None), [0; 0]);
    }

    #[test]
    fn a_log_of_nothing_counts() {
        let log = RejectedLog::new(0);
        add(&log, &rows("a", "no_model", 0..5));
        assert_eq!((log.page(None, None, 10).kept, log.page(None, None, 10).total), (0, 5));
    }
}
