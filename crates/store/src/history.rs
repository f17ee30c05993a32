//! The window reports of the past.

mod memory;
mod page;
mod place;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;

pub use memory::MemoryHistory;
pub use stored::{HistorySpec, StoredHistory};

use crate::state::StateError;

/// Reports cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The disk refuses, or its files are damaged.
    #[error("reports cannot be read from the state folder")]
    State(#[source] StateError),
    /// One is not what was written.
    #[error(
        "a report of model {model} that ends at {end} cannot be read; restore the state folder from a backup"
    )]
    Unreadable {
        /// Its model.
        model: String,
        /// Its end.
        end: EventTime,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
}

/// Which reports are asked for. Every part that is `None` lets all through.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// The model.
    pub model: String,
    /// The window's name.
    pub window: Option<String>,
    /// The model's version.
    pub version: Option<String>,
    /// The segment; an empty map asks for all rows, not for segments.
    pub segment: Option<BTreeMap<String, String>>,
    /// Windows that end after it.
    pub from: Option<EventTime>,
    /// Windows that start before it.
    pub to: Option<EventTime>,
    /// Only the newest window of each name, version and segment.
    pub latest: bool,
    /// Where to go on, from the page before.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// Some of the reports that were asked for: the latest end first.
#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// The reports.
    pub reports: Vec<Arc<WindowReport>>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<String>,
}

/// Where reports are kept. A report replaces the one of the same window, version and segment.
pub trait History: Send {
    /// Keeps a report.
    fn put(&mut self, report: Arc<WindowReport>);
    /// Finds reports.
    ///
    /// # Errors
    /// [`HistoryError`] if they cannot be read.
    fn find(&self, query: &HistoryQuery) -> Result<HistoryPage, HistoryError>;
    /// How many reports of a model are kept.
    fn len(&self, model: &str) -> usize;
    /// Whether there is no report of a model.
    fn is_empty(&self, model: &str) -> bool {
        self.len(model) == 0
    }
    /// How many reports went because there were too many.
    fn dropped(&self) -> u64;
    /// How many reports went because they were too old.
    fn expired(&self) -> u64 {
        0
    }
}
