//! Reports in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::WindowReport;

use super::page::Page;
use super::place::Place;
use super::{History, HistoryError, HistoryPage, HistoryQuery};

/// A [`History`] in memory, bounded in reports for each model; those that ended first go first.
#[derive(Debug)]
pub struct MemoryHistory {
    reports: BTreeMap<String, BTreeMap<Place, Arc<WindowReport>>>,
    reports_per_model: usize,
    dropped: u64,
}

impl MemoryHistory {
    /// An empty history.
    #[must_use]
    pub const fn new(reports_per_model: usize) -> Self {
        Self { reports: BTreeMap::new(), reports_per_model, dropped: 0 }
    }
}

impl History for MemoryHistory {
    fn put(&mut self, report: Arc<WindowReport>) {
        let reports = self.reports.entry(report.model.clone()).or_default();
        reports.insert(Place::of(&report), report);
        while reports.len() > self.reports_per_model {
            reports.pop_first();
            self.dropped += 1;
        }
    }

    fn find(&self, query: &HistoryQuery) -> Result<HistoryPage, HistoryError> {
        let mut page = Page::new(query);
        for (place, report) in self.reports.get(&query.model).into_iter().flatten().rev() {
            if page.wants(place).is_break() {
                break;
            }
            page.offer(place, report);
        }
        Ok(page.finish())
    }

    fn len(&self, model: &str) -> usize {
        self.reports.get(model).map_or(0, BTreeMap::len)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}
