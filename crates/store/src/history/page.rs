//! Filling a page.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use driftline_evaluate::WindowReport;

use super::place::Place;
use super::{HistoryPage, HistoryQuery};

/// A page that is being filled with reports, which come with the latest end first.
#[derive(Debug)]
pub(super) struct Page<'a> {
    query: &'a HistoryQuery,
    before: Option<Place>,
    /// Windows whose newest report was seen, on this page or one before.
    seen: BTreeSet<Series>,
    reports: Vec<Arc<WindowReport>>,
    last: Option<Place>,
    is_full: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(query: &'a HistoryQuery) -> Self {
        let before = query.after.as_deref().and_then(Place::parse);
        Self { query, before, seen: BTreeSet::new(), reports: Vec::new(), last: None, is_full: false }
    }

    /// The first place that can be on the page; `None`: any. For the newest of each, those before it count too.
    pub(super) const fn before(&self) -> Option<&Place> {
        if self.query.latest { None } else { self.before.as_ref() }
    }

    /// Whether the report of a place can be wanted, and whether one after it can.
    pub(super) fn wants(&self, place: &Place) -> ControlFlow<(), bool> {
        let query = self.query;
        if self.is_full || query.limit == 0 || query.from.is_some_and(|from| place.end <= from) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(
            query.window.as_ref().is_none_or(|window| *window == place.window)
                && query.version.as_ref().is_none_or(|version| *version == place.version)
                && query.segment.as_ref().is_none_or(|segment| *segment == place.segment)
                && (query.latest || self.before.as_ref().is_none_or(|before| place < before))
                && !(query.latest && self.seen.contains(&series(place))),
        )
    }

    /// Puts a report on the page if it belongs there.
    pub(super) fn offer(&mut self, place: &Place, report: &Arc<WindowReport>) {
        let begins_too_late = self.query.to.is_some_and(|to| report.window.start >= to);
        if self.wants(place) != ControlFlow::Continue(true) || begins_too_late {
            return;
        }
        if self.query.latest {
            self.seen.insert(series(place));
            if self.before.as_ref().is_some_and(|before| place >= before) {
                return;
            }
        }
        if self.reports.len() == self.query.limit {
            self.is_full = true;
            return;
        }
        self.reports.push(Arc::clone(report));
        self.last = Some(place.clone());
    }

    pub(super) fn finish(self) -> HistoryPage {
        let next = if self.is_full { self.last.map(|place| place.cursor()) } else { None };
        HistoryPage { reports: self.reports, next }
    }
}

/// A window's name, version and segment.
type Series = (String, String, BTreeMap<String, String>);

fn series(place: &Place) -> Series {
    (place.window.clone(), place.version.clone(), place.segment.clone())
}
